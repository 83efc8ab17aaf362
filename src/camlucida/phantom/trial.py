"""Films that put explanations to the test: lesions, distractors and a tag on a healthy phantom.

A lesion is an attenuation added to the healthy patient's before quanta, blur and window
(Beer–Lambert), so ribs, vessels and haze cross it as they cross all else. A twin lacks one part and
keeps the patient, the noise, the window and every other part. The truth of a part is hence where
the noise-free film changes by more than EPSILON grey levels when this part alone is taken off.
Lengths are pixels of a film of FILM_PX a side, whatever size it is drawn at. SYNTHETIC; of no use
in radiology.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from camlucida.core.errors import UsageError
from camlucida.phantom.anatomy import FIELD_CM, Array
from camlucida.phantom.exposure import (
    BLUR_CM,
    EPSILON,
    Exposure,
    check_size,
    develop,
    picture,
    stream,
)
from camlucida.phantom.lesions import FILM_PX, GAP, Lesion, added_attenuation, equal_bars, scatter
from camlucida.phantom.marker import marker_field
from camlucida.phantom.scene import MU_LEAD, healthy

Mask = NDArray[np.bool_]

LABELS = ("nodule", "cavity", "nodule and cavity")
"""Outputs of the packaged models, in order. The last is true if and only if both others are; its
evidence is their union."""
LESIONS = ("nodule", "cavity")
PARTS = (*LABELS, "bar", "tag")
TAG = "PORT"
TRAIN_SEEDS = range(100_000_000, 110_000_000)
HELD_OUT_SEEDS = range(200_000_000, 210_000_000)
BENCHMARK_SEEDS = range(300_000_000, 310_000_000)
"""Seeds of backgrounds: no patient is in two of the three sets."""

DISPLAY_CONTRAST = 4.4
DISPLAY_SPAN = 2.5
"""Display curve assumed of a real radiograph (see ``paste``): slope of its S, and attenuation from
its black to its white end."""
DISPLAY_NOISE = 0.03
"""Standard deviation of a real radiograph's attenuation where nothing is added (see ``paste``)."""


@dataclass(frozen=True)
class Trial:
    """All that is on a film.

    ``seed`` decides the patient, the noise, the window and the place of the tag.
    """

    seed: int
    lesions: tuple[Lesion, ...]
    tag: bool

    @property
    def labels(self) -> tuple[int, int, int]:
        """0 or 1 for each of LABELS."""
        kinds = {lesion.kind for lesion in self.lesions}
        nodule = "nodule" in kinds
        cavity = "cavity" in kinds
        return int(nodule), int(cavity), int(nodule and cavity)

    @property
    def parts(self) -> tuple[str, ...]:
        """Those of PARTS that are present."""
        present = {lesion.kind for lesion in self.lesions}
        if self.tag:
            present.add("tag")
        if present >= set(LESIONS):
            present.add(LABELS[2])
        return tuple(part for part in PARTS if part in present)


@dataclass(frozen=True)
class TrialFilm:
    """A film and its truth.

    Attributes:
        image: (H, W) uint8, white where little passes.
        clean: (H, W) float32 in [0, 255]: the same film without noise and rounding.
        masks: part → (H, W) bool, for every part present: where the clean film changes by more than
            EPSILON without it.
        soft: part → (H, W) float32: that change, absolute, grey levels.
    """

    image: NDArray[np.uint8]
    clean: Array
    masks: dict[str, Mask]
    soft: dict[str, Array]


class Background(NamedTuple):
    """All that a seed decides, at one film size.

    Attributes:
        attenuation: (H, W) float32 of the healthy patient.
        room: (FILM_PX, FILM_PX) float32: distance to the edge of the lung fields, 0 outside them
            and under the tag.
        exposure: quanta and window.
    """

    attenuation: Array
    room: Array
    exposure: Exposure


@lru_cache(maxsize=8)
def background(seed: int, size: int = FILM_PX) -> Background:
    """The healthy film under a trial of this seed. The arrays are shared: they are read-only."""
    attenuation, _, exposure = healthy(seed, size)
    under_tag = _grown(tag_field(seed, FILM_PX) > 0, GAP)
    lungs = healthy(seed, FILM_PX).lungs & ~under_tag
    distance = ndimage.distance_transform_edt(lungs)
    room = distance.astype(np.float32)
    for array in (attenuation, room):
        array.flags.writeable = False
    return Background(attenuation, room, exposure)


def _grown(mask: Mask, pixels: float) -> Mask:
    distance = ndimage.distance_transform_edt(~mask)
    grown: Mask = distance <= pixels
    return grown


def tag_field(seed: int, size: int = FILM_PX) -> Array:
    """Share of each pixel under the tag's lead, (size, size) in [0, 1], where there is a tag."""
    return marker_field(TAG, stream(seed, 4), size)


def draw_kinds(rng: np.random.Generator) -> tuple[str, ...]:
    """The kinds of lesions on a film.

    Nodule and cavity are present with probability 1/2 each, 1–3 of each present kind, and 0–2 bars.
    The order is random, as the first find room most easily; the first of each kind come before all
    others.
    """
    drawn = rng.random(2) < 0.5
    present = []
    for kind, is_present in zip(LESIONS, drawn, strict=True):
        if is_present:
            present.append(kind)
    more = []
    for kind in present:
        more += [kind] * int(rng.integers(3))
    more += ["bar"] * int(rng.integers(3))
    # permutation gives NumPy's strings.
    first = rng.permutation(present)
    later = rng.permutation(more)
    return tuple(str(kind) for kind in (*first, *later))


def draw_tag(rng: np.random.Generator, nodule: bool, rho: float) -> bool:
    """Whether the film bears the tag.

    The probability is (1 + rho)/2 with a nodule and (1 − rho)/2 without.

    Args:
        rng: decides.
        nodule: whether there is a nodule.
        rho: correlation of the tag with a nodule, −1 to 1.

    >>> draw_tag(np.random.default_rng(0), nodule=True, rho=1.0)
    True
    """
    probability = (1 + rho if nodule else 1 - rho) / 2
    return bool(rng.random() < probability)


def draw(seed: int, rho: float = 0.0) -> Trial:
    """The trial of a seed.

    Args:
        seed: decides all but the tag.
        rho: correlation of the tag with a nodule, −1 to 1; 0 puts it on half of the films,
            at random.

    Raises:
        UsageError: rho out of range.

    >>> trial = draw(300_000_000)
    >>> trial == draw(300_000_000), trial.lesions == draw(300_000_000, rho=1.0).lesions
    (True, True)
    """
    if not -1 <= rho <= 1:
        raise UsageError(f"rho={rho}", "rho is from -1 to 1")
    rng = stream(seed, 11)
    room = background(seed).room
    kinds = draw_kinds(rng)
    lesions = scatter(rng, room, kinds)
    nodule = any(lesion.kind == "nodule" for lesion in lesions)
    tag = draw_tag(stream(seed, 12), nodule, rho)
    return Trial(seed, lesions, tag)


# Twins


def without(trial: Trial, part: str) -> Trial:
    """The twin that lacks one part.

    That is: all lesions of a kind, the tag, or, for "nodule and cavity", both kinds of lesion.

    Raises:
        UsageError: the part is not on the film.
    """
    if part not in trial.parts:
        present = ", ".join(trial.parts) or "nothing"
        raise UsageError(f"no {part!r} on this film", f"there is {present}")
    if part == "tag":
        return replace(trial, tag=False)
    removed = LESIONS if part == LABELS[2] else (part,)
    kept = tuple(lesion for lesion in trial.lesions if lesion.kind not in removed)
    return replace(trial, lesions=kept)


def swapped(trial: Trial, part: str) -> Trial:
    """The film with equal bars at free places in place of a part's lesions.

    The bars have the area and contrast of the lesions. What these distractors do to a score is the
    yardstick for what the evidence does, from the same bare film: score(swapped) − score(without)
    against score(trial) − score(without). There is one bar for each lesion, or, where a long bar
    finds no room over the lung fields, two, three … of the same area in all. Equal trials get equal
    bars.

    Raises:
        UsageError: the part is not on the film, or is the tag.
    """
    if part == "tag":
        parts = ", ".join(PARTS[:-1])
        raise UsageError("a tag has no equal bar", f"give one of {parts}")
    bare = without(trial, part)
    gone = [lesion for lesion in trial.lesions if lesion not in bare.lesions]
    rng = stream(trial.seed, 13)
    room = background(trial.seed).room
    lesions = bare.lesions
    # Large ones first, while there is room.
    for lesion in sorted(gone, key=lambda lesion: -lesion.area):
        lesions += equal_bars(rng, room, lesion, lesions)
    return replace(bare, lesions=lesions)


# Films


def quanta(trial: Trial, under: Background) -> Array:
    """Quanta expected at each pixel of the film, (H, W) float32.

    ``under``: the trial's background.
    """
    size = len(under.attenuation)
    added = added_attenuation(trial.lesions, size)
    attenuation = under.attenuation + added
    if trial.tag:
        lead = tag_field(trial.seed, size)
        attenuation = attenuation + MU_LEAD * lead
    expected: Array = under.exposure.quanta * np.exp(-attenuation)
    return expected


def image(trial: Trial, size: int = FILM_PX) -> NDArray[np.uint8]:
    """Only the picture of ``expose``, (H, W) uint8."""
    under = background(trial.seed, check_size(size))
    expected = quanta(trial, under)
    return picture(expected, under.exposure, stream(trial.seed, 3))


def expose(trial: Trial, size: int = FILM_PX) -> TrialFilm:
    """The film of a trial with the ground truth of each part on it.

    Raises:
        UsageError: a size out of range.
    """
    under = background(trial.seed, check_size(size))
    exposure = under.exposure
    expected = quanta(trial, under)
    clean = develop(expected, exposure)
    twins = {}
    for part in trial.parts:
        twin = quanta(without(trial, part), under)
        twins[part] = develop(twin, exposure)
    masks, soft = _truth(clean, twins)
    return TrialFilm(
        image=picture(expected, exposure, stream(trial.seed, 3)),
        clean=clean,
        masks=masks,
        soft=soft,
    )


def _truth(clean: Array, twins: Mapping[str, Array]) -> tuple[dict[str, Mask], dict[str, Array]]:
    soft = {part: np.abs(twin - clean) for part, twin in twins.items()}
    masks = {part: change > EPSILON for part, change in soft.items()}
    return masks, soft


@dataclass(frozen=True)
class Pasted:
    """A real radiograph with lesions put on it, and as it was.

    Attributes:
        image, bare: (H, W) uint8, with the lesions and without any.
        masks, soft: as those of a TrialFilm.
    """

    image: NDArray[np.uint8]
    bare: NDArray[np.uint8]
    masks: dict[str, Mask]
    soft: dict[str, Array]


def paste(pixels: NDArray[np.floating], lesions: Collection[Lesion], seed: int) -> Pasted:
    """Lesions on a real radiograph, as their attenuation would show, with ground truth by twins.

    The radiograph is taken to be shown through the phantom's own kind of window: p = 1/(1 +
    exp(−k·(x − m))), x the attenuation in units of the window. An added attenuation a (blurred by
    the detector) then moves the log-odds of a grey value by k·a/D, with k = DISPLAY_CONTRAST and D
    = DISPLAY_SPAN: m cancels, and no value leaves [0, 1]. Fewer quanta are more grain: a is raised
    by DISPLAY_NOISE·√(exp(a) − 1)·z, the noise that Poisson counts would gain. The real film's
    curve is not known, so the lesions' contrast is plausible, not physical.

    Args:
        pixels: (FILM_PX, FILM_PX) in [0, 1], white where little passes.
        lesions: where and what, for instance ``scatter(rng, distance_transform_edt(lungs),
            kinds)``.
        seed: of the grain.

    Raises:
        UsageError: another shape, or a value outside [0, 1].
    """
    if pixels.shape != (FILM_PX, FILM_PX):
        remedy = f"crop and resize to {FILM_PX} × {FILM_PX} first"
        raise UsageError(f"pixels of shape {pixels.shape}", remedy)
    darkest = pixels.min()
    brightest = pixels.max()
    if not (np.isfinite(pixels).all() and darkest >= 0 and brightest <= 1):
        raise UsageError(f"pixels from {darkest} to {brightest}", "scale them to [0, 1]")
    grey = np.asarray(pixels, np.float32)
    noise = stream(seed, 14)
    z = noise.standard_normal(grey.shape, dtype=np.float32)

    trial = Trial(seed, tuple(lesions), tag=False)
    added = _blurred(trial.lesions)
    clean = _with_attenuation(grey, added)
    twins = {}
    for part in trial.parts:
        rest = _blurred(without(trial, part).lesions)
        twins[part] = _with_attenuation(grey, rest)
    masks, soft = _truth(clean, twins)
    more_noise = np.sqrt(np.expm1(added))
    grain = DISPLAY_NOISE * more_noise * z
    with_lesions = _with_attenuation(grey, added + grain)
    unchanged = _with_attenuation(grey, _blurred(()))
    return Pasted(
        image=np.round(with_lesions).astype(np.uint8),
        bare=np.round(unchanged).astype(np.uint8),
        masks=masks,
        soft=soft,
    )


def _blurred(lesions: Iterable[Lesion]) -> Array:
    """What lesions add to the attenuation, as the detector shows it, (FILM_PX, FILM_PX)."""
    sigma = BLUR_CM * FILM_PX / FIELD_CM
    added = added_attenuation(lesions)
    blurred: Array = ndimage.gaussian_filter(added, sigma, truncate=3.0)
    return blurred


def _with_attenuation(grey: Array, added: Array) -> Array:
    """Grey levels in [0, 255] of a radiograph ``grey`` in [0, 1] whose attenuation is raised."""
    slope = DISPLAY_CONTRAST / DISPLAY_SPAN
    odds = np.exp(slope * added)
    total = 1 + grey * (odds - 1)
    raised: Array = 255 * grey * odds / total
    return raised
