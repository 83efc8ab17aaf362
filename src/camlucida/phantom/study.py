"""A patient's visits: the anatomy and the findings of a seed, with other noise, in another pose, with a heart of any size.

``generator.film`` draws one film a seed. Here the same patient is filmed again. The generator's own parts are used as they are
(their hash is in the records of the packaged models), so a study that changes nothing is the film of its seed, bit by bit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.phantom import anatomy, generator, texture
from camlucida.phantom.anatomy import FIELD_CM, Array, Patient, patient_grid
from camlucida.phantom.findings import Disease, Effusion
from camlucida.phantom.generator import EPSILON, MU_BONE, MU_SOFT, Film, develop, picture, stream
from camlucida.phantom.marker import marker_field

Habitus = Literal["slim", "medium", "stout"]

CTR_RANGE = (0.35, 0.70)
"""Cardiothoracic ratios whose heart still lies inside the rib cage."""
WALL_CM = (2.07, 2.53)
"""Soft tissue over the ribs, cm, from which a patient counts as medium and as stout: thirds of those drawn."""


@dataclass(frozen=True)
class Pose:
    """How the patient stands against the seed's own film.

    Attributes:
        shift: (x, y) in cm, x to the right of the film, y downwards.
        tilt: rotation in radians, clockwise on the film.
        zoom: magnification.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    tilt: float = 0.0
    zoom: float = 1.0


@dataclass(frozen=True)
class Study:
    """One visit of the patient of a seed.

    Attributes:
        seed: the patient, and where each finding is.
        findings: those present.
        marker: letters on the film, or None.
        visit: which noise; 0 is that of the seed's own film.
        pose: against the seed's own film.
        ctr: cardiothoracic ratio in place of the one that the seed and "cardiomegaly" give.
        drained: how far the fluid of an effusion has fallen, cm.
    """

    seed: int
    findings: tuple[str, ...] = ()
    marker: str | None = None
    visit: int = 0
    pose: Pose = Pose()
    ctr: float | None = None
    drained: float = 0.0


def expose(study: Study, size: int = 256) -> Film:
    """The film of a study with its truth, as :func:`~camlucida.phantom.generator.film` gives it.

    The mask of "cardiomegaly" is against a heart of the patient's own ratio without it, whatever ``ctr``.

    Raises:
        UsageError: an unknown finding, a letter without a shape, a size or a cardiothoracic ratio out of range.
    """
    present = generator._check(study.findings, size)
    if study.ctr is not None and not CTR_RANGE[0] <= study.ctr <= CTR_RANGE[1]:
        raise UsageError(
            f"a cardiothoracic ratio of {study.ctr}",
            f"give one from {CTR_RANGE[0]} to {CTR_RANGE[1]}",
        )
    subject = _subject(study, size)
    lead = None if study.marker is None else marker_field(study.marker, stream(study.seed, 4), size)

    def passed(findings: Collection[str], lead: Array | None) -> Array:
        return generator._quanta(subject, findings, lead)

    quanta = passed(present, lead)
    clean = develop(quanta, subject.exposure)

    def changed(other: Array) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = np.abs(develop(other, subject.exposure) - clean) > EPSILON
        return mask

    masks = {
        name: changed(passed([other for other in present if other != name], lead))
        for name in present
    }
    masks["lungs"] = generator._fields(
        subject.patient, subject.grid, generator._ctr(subject, present)
    )
    shown = subject.grid.y < anatomy.dome_height(subject.patient, subject.grid.x)
    masks["heart"] = (generator._heart(subject, present) > 0) & shown
    if lead is not None:
        masks["marker"] = changed(passed(present, None))
    noise = stream(study.seed, 3 if study.visit == 0 else 30 + study.visit)
    return Film(
        picture(quanta, subject.exposure, noise), clean, masks, present, study.marker, study.seed
    )


def cardiothoracic_ratio(study: Study) -> float:
    """Largest width of the heart over the largest inner width of the rib cage, of the anatomy that is drawn.

    Pose and magnification cancel; fluid or a collapsed lung that hides a border changes nothing.
    """
    if study.ctr is not None:
        return study.ctr
    subject = generator._subject(study.seed, generator.SMALLEST)
    return generator._ctr(subject, study.findings)


def habitus(seed: int) -> Habitus:
    """Build of a patient, by the soft tissue over the ribs (see WALL_CM)."""
    wall = anatomy.draw_patient(stream(seed, 0)).wall
    return "slim" if wall < WALL_CM[0] else "medium" if wall < WALL_CM[1] else "stout"


def movement(study: Study, size: int) -> NDArray[np.float64]:
    """(2, 3) matrix A: what is at (x, y) on the seed's own film is at A·(x, y, 1) on this one; in pixels, centres at integers."""
    own = anatomy.draw_patient(stream(study.seed, 0))
    moved = _moved(own, study.pose)
    cos, sin = np.cos(study.pose.tilt) * study.pose.zoom, np.sin(study.pose.tilt) * study.pose.zoom
    turn = np.array([[cos, -sin], [sin, cos]])
    offset = (np.array(moved.shift) - turn @ np.array(own.shift)) * size / FIELD_CM
    centre = np.full(2, (size - 1) / 2)
    return np.column_stack([turn, offset + centre - turn @ centre])


def _moved(patient: Patient, pose: Pose) -> Patient:
    shift = (patient.shift[0] + pose.shift[0], patient.shift[1] + pose.shift[1])
    return replace(
        patient, shift=shift, tilt=patient.tilt + pose.tilt, zoom=patient.zoom * pose.zoom
    )


def _subject(study: Study, size: int) -> generator._Subject:
    subject = _posed(study.seed, size, study.pose)
    patient, disease = subject.patient, _drained(subject.disease, study.drained)
    if study.ctr is not None and "cardiomegaly" in study.findings:
        disease = replace(disease, ctr=study.ctr)
    elif study.ctr is not None:
        patient = replace(patient, ctr=study.ctr)
    return replace(subject, patient=patient, disease=disease)


def _drained(disease: Disease, fall: float) -> Disease:
    right, left = (None if level is None else level + fall for level in disease.effusion.levels)
    return replace(disease, effusion=Effusion((right, left), disease.effusion.rise))


@lru_cache(maxsize=8)
def _posed(seed: int, size: int, pose: Pose) -> generator._Subject:
    """The seed's subject in another pose. The window stays as it was set, and so do the places of the findings in the patient."""
    own = generator._subject(seed, size)
    if pose == Pose():
        return own
    patient, look = _moved(own.patient, pose), stream(seed, 2)
    mottle, *_ = (
        texture.smooth_field(look, cells, size) for cells in (9, 12, 48)
    )  # the seed's order; the others are its haze
    grid = patient_grid(patient, size)
    cage = anatomy.cage(patient, grid)
    flesh = np.maximum(anatomy.body(patient, grid), cage) - anatomy.airways(patient, grid) - cage
    bone = np.float32(MU_BONE * patient.bone) * (
        anatomy.ribs(patient, grid) + anatomy.other_bones(patient, grid)
    )
    return replace(
        own,
        patient=patient,
        grid=grid,
        around=np.float32(MU_SOFT) * flesh * (np.float32(1) + np.float32(0.025) * mottle) + bone,
        cage=cage,
        solid=np.maximum(
            anatomy.under_diaphragm(patient, grid), anatomy.great_vessels(patient, grid)
        ),
        vessels_of_lung=texture.vessels(patient, look, size),
    )
