"""Synthetic frontal chest radiographs with known evidence.

A film is a Beer–Lambert projection: λ = I₀·exp(−Σ μᵢ·tᵢ) quanta reach a pixel, with tᵢ the thickness of tissue i along the ray.
The count is λ + √λ·z with one fixed standard normal field z (Poisson's distribution in its Gaussian limit; λ is about 10²
behind the spine, 10³ in the lungs), blurred by the detector, its logarithm shown through an S-shaped window. The window is set
on the healthy patient, so it does not move when a finding is switched on.

Two films of one seed are twins: same anatomy, same noise, same window. Hence the truth of a finding: where the noise-free film
changes by more than EPSILON grey levels when this finding alone is switched off and everything else is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.phantom import anatomy, texture
from camlucida.phantom.anatomy import FIELD_CM, Array, Grid, Patient, patient_grid
from camlucida.phantom.findings import (
    FINDINGS,
    PLACING_GRID,
    Disease,
    consolidation_share,
    draw_disease,
    effusion_share,
    free_air,
    lung_fields,
    nodule_thickness,
)
from camlucida.phantom.marker import marker_field

MU_SOFT, MU_LUNG, MU_BONE, MU_LEAD = 0.19, 0.047, 0.37, 5.0
"""Attenuation per cm at about 70 keV: soft tissue, aerated lung, bone in excess of soft tissue, and of a lead letter in all."""
QUANTA_PER_CM2 = 1.1e6
"""Quanta per cm² of film where nothing attenuates."""
BLUR_CM = 0.09
"""Standard deviation of the detector's Gaussian blur."""
EPSILON = 1.0
"""Grey levels of 255 by which the noise-free film must change for a pixel to belong to a finding."""
SMALLEST, LARGEST = 64, 1024
"""Film sizes in pixels that are worth drawing."""


@dataclass(frozen=True)
class Film:
    """One synthetic radiograph and its truth.

    Attributes:
        image: (H, W) uint8, white where little passes, as radiologists look at it.
        clean: (H, W) float32 in [0, 255]: the same film without noise and rounding.
        masks: name → (H, W) bool: each finding that is present, "lungs" (fields beside heart and above diaphragm), "heart", and
            "marker" when there is one. A finding's mask holds every pixel it changes (see EPSILON); that of "cardiomegaly" is
            hence the rim that the heart gained and the heart's own area where it grew thicker.
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


class Exposure(NamedTuple):
    """How a film is taken and shown.

    Attributes:
        quanta: mean count of a pixel where nothing attenuates.
        black, white: attenuations at the two ends of the window.
        contrast, centre: slope and middle of the S over the window, in units of its width.
    """

    quanta: float
    black: float
    white: float
    contrast: float
    centre: float


class Healthy(NamedTuple):
    """A patient without findings: attenuation (H, W), no unit; lung fields (H, W) bool; and how the film is taken."""

    attenuation: Array
    lungs: NDArray[np.bool_]
    exposure: Exposure


@dataclass(frozen=True)
class _Subject:
    """All that a seed decides, at one film size. Thicknesses in cm, (H, W)."""

    patient: Patient
    disease: Disease
    grid: Grid
    around: Array  # attenuation of everything but what fills the rib cage
    cage: Array  # inside of the rib cage
    solid: (
        Array  # what fills it but for lungs and heart: great vessels, abdomen under the diaphragm
    )
    vessels_of_lung: Array
    haze: Array  # relative fluctuation of the lung's density
    rough: Array
    exposure: Exposure


def stream(seed: int, name: int) -> np.random.Generator:
    """An independent generator for each purpose, so that drawing more of one thing never changes another."""
    return np.random.default_rng([name, seed])


def _fields(patient: Patient, grid: Grid, ctr: float) -> NDArray[np.bool_]:
    heart, vessels = anatomy.heart(patient, grid, ctr), anatomy.great_vessels(patient, grid)
    return lung_fields(patient, grid, np.maximum(heart, vessels), anatomy.cage(patient, grid))


def _disease(seed: int, patient: Patient) -> Disease:
    grid = patient_grid(patient, PLACING_GRID)
    return draw_disease(stream(seed, 1), patient, _fields(patient, grid, ctr=0.62))


@lru_cache(maxsize=8)
def _subject(seed: int, size: int) -> _Subject:
    patient = anatomy.draw_patient(stream(seed, 0))
    grid = patient_grid(patient, size)
    look = stream(seed, 2)
    cage = anatomy.cage(patient, grid)
    solid = np.maximum(anatomy.under_diaphragm(patient, grid), anatomy.great_vessels(patient, grid))
    flesh = np.maximum(anatomy.body(patient, grid), cage) - anatomy.airways(patient, grid) - cage
    mottle = np.float32(1) + np.float32(0.025) * texture.smooth_field(look, 9, size)
    bone = np.float32(MU_BONE * patient.bone) * (
        anatomy.ribs(patient, grid) + anatomy.other_bones(patient, grid)
    )
    around = np.float32(MU_SOFT) * flesh * mottle + bone
    haze = np.float32(0.05) * texture.smooth_field(look, 12, size) + np.float32(
        0.05
    ) * texture.smooth_field(look, 48, size)
    subject = _Subject(
        patient,
        _disease(seed, patient),
        grid,
        around,
        cage,
        solid,
        texture.vessels(patient, look, size),
        haze,
        texture.smooth_field(look, 22, size),
        Exposure(
            QUANTA_PER_CM2 * float(look.uniform(0.6, 1.6)) * (FIELD_CM / size) ** 2,
            black=0.0,
            white=1.0,
            contrast=float(look.uniform(3.8, 5.0)),
            centre=float(look.uniform(0.46, 0.56)),
        ),
    )
    healthy = _attenuation(subject, frozenset())[::2, ::2]
    lung = (cage - solid)[::2, ::2] > np.float32(1.1 * patient.half_depth)
    black, white = float(np.percentile(healthy[lung], 4)), float(np.percentile(healthy, 97))
    return replace(subject, exposure=subject.exposure._replace(black=black, white=white))


def healthy(seed: int, size: int) -> Healthy:
    """The patient of a seed without findings, on a film of ``size`` pixels a side."""
    subject = _subject(seed, size)
    lungs = _fields(subject.patient, subject.grid, subject.patient.ctr)
    return Healthy(_attenuation(subject, frozenset()), lungs, subject.exposure)


def _ctr(subject: _Subject, findings: Collection[str]) -> float:
    return subject.disease.ctr if "cardiomegaly" in findings else subject.patient.ctr


def _heart(subject: _Subject, findings: Collection[str]) -> Array:
    return anatomy.heart(subject.patient, subject.grid, _ctr(subject, findings))


def _attenuation(subject: _Subject, findings: Collection[str]) -> Array:
    """Σ μᵢ·tᵢ along each ray, (H, W), no unit."""
    patient, disease, grid = subject.patient, subject.disease, subject.grid
    solid = np.minimum(np.maximum(_heart(subject, findings), subject.solid), subject.cage)
    lung = subject.cage - solid
    filled = np.zeros_like(lung)
    if "effusion" in findings:
        filled = effusion_share(patient, disease.effusion, grid)
    if "consolidation" in findings:
        filled = filled + (1 - filled) * consolidation_share(
            disease.consolidation, grid, subject.rough
        )
    aerated = lung * (1 - filled)
    substance = np.float32(MU_LUNG) * aerated * (1 + subject.haze)
    # Vessels fade where little lung lies in the ray, and inside fluid, which has their density. Three trees lie behind
    # each other: to the front, in the middle and to the back; one stands for all.
    substance += (
        np.float32(3 * (MU_SOFT - MU_LUNG))
        * subject.vessels_of_lung
        * aerated
        / (aerated + np.float32(4))
    )
    if "pneumothorax" in findings:
        share, line = free_air(patient, disease.pneumothorax, grid)
        present = np.minimum(aerated / np.float32(3), np.float32(1))
        substance *= 1 - np.float32(disease.pneumothorax.emptiness) * share
        substance += np.float32(MU_SOFT) * line * present
    total = subject.around + np.float32(MU_SOFT) * (solid + lung - aerated) + substance
    if "nodule" in findings:
        ball = np.minimum(nodule_thickness(disease.nodule, grid), aerated)
        total += np.float32(disease.nodule.density * (MU_SOFT - MU_LUNG)) * ball
    attenuation: Array = total
    return attenuation


def develop(counts: Array, exposure: Exposure) -> Array:
    """Quanta (H, W) → grey levels in [0, 255]: detector blur, logarithm, S-shaped window."""
    size = counts.shape[0]
    seen = ndimage.gaussian_filter(counts, BLUR_CM * size / FIELD_CM, mode="nearest", truncate=3.0)
    quanta, black, white, contrast, centre = exposure
    attenuation = -np.log(np.maximum(seen / np.float32(quanta), np.float32(1e-6)))
    x = (attenuation - np.float32(black)) / np.float32(white - black)
    grey: Array = np.float32(255) / (1 + np.exp(np.float32(-contrast) * (x - np.float32(centre))))
    return grey


def _quanta(subject: _Subject, findings: Collection[str], lead: Array | None) -> Array:
    attenuation = _attenuation(subject, findings)
    if lead is not None:
        attenuation = attenuation + np.float32(MU_LEAD) * lead
    quanta: Array = np.float32(subject.exposure.quanta) * np.exp(-attenuation)
    return quanta


def _check(findings: Collection[str], size: int) -> tuple[str, ...]:
    if isinstance(findings, str):
        raise UsageError(f"findings={findings!r} is a text", f"give a list: [{findings!r}]")
    for name in findings:
        if name not in FINDINGS:
            raise UsageError(f"unknown finding {name!r}", did_you_mean(str(name), FINDINGS))
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"a film of {size} pixels", f"size is from {SMALLEST} to {LARGEST}")
    return tuple(name for name in FINDINGS if name in findings)


def image(
    seed: int, findings: Collection[str] = (), marker: str | None = None, size: int = 256
) -> NDArray[np.uint8]:
    """Only the picture of ``film``, (H, W) uint8: several times quicker, for training."""
    present = _check(findings, size)
    subject = _subject(seed, size)
    lead = None if marker is None else marker_field(marker, stream(seed, 4), size)
    return picture(_quanta(subject, present, lead), subject.exposure, stream(seed, 3))


def picture(quanta: Array, exposure: Exposure, noise: np.random.Generator) -> NDArray[np.uint8]:
    """Expected quanta (H, W) → the stored film, uint8: one draw of the counts, developed and rounded."""
    z = noise.standard_normal(quanta.shape, dtype=np.float32)
    grey = develop(np.maximum(quanta + np.sqrt(quanta) * z, np.float32(0)), exposure)
    return np.round(grey).astype(np.uint8)


def film(
    seed: int, findings: Collection[str] = (), marker: str | None = None, size: int = 256
) -> Film:
    """A synthetic frontal chest film with the exact place of its evidence.

    Args:
        seed: decides the patient, all positions and the noise; ≥ 0. Equal seeds with other findings give twins.
        findings: which of FINDINGS are present, in any order.
        marker: letters burned in near an upper corner, such as "L", "R" or "PORT"; None for none.
        size: height and width in pixels; the anatomy does not depend on it, the noise does.

    Raises:
        UsageError: an unknown finding, a letter without a shape, or a size out of range.
    """
    present = _check(findings, size)
    subject = _subject(seed, size)
    lead = None if marker is None else marker_field(marker, stream(seed, 4), size)
    quanta = _quanta(subject, present, lead)
    clean = develop(quanta, subject.exposure)

    def changed(other: Array) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = np.abs(develop(other, subject.exposure) - clean) > EPSILON
        return mask

    masks = {
        name: changed(_quanta(subject, [f for f in present if f != name], lead)) for name in present
    }
    patient, grid = subject.patient, subject.grid
    masks["lungs"] = _fields(patient, grid, _ctr(subject, present))
    masks["heart"] = (_heart(subject, present) > 0) & (
        grid.y < anatomy.dome_height(patient, grid.x)
    )
    if lead is not None:
        masks["marker"] = changed(_quanta(subject, present, None))
    return Film(
        picture(quanta, subject.exposure, stream(seed, 3)), clean, masks, present, marker, seed
    )
