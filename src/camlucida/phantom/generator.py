"""Synthetic frontal chest radiographs with known evidence.

A film is a Beer–Lambert projection of a patient (see ``phantom.scene``), counted, blurred by the
detector and shown through an S-shaped window (see ``phantom.exposure``). λ, the quanta that reach a
pixel, is about 10² behind the spine and 10³ in the lungs. The window is set on the healthy patient,
so it does not move when a finding is switched on.

Two films of one seed are twins: same anatomy, same noise, same window. Hence the ground truth of a
finding: where the noise-free film changes by more than EPSILON grey levels when this finding alone
is switched off and everything else is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.phantom import anatomy
from camlucida.phantom.anatomy import Array
from camlucida.phantom.exposure import changed, check_size, develop, picture, stream
from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.marker import marker_field
from camlucida.phantom.scene import (
    MU_LEAD,
    Scene,
    attenuation_of,
    ctr_of,
    heart_of,
    lungs_of,
    scene_of,
)


@dataclass(frozen=True)
class Film:
    """One synthetic radiograph and its ground truth.

    Attributes:
        image: (H, W) uint8, white where little passes, as radiologists look at it.
        clean: (H, W) float32 in [0, 255]: the same film without noise and rounding.
        masks: name → (H, W) bool: each finding that is present, "lungs" (fields beside heart and
            above diaphragm), "heart", and "marker" when there is one. A finding's mask holds every
            pixel it changes (see EPSILON); that of "cardiomegaly" is hence the rim that the heart
            gained and the heart's area where it grew thicker.
        findings: those present, in the order of FINDINGS.
        marker: the letters on the film, or None.
        seed: of the patient, the noise and all positions.
    """

    image: NDArray[np.uint8]
    clean: Array
    masks: dict[str, NDArray[np.bool_]]
    findings: tuple[str, ...]
    marker: str | None
    seed: int

    @property
    def labels(self) -> tuple[int, ...]:
        """0 or 1 for each of FINDINGS."""
        return tuple(int(name in self.findings) for name in FINDINGS)


def film(
    seed: int, findings: Collection[str] = (), marker: str | None = None, size: int = 256
) -> Film:
    """A synthetic frontal chest film with the exact place of its evidence.

    Args:
        seed: decides the patient, all positions and the noise; ≥ 0. Equal seeds with other findings
            give twins.
        findings: which of FINDINGS are present, in any order.
        marker: letters burned in near an upper corner, such as "L", "R" or "PORT"; None for none.
        size: height and width in pixels, 64 to 1024; the anatomy does not depend on it, the noise
            does.

    Raises:
        UsageError: an unknown finding, a letter without a shape, or a size out of range.

    >>> drawn = film(7, ["nodule"], marker="L", size=128)
    >>> drawn.image.shape, drawn.image.dtype.name, drawn.labels
    ((128, 128), 'uint8', (1, 0, 0, 0, 0))
    >>> sorted(drawn.masks)
    ['heart', 'lungs', 'marker', 'nodule']
    """
    present = check_findings(findings)
    scene = scene_of(seed, check_size(size))
    return film_of(scene, present, marker, seed, stream(seed, 3))


def image(
    seed: int, findings: Collection[str] = (), marker: str | None = None, size: int = 256
) -> NDArray[np.uint8]:
    """Only the picture of ``film``: much quicker, for training.

    Args:
        seed, findings, marker, size: as for :func:`film`.

    Returns:
        (H, W) uint8.

    Raises:
        UsageError: as for :func:`film`.

    >>> bool((image(7, ["nodule"], size=64) == film(7, ["nodule"], size=64).image).all())
    True
    """
    present = check_findings(findings)
    scene = scene_of(seed, check_size(size))
    quanta = expected_quanta(scene, present, _lead(marker, seed, size))
    return picture(quanta, scene.exposure, stream(seed, 3))


def film_of(
    scene: Scene,
    findings: tuple[str, ...],
    marker: str | None,
    seed: int,
    noise: np.random.Generator,
) -> Film:
    """The film of a scene with its ground truth by twins.

    Args:
        scene: the patient and the exposure.
        findings: those present, in the order of FINDINGS.
        marker: letters on the film, or None.
        seed: of the marker's place.
        noise: draws the counts.
    """
    exposure = scene.exposure
    lead = _lead(marker, seed, len(scene.grid.x))
    quanta = expected_quanta(scene, findings, lead)
    clean = develop(quanta, exposure)
    masks = {}
    for name in findings:
        others = [other for other in findings if other != name]
        twin = develop(expected_quanta(scene, others, lead), exposure)
        masks[name] = changed(clean, twin)
    patient, grid = scene.patient, scene.grid
    masks["lungs"] = lungs_of(patient, grid, ctr_of(scene, findings))
    above_diaphragm = grid.y < anatomy.dome_height(patient, grid.x)
    masks["heart"] = (heart_of(scene, findings) > 0) & above_diaphragm
    if lead is not None:
        unmarked = develop(expected_quanta(scene, findings, None), exposure)
        masks["marker"] = changed(clean, unmarked)
    return Film(picture(quanta, exposure, noise), clean, masks, findings, marker, seed)


def expected_quanta(scene: Scene, findings: Collection[str], lead: Array | None) -> Array:
    """Quanta expected at each pixel: I₀·exp(−Σ μᵢ·tᵢ).

    Args:
        scene: the patient and the exposure.
        findings: those present.
        lead: (H, W), share of each pixel under lead; None without a marker.

    Returns:
        (H, W) float32.
    """
    attenuation = attenuation_of(scene, findings)
    if lead is not None:
        attenuation = attenuation + MU_LEAD * lead
    quanta: Array = scene.exposure.quanta * np.exp(-attenuation)
    return quanta


def check_findings(findings: Collection[str]) -> tuple[str, ...]:
    """The findings in the order of FINDINGS.

    Raises:
        UsageError: one of them is unknown, or they are given as a text.

    >>> check_findings(["effusion", "nodule"])
    ('nodule', 'effusion')
    """
    if isinstance(findings, str):
        raise UsageError(f"findings={findings!r} is a text", f"give a list: [{findings!r}]")
    for name in findings:
        if name not in FINDINGS:
            raise UsageError(f"unknown finding {name!r}", did_you_mean(str(name), FINDINGS))
    return tuple(name for name in FINDINGS if name in findings)


def _lead(marker: str | None, seed: int, size: int) -> Array | None:
    return None if marker is None else marker_field(marker, stream(seed, 4), size)
