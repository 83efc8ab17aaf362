"""What is on the chest films of the bundled cohorts, by chance: one law for training, measurement and the written folders."""

from __future__ import annotations

import numpy as np

from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.generator import stream
from camlucida.phantom.study import Pose, Study

TRAIN_SEEDS, HELD_OUT_SEEDS, WRITTEN_SEEDS = (
    range(start, start + 10_000_000) for start in (4 * 10**8, 45 * 10**7, 46 * 10**7)
)
"""Seeds of patients: none is in two of the three sets, nor in those of the other packaged models."""
MARKERS = ("L", "R", "PORT")
NORMAL_CTR, LARGE_CTR = (0.40, 0.50), (0.50, 0.66)
"""Cardiothoracic ratios without and with cardiomegaly; they meet, so that the ratio is continuous."""
PREVALENCE = {
    "nodule": 0.25,
    "effusion": 0.6,
    "cardiomegaly": 0.5,
    "pneumothorax": 0.2,
    "consolidation": 0.3,
}


def heart_study(seed: int, visit: int = 0) -> Study:
    """A film of the regression and the segmentation cohort: a heart of any size, the other findings and a marker at random.

    Args:
        seed: the patient.
        visit: another one is drawn anew and stands otherwise; 0 is the pose of the seed's own film.
    """
    rng = np.random.default_rng([50, seed, visit])
    present = tuple(name for name in FINDINGS if rng.random() < PREVALENCE[name])
    ratio = float(rng.uniform(*(LARGE_CTR if "cardiomegaly" in present else NORMAL_CTR)))
    marker = str(rng.choice(MARKERS)) if rng.random() < 0.5 else None
    return Study(seed, present, marker, visit, other_pose(seed, visit), ratio)


def other_pose(seed: int, visit: int) -> Pose:
    """How the patient stands at a visit: up to 0.5 cm, 1.7° and 3 % from the first."""
    if visit == 0:
        return Pose()
    u = stream(seed, 50 + visit).uniform
    return Pose(
        (float(u(-0.5, 0.5)), float(u(-0.5, 0.5))), float(u(-0.03, 0.03)), float(u(0.97, 1.03))
    )
