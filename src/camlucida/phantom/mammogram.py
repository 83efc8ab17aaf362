"""Synthetic mammograms with a known breast density.

A film is a Beer–Lambert projection of a compressed breast: fat, skin, pectoral muscle (MLO views)
and fibroglandular tissue. The last lies where a random field behind the nipple exceeds a threshold,
and the threshold is such that this part is a given SHARE of the breast's area. The share decides
the density class 1 to 4 (BI-RADS a to d). Quantum noise, detector blur, a correction of the thin
rim, and an S-shaped window make the picture.

Twins: with one seed and view, another density moves the threshold alone, so the dense masks are
nested; a view label is burned into the air and changes nothing else. The window does not follow the
density. A right breast is a left one mirrored; the letters are not. SYNTHETIC; of no use in
radiology.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from camlucida.core.errors import UsageError
from camlucida.phantom.anatomy import Array
from camlucida.phantom.breast import (
    HEIGHT_CM,
    SHARES,
    Breast,
    BreastAnatomy,
    Mask,
    draw_breast_anatomy,
    draw_view,
    project,
)
from camlucida.phantom.exposure import Exposure, check_size, stream, window
from camlucida.phantom.marker import bitmap

Laterality = Literal["L", "R"]
ViewPosition = Literal["CC", "MLO"]

DENSITIES = (1, 2, 3, 4)
PREVALENCE = (0.2, 0.3, 0.3, 0.2)
"""Of the classes among the phantom's patients; rarer extremes, as among women who are screened."""
LATERALITIES: tuple[Laterality, ...] = ("L", "R")
VIEWS: tuple[ViewPosition, ...] = ("CC", "MLO")
WHITE = 4095
"""Largest stored value: 12 bits."""
MU_FAT, MU_GLAND, MU_MUSCLE, MU_SKIN = 0.45, 0.80, 0.80, 0.65
"""Attenuation per cm at about 20 keV."""
QUANTA_PER_CM2 = 2.5e7
"""Quanta per cm² of film where nothing attenuates."""
BLUR_CM = 0.05
"""Standard deviation of the detector's Gaussian blur."""
RIM = 0.75
"""Share of the missing thickness at the breast's rim that the display makes up for, as mammography
systems do."""
LETTER_CM = 0.95
"""Height of a burned-in letter."""


@dataclass(frozen=True)
class Mammogram:
    """One synthetic mammogram and its truth.

    Attributes:
        image: (H, W) uint16 in [0, 4095], white where little passes; W is three quarters of H.
        masks: (H, W) bool each: "breast" (within the skin, off the muscle), "dense" (where the
            field exceeds its threshold; thin tissue at its border may not be seen), "muscle" (empty
            on a CC view), and "label" where letters are burned in.
        density: 1 to 4, BI-RADS a to d.
        share: dense area ÷ breast area.
        laterality, view: of the breast, and of the projection.
        seed: of the patient.
    """

    image: NDArray[np.uint16]
    masks: dict[str, Mask]
    density: int
    share: float
    laterality: Laterality
    view: ViewPosition
    seed: int


class Examination(NamedTuple):
    """A patient of the packaged models and the bundled cohort: one breast, both VIEWS.

    Attributes:
        labelled: for each of VIEWS, whether the film bears its view label. It is independent
            of the density.
    """

    density: int
    laterality: Laterality
    labelled: tuple[bool, bool]


class _Projection(NamedTuple):
    anatomy: BreastAnatomy
    breast: Breast
    exposure: Exposure
    noise: Array


def mammogram(
    seed: int,
    density: int = 2,
    *,
    laterality: Laterality = "L",
    view: ViewPosition = "MLO",
    view_label: str | None = None,
    size: int = 384,
) -> Mammogram:
    """A synthetic mammogram with the exact place of its dense tissue.

    Args:
        seed: decides the patient, and with ``view`` the tissue, the noise and the window; ≥ 0.
        density: class 1 to 4; where in its class the share lies is the patient's.
        laterality: "L", or "R" for the mirrored film.
        view: "CC", or "MLO" with the pectoral muscle.
        view_label: letters burned in at the upper corner of the air, such as "R MLO"; None for
            none.
        size: height in pixels, 64 to 1024; the width is three quarters of it.

    Raises:
        UsageError: a density, laterality, view or size out of range, or a letter without a shape.
    """
    _check(density, laterality, view, size)
    anatomy, breast, exposure, noise = _projection(seed, view, size)
    low, high = SHARES[density - 1]
    width = high - low
    dense, depth = _dense(breast, low + width * anatomy.class_position)
    above_threshold = np.maximum(depth, 0)
    thinning = np.exp(-above_threshold / anatomy.edge)
    share = anatomy.fill * (1 - thinning)
    uneven = np.clip(1 + 0.3 * breast.grain, 0, 1.6)
    gland = (breast.whole - breast.skin) * share * uneven
    attenuation = _attenuation(breast, gland)
    values = _develop(attenuation, breast, exposure, noise)
    masks = {
        "breast": breast.inside,
        "dense": dense,
        "muscle": breast.behind,
    }
    if laterality == "R":
        values = values[:, ::-1]
        masks = {name: mask[:, ::-1] for name, mask in masks.items()}
    image = np.round(values).astype(np.uint16)
    if view_label is not None:
        letters = label_field(view_label, laterality, size)
        masks["label"] = letters > 0
        burned_in = np.round(WHITE * letters)
        image = np.maximum(image, burned_in.astype(np.uint16))
    dense_area = masks["dense"].sum()
    breast_area = masks["breast"].sum()
    return Mammogram(
        image=image,
        # Copies: the projection's arrays are shared.
        masks={name: mask.copy() for name, mask in masks.items()},
        density=density,
        share=float(dense_area / breast_area),
        laterality=laterality,
        view=view,
        seed=seed,
    )


def examination(seed: int) -> Examination:
    """What kind of patient a seed is, in the PREVALENCE of the classes."""
    rng = stream(seed, 27)
    density = int(rng.choice(DENSITIES, p=PREVALENCE))
    side: Laterality = "L" if rng.random() < 0.5 else "R"
    first, second = rng.random(2) < 0.5
    return Examination(density, side, (bool(first), bool(second)))


def _check(density: int, laterality: str, view: str, size: int) -> None:
    for name, value, allowed in (
        ("density", density, DENSITIES),
        ("laterality", laterality, LATERALITIES),
        ("view", view, VIEWS),
    ):
        if value not in allowed:
            listed = ", ".join(map(str, allowed))
            raise UsageError(f"{name}={value!r}", f"one of {listed}")
    check_size(size)


@lru_cache(maxsize=4)
def _projection(seed: int, view: ViewPosition, size: int) -> _Projection:
    """All that a seed and a view decide, at one film size."""
    anatomy = draw_breast_anatomy(stream(seed, 20))
    number = VIEWS.index(view)
    look = stream(seed, 21 + number)
    projected = draw_view(look, anatomy, view)
    breast = project(anatomy, projected, look, size)
    exposure = _draw_exposure(stream(seed, 23 + number), anatomy, size)
    grain = stream(seed, 25 + number)
    noise = grain.standard_normal(breast.whole.shape, dtype=np.float32)
    return _Projection(anatomy, breast, exposure, noise)


def _draw_exposure(rng: np.random.Generator, anatomy: BreastAnatomy, size: int) -> Exposure:
    """A random exposure; its window follows the thickness, never the density."""
    u = rng.uniform
    pixel = HEIGHT_CM / size
    fat = MU_FAT * anatomy.thickness
    # The order of the draws is part of the film.
    span = (MU_GLAND - MU_FAT) * anatomy.thickness * u(0.65, 1.0)
    black = fat - span * u(0.35, 0.65)
    quanta = QUANTA_PER_CM2 * u(0.6, 1.6) * pixel**2
    return Exposure(
        quanta=quanta,
        black=black,
        white=fat + span * u(0.9, 1.3),
        contrast=u(3.6, 4.8),
        centre=0.5,
    )


def _dense(breast: Breast, share: float) -> tuple[Mask, Array]:
    """The dense pixels, as many as make up the share, and the field above its threshold."""
    ascending = np.sort(breast.field[breast.inside])
    values = ascending[::-1]
    wanted = round(share * len(values))
    # At least one pixel is dense, and at least one is not.
    count = min(max(1, wanted), len(values) - 1)
    depth = breast.field - values[count]
    return breast.inside & (depth > 0), depth


def _attenuation(breast: Breast, gland: Array) -> Array:
    """Σ μᵢ·tᵢ along each ray.

    Dense tissue is no thicker than what the strands, skin and muscle leave.
    """
    tissue = breast.whole - breast.skin
    with_strands = np.maximum(gland, breast.fibres)
    thickness = np.minimum(with_strands, tissue - breast.muscle)
    gland = np.where(breast.inside, thickness, 0)
    fat = tissue - gland - breast.muscle
    within = MU_FAT * fat + MU_GLAND * gland
    within = within + MU_MUSCLE * breast.muscle
    total: Array = within + MU_SKIN * breast.skin
    return total


def _develop(attenuation: Array, breast: Breast, exposure: Exposure, noise: Array) -> Array:
    """Attenuation → grey values in [0, WHITE]: counts, blur, logarithm, rim correction, window."""
    expected = exposure.quanta * np.exp(-attenuation)
    fluctuation = np.sqrt(expected) * noise
    # At least one quantum, for the logarithm.
    counts = np.maximum(expected + fluctuation, 1)
    sigma = BLUR_CM * len(counts) / HEIGHT_CM
    detected = ndimage.gaussian_filter(counts, sigma, mode="nearest", truncate=3.0)
    measured = -np.log(detected / exposure.quanta)
    thinner = breast.whole.max() - breast.whole
    missing = np.where(breast.whole > 0, thinner, 0)
    corrected = measured + RIM * MU_FAT * missing
    return window(corrected, exposure, WHITE)


def label_field(text: str, laterality: Laterality, size: int) -> Array:
    """Burned-in letters (H, W), 1 on a letter, 0 off it: in the corner away from the chest wall.

    Raises:
        UsageError: a letter without a shape, no text, or more letters than fit.
    """
    words = [bitmap(word) for word in text.split()] or [bitmap("")]
    gap = np.zeros((7, 4), np.float32)
    letters = words[0]
    for word in words[1:]:
        letters = np.hstack([letters, gap, word])
    width = round(size * 3 / 4)
    height = max(7, round(LETTER_CM * size / HEIGHT_CM))
    long = round(height * letters.shape[1] / 7)
    margin = round(0.6 * size / HEIGHT_CM)
    if long + 2 * margin > width / 2:
        raise UsageError(f"view label {text!r} is too long", "use letters such as R MLO")
    coarse = Image.fromarray(letters)
    smooth = coarse.resize((long, height), Image.Resampling.BICUBIC)
    drawn = np.asarray(smooth, dtype=np.float32)
    # Bold, as thin letters would fade.
    strokes = np.clip(1.4 * drawn, 0, 1)
    field = np.zeros((size, width), np.float32)
    left = width - margin - long if laterality == "L" else margin
    bottom = margin + height
    right = left + long
    field[margin:bottom, left:right] = strokes
    return field
