"""What a seed decides of a chest film: patient, places of findings, fine structure, exposure.

A film is a Beer–Lambert projection: λ = I₀·exp(−Σ μᵢ·tᵢ) quanta reach a pixel, with tᵢ the
thickness of tissue i along the ray. This file computes the sum.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camlucida.phantom import anatomy, bones, texture
from camlucida.phantom.anatomy import FIELD_CM, Array, Grid, Patient, patient_grid
from camlucida.phantom.exposure import Exposure, stream
from camlucida.phantom.findings import (
    PLACING_GRID,
    Disease,
    consolidation_share,
    draw_disease,
    effusion_share,
    free_air,
    lung_fields,
    nodule_thickness,
)

MU_SOFT, MU_LUNG, MU_BONE, MU_LEAD = 0.19, 0.047, 0.37, 5.0
"""Attenuation per cm at about 70 keV: soft tissue, aerated lung, bone in excess of soft tissue, and
of a lead letter in all."""
QUANTA_PER_CM2 = 1.1e6
"""Quanta per cm² of film where nothing attenuates."""
LARGEST_CTR = 0.62
"""Cardiothoracic ratio of the heart beside which findings are placed, so that none is hidden."""
VESSEL_TREES = 3
"""Vessel trees behind each other: front, middle and back. One is drawn and stands for all."""


class Tissues(NamedTuple):
    """What does not depend on the findings, each (H, W).

    Attributes:
        around: attenuation of everything but what fills the rib cage, no unit.
        cage: inside of the rib cage, cm.
        solid: what fills it beside lungs and heart, cm: great vessels, abdomen under the
            diaphragm.
    """

    around: Array
    cage: Array
    solid: Array


@dataclass(frozen=True)
class Scene:
    """All that a seed decides, at one film size. Fields are (H, W).

    Attributes:
        patient: the anatomy.
        disease: what every finding would be, present or not.
        grid: the film's pixels seen from the patient, cm.
        tissues: of the patient without findings.
        vessels: thickness of lung vessels, cm.
        haze: relative fluctuation of the lung's density, no unit.
        rough: smooth random field that frays a consolidation's edge, no unit.
        exposure: quanta and window, set on the healthy patient.
    """

    patient: Patient
    disease: Disease
    grid: Grid
    tissues: Tissues
    vessels: Array
    haze: Array
    rough: Array
    exposure: Exposure


class Healthy(NamedTuple):
    """A patient without findings.

    Attributes:
        attenuation: (H, W), no unit.
        lungs: lung fields, (H, W) bool.
        exposure: how the film is taken.
    """

    attenuation: Array
    lungs: NDArray[np.bool_]
    exposure: Exposure


@lru_cache(maxsize=8)
def scene_of(seed: int, size: int) -> Scene:
    """The scene of a seed on a film of ``size`` pixels a side. Its arrays are shared."""
    patient = anatomy.draw_patient(stream(seed, 0))
    grid = patient_grid(patient, size)
    look = stream(seed, 2)
    # The order of the draws from ``look`` is part of the film.
    mottle = texture.smooth_field(look, 9, size)
    coarse = texture.smooth_field(look, 12, size)
    fine = texture.smooth_field(look, 48, size)
    haze = 0.05 * coarse + 0.05 * fine
    vessels = texture.vessels(patient, look, size)
    rough = texture.smooth_field(look, 22, size)
    exposure = _exposure(look, size)
    tissues = tissues_of(patient, grid, mottle)
    disease = _draw_disease(seed, patient)
    scene = Scene(
        patient=patient,
        disease=disease,
        grid=grid,
        tissues=tissues,
        vessels=vessels,
        haze=haze,
        rough=rough,
        exposure=exposure,
    )
    return replace(scene, exposure=_windowed(scene))


def _exposure(look: np.random.Generator, size: int) -> Exposure:
    pixel = FIELD_CM / size
    quanta = QUANTA_PER_CM2 * look.uniform(0.6, 1.6) * pixel**2
    return Exposure(
        quanta=quanta,
        black=0.0,
        white=1.0,
        contrast=look.uniform(3.8, 5.0),
        centre=look.uniform(0.46, 0.56),
    )


def _windowed(scene: Scene) -> Exposure:
    """The exposure with its window set on the healthy patient, so that no finding moves it."""
    # Every second pixel is enough for percentiles.
    attenuation = attenuation_of(scene, ())[::2, ::2]
    lung_depth = scene.tissues.cage - scene.tissues.solid
    depth = lung_depth[::2, ::2]
    lung = depth > 1.1 * scene.patient.half_depth
    black = float(np.percentile(attenuation[lung], 4))
    white = float(np.percentile(attenuation, 97))
    return scene.exposure._replace(black=black, white=white)


def _draw_disease(seed: int, patient: Patient) -> Disease:
    grid = patient_grid(patient, PLACING_GRID)
    fields = lungs_of(patient, grid, LARGEST_CTR)
    return draw_disease(stream(seed, 1), patient, fields)


def tissues_of(patient: Patient, grid: Grid, mottle: Array) -> Tissues:
    """The patient's tissues without findings.

    Args:
        patient: the anatomy.
        grid: coordinates (H, W), cm.
        mottle: (H, W), a smooth random field of unit variance: uneven soft tissue.
    """
    cage = anatomy.cage(patient, grid)
    abdomen = anatomy.under_diaphragm(patient, grid)
    vessels = anatomy.great_vessels(patient, grid)
    solid = np.maximum(abdomen, vessels)
    whole = np.maximum(anatomy.body(patient, grid), cage)
    flesh = whole - anatomy.airways(patient, grid) - cage
    bone = bones.ribs(patient, grid) + bones.other_bones(patient, grid)
    of_flesh = MU_SOFT * flesh * (1 + 0.025 * mottle)
    of_bone = MU_BONE * patient.bone * bone
    return Tissues(
        around=of_flesh + of_bone,
        cage=cage,
        solid=solid,
    )


def lungs_of(patient: Patient, grid: Grid, ctr: float) -> NDArray[np.bool_]:
    """Lung fields beside a heart of the given size.

    Args:
        patient: the anatomy.
        grid: coordinates (H, W), cm.
        ctr: cardiothoracic ratio.

    Returns:
        (H, W) bool.
    """
    heart = anatomy.heart(patient, grid, ctr)
    vessels = anatomy.great_vessels(patient, grid)
    mediastinum = np.maximum(heart, vessels)
    cage = anatomy.cage(patient, grid)
    return lung_fields(patient, grid, mediastinum, cage)


def healthy(seed: int, size: int) -> Healthy:
    """The patient of a seed without findings, on a film of ``size`` pixels a side."""
    scene = scene_of(seed, size)
    lungs = lungs_of(scene.patient, scene.grid, scene.patient.ctr)
    attenuation = attenuation_of(scene, ())
    return Healthy(attenuation, lungs, scene.exposure)


def ctr_of(scene: Scene, findings: Collection[str]) -> float:
    """Cardiothoracic ratio of the patient with these findings."""
    return scene.disease.ctr if "cardiomegaly" in findings else scene.patient.ctr


def heart_of(scene: Scene, findings: Collection[str]) -> Array:
    """Thickness of the heart of the patient with these findings, (H, W) cm."""
    return anatomy.heart(scene.patient, scene.grid, ctr_of(scene, findings))


def attenuation_of(scene: Scene, findings: Collection[str]) -> Array:
    """Σ μᵢ·tᵢ along each ray of the patient with these findings, (H, W), no unit."""
    around, cage, solid = scene.tissues
    mediastinum = np.maximum(heart_of(scene, findings), solid)
    solid = np.minimum(mediastinum, cage)
    lung = cage - solid
    aerated = lung * (1 - _filled(scene, findings, lung))
    substance = MU_LUNG * aerated * (1 + scene.haze)
    # Vessels fade where little lung lies in the ray, and inside fluid, which has their density.
    vessels = VESSEL_TREES * (MU_SOFT - MU_LUNG) * scene.vessels
    substance += vessels * aerated / (aerated + 4)
    if "pneumothorax" in findings:
        collapse = scene.disease.pneumothorax
        share, line = free_air(scene.patient, collapse, scene.grid)
        substance *= 1 - collapse.emptiness * share
        substance += MU_SOFT * line * np.minimum(aerated / 3, 1)
    total = around + MU_SOFT * (solid + lung - aerated) + substance
    if "nodule" in findings:
        nodule = scene.disease.nodule
        ball = np.minimum(nodule_thickness(nodule, scene.grid), aerated)
        total += nodule.density * (MU_SOFT - MU_LUNG) * ball
    attenuation: Array = total
    return attenuation


def _filled(scene: Scene, findings: Collection[str], lung: Array) -> Array:
    """Share of the lung that fluid fills, (H, W) in [0, 1]."""
    filled = np.zeros_like(lung)
    if "effusion" in findings:
        filled = effusion_share(scene.patient, scene.disease.effusion, scene.grid)
    if "consolidation" in findings:
        patch = consolidation_share(scene.disease.consolidation, scene.grid, scene.rough)
        filled = filled + (1 - filled) * patch
    return filled
