"""The random distribution of the chest films of the bundled cohorts, in training and as written."""

from __future__ import annotations

import numpy as np

from camlucida.phantom.exposure import stream
from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.visit import Pose, Visit

TRAIN_SEEDS = range(400_000_000, 410_000_000)
HELD_OUT_SEEDS = range(450_000_000, 460_000_000)
WRITTEN_SEEDS = range(460_000_000, 470_000_000)
"""Seeds of patients. No patient is in two of the three sets, nor in those of the other packaged
models."""
MARKERS = ("L", "R", "PORT")
NORMAL_CTR = (0.40, 0.50)
LARGE_CTR = (0.50, 0.66)
"""Cardiothoracic ratios without and with cardiomegaly; they meet, so that the ratio is
continuous."""
PREVALENCE = {
    "nodule": 0.25,
    "effusion": 0.6,
    "cardiomegaly": 0.5,
    "pneumothorax": 0.2,
    "consolidation": 0.3,
}


def heart_visit(seed: int, number: int = 0) -> Visit:
    """A visit of the regression or the segmentation cohort: a heart of any size, the rest random.

    Args:
        seed: the patient.
        number: of the visit. Each has findings and a heart of its own; 0 has the pose of the seed's
            film.

    >>> heart_visit(1) == heart_visit(1), heart_visit(1) == heart_visit(1, 1)
    (True, False)
    """
    rng = np.random.default_rng([50, seed, number])
    present = tuple(name for name in FINDINGS if rng.random() < PREVALENCE[name])
    smallest, largest = LARGE_CTR if "cardiomegaly" in present else NORMAL_CTR
    ratio = float(rng.uniform(smallest, largest))
    marked = rng.random() < 0.5
    return Visit(
        seed=seed,
        findings=present,
        marker=str(rng.choice(MARKERS)) if marked else None,
        number=number,
        pose=pose_at(seed, number),
        ctr=ratio,
    )


def pose_at(seed: int, number: int) -> Pose:
    """How the patient stands at a visit: up to 0.5 cm, 1.7° and 3 % from the first.

    >>> pose_at(1, 0)
    Pose(shift=(0.0, 0.0), tilt=0.0, zoom=1.0)
    """
    if number == 0:
        return Pose()
    u = stream(seed, 50 + number).uniform
    right = float(u(-0.5, 0.5))
    down = float(u(-0.5, 0.5))
    return Pose(
        shift=(right, down),
        tilt=float(u(-0.03, 0.03)),
        zoom=float(u(0.97, 1.03)),
    )
