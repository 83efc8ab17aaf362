"""A patient's visits: the anatomy and findings of a seed, with other noise, pose, heart or fluid.

``generator.film`` draws one film a seed. Here the same patient is filmed again. A visit that
changes nothing is the film of its seed, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.phantom import anatomy, texture
from camlucida.phantom.anatomy import FIELD_CM, Patient, patient_grid
from camlucida.phantom.exposure import SMALLEST, check_size, stream
from camlucida.phantom.findings import Disease, Effusion
from camlucida.phantom.generator import Film, check_findings, film_of
from camlucida.phantom.scene import Scene, ctr_of, scene_of, tissues_of

Habitus = Literal["slim", "medium", "stout"]

CTR_RANGE = (0.35, 0.70)
"""Cardiothoracic ratios whose heart still lies inside the rib cage."""
WALL_CM = (2.07, 2.53)
"""Soft tissue over the ribs, cm, from which a patient counts as medium and as stout: thirds of
those drawn."""


@dataclass(frozen=True)
class Pose:
    """How the patient stands against the seed's film.

    Attributes:
        shift: (x, y) in cm, x to the right of the film, y downwards.
        tilt: rotation in radians, clockwise on the film.
        zoom: magnification.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    tilt: float = 0.0
    zoom: float = 1.0


@dataclass(frozen=True)
class Visit:
    """One visit of the patient of a seed.

    Attributes:
        seed: the patient, and where each finding is.
        findings: those present.
        marker: letters on the film, or None.
        number: which noise; 0 is that of the seed's film.
        pose: against the seed's film.
        ctr: cardiothoracic ratio in place of the one that the seed and "cardiomegaly" give.
        drained: how far the fluid of an effusion has fallen, cm.
    """

    seed: int
    findings: tuple[str, ...] = ()
    marker: str | None = None
    number: int = 0
    pose: Pose = Pose()
    ctr: float | None = None
    drained: float = 0.0


def expose(visit: Visit, size: int = 256) -> Film:
    """The film of a visit with its ground truth, as ``generator.film`` gives it.

    The mask of "cardiomegaly" is against a heart of the patient's ratio without it, whatever
    ``ctr``.

    Raises:
        UsageError: an unknown finding, a letter without a shape, a size or a cardiothoracic ratio
            out of range.

    >>> from camlucida.phantom import image
    >>> bool((expose(Visit(3), 64).image == image(3, size=64)).all())
    True
    """
    present = check_findings(visit.findings)
    check_size(size)
    low, high = CTR_RANGE
    if visit.ctr is not None and not low <= visit.ctr <= high:
        raise UsageError(f"a cardiothoracic ratio of {visit.ctr}", f"give one from {low} to {high}")
    noise = stream(visit.seed, 3 if visit.number == 0 else 30 + visit.number)
    scene = _scene(visit, size)
    return film_of(scene, present, visit.marker, visit.seed, noise)


def cardiothoracic_ratio(visit: Visit) -> float:
    """Largest width of the heart over the largest inner width of the rib cage, as drawn.

    Pose and magnification cancel; fluid or a collapsed lung that hides a border changes nothing.

    >>> cardiothoracic_ratio(Visit(9, ctr=0.5))
    0.5
    """
    if visit.ctr is not None:
        return visit.ctr
    # The ratio does not depend on the size; the smallest film is the cheapest.
    scene = scene_of(visit.seed, SMALLEST)
    return ctr_of(scene, visit.findings)


def habitus(seed: int) -> Habitus:
    """Build of a patient, by the soft tissue over the ribs (see WALL_CM).

    >>> habitus(0) in ("slim", "medium", "stout")
    True
    """
    patient = anatomy.draw_patient(stream(seed, 0))
    medium, stout = WALL_CM
    if patient.wall < medium:
        return "slim"
    return "medium" if patient.wall < stout else "stout"


def movement(visit: Visit, size: int) -> NDArray[np.float64]:
    """How the patient moved since the seed's film: (2, 3) matrix A in pixels, x before y.

    What is at (x, y) on the seed's film is at A·(x, y, 1) on this one; pixel centres lie at
    integers.

    >>> (movement(Visit(5), 256) + 0.0).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    still = anatomy.draw_patient(stream(visit.seed, 0))
    moved = _moved(still, visit.pose)
    cos = np.cos(visit.pose.tilt) * visit.pose.zoom
    sin = np.sin(visit.pose.tilt) * visit.pose.zoom
    turn = np.array(
        [
            [cos, -sin],
            [sin, cos],
        ]
    )
    before = np.array(still.shift)
    after = np.array(moved.shift)
    offset = (after - turn @ before) * size / FIELD_CM
    centre = np.full(2, (size - 1) / 2)
    from_corner = offset + centre - turn @ centre
    return np.column_stack([turn, from_corner])


def _moved(patient: Patient, pose: Pose) -> Patient:
    x, y = patient.shift
    right, down = pose.shift
    return replace(
        patient,
        shift=(x + right, y + down),
        tilt=patient.tilt + pose.tilt,
        zoom=patient.zoom * pose.zoom,
    )


def _scene(visit: Visit, size: int) -> Scene:
    scene = _posed(visit.seed, size, visit.pose)
    patient = scene.patient
    disease = _drained(scene.disease, visit.drained)
    if visit.ctr is not None and "cardiomegaly" in visit.findings:
        disease = replace(disease, ctr=visit.ctr)
    elif visit.ctr is not None:
        patient = replace(patient, ctr=visit.ctr)
    return replace(scene, patient=patient, disease=disease)


def _drained(disease: Disease, fall: float) -> Disease:
    before = disease.effusion
    right, left = (None if level is None else level + fall for level in before.levels)
    effusion = Effusion((right, left), before.rise)
    return replace(disease, effusion=effusion)


@lru_cache(maxsize=8)
def _posed(seed: int, size: int, pose: Pose) -> Scene:
    """The seed's scene in another pose; the window and the findings' places in the patient stay."""
    scene = scene_of(seed, size)
    if pose == Pose():
        return scene
    patient = _moved(scene.patient, pose)
    look = stream(seed, 2)
    mottle = texture.smooth_field(look, 9, size)
    for cells in (12, 48):
        # The haze, which the scene has already; drawn so that the vessels are the seed's.
        texture.smooth_field(look, cells, size)
    grid = patient_grid(patient, size)
    tissues = tissues_of(patient, grid, mottle)
    vessels = texture.vessels(patient, look, size)
    return replace(
        scene,
        patient=patient,
        grid=grid,
        tissues=tissues,
        vessels=vessels,
    )
