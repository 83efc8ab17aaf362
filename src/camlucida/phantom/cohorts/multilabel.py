"""A multi-label cohort as system [000] reports one: SYNTHETIC films, two a patient, milder than those of the model's training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.phantom import model_cards
from camlucida.phantom.cohorts.distribution import MARKERS, WRITTEN_SEEDS, other_pose
from camlucida.phantom.cohorts.folders import (
    FILM_PX,
    copy_model,
    write_film,
    write_mask,
    write_readme,
    write_text,
)
from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.study import Study, expose, habitus

FIRST_SEED = WRITTEN_SEEDS.start
TEST_PATIENTS, OTHER_PATIENTS, VISITS = 30, 3, 2
HAVE = {"nodule": 1, "effusion": 14, "cardiomegaly": 13, "pneumothorax": 11, "consolidation": 12}
"""How many of the test patients have each finding; one of the findings is rare on purpose."""
STAYS = 0.75
"""Probability that a finding is still there at the second visit; what is rare stays."""
MILD_CTR, DRAINED_CM = (0.51, 0.62), 2.0
"""Enlarged hearts begin where those of training do not, and an effusion may have fallen so far at the second visit."""
CARD = "honest_densenet"

COHORT = """\
name = "multilabel"
images = "films"
table = "labels.csv"
masks = "masks"
split = "test"
model = "models/honest_densenet.toml"

[columns]
groups = ["habitus"]

[explain]
target = ["predicted", "truth"]
method = "gradcam"
"""

README = """\
Films of {patients} patients, {visits} each, with none to several of five findings. One finding is rare on purpose: nodule.
The findings are milder than on the films that the model was trained on: hearts from {smallest:.0f} % of the chest's width, where
training began at 57 %; effusions that have fallen by up to {fallen:.0f} cm.

films/                         256 x 256
labels.csv                     image, patient, habitus (build: slim, medium, stout), marker (letters on the film), 0/1 a finding,
                               split (all but three patients are "test")
masks/LABEL/ID.png             the truth of each finding that is there: pixels that it changes by more than one grey level of 255
models/honest_densenet.toml    model card, with its weights beside it
cohort.toml                    for camlucida run
"""


@dataclass(frozen=True)
class Entry:
    """One film of the cohort."""

    name: str
    patient: str
    split: str
    study: Study


def entries() -> list[Entry]:
    """All films, in the order of the table."""
    rng = np.random.default_rng(0)
    count = TEST_PATIENTS + OTHER_PATIENTS
    has = {
        name: set(rng.permutation(TEST_PATIENTS)[:number].tolist()) for name, number in HAVE.items()
    }
    has["effusion"] |= set(range(TEST_PATIENTS, count))
    return [
        Entry(
            f"film_{patient:02d}_{visit}",
            f"P{patient:02d}",
            "test" if patient < TEST_PATIENTS else "validation",
            _study(
                FIRST_SEED + patient,
                visit,
                tuple(name for name in FINDINGS if patient in has[name]),
            ),
        )
        for patient in range(count)
        for visit in range(VISITS)
    ]


def _study(seed: int, visit: int, findings: tuple[str, ...]) -> Study:
    patient, film = np.random.default_rng([60, seed]), np.random.default_rng([61, seed, visit])
    large = float(patient.uniform(*MILD_CTR))
    gone = {
        name
        for name, draw in zip(FINDINGS, film.random(len(FINDINGS)))
        if draw > STAYS and HAVE[name] > 1
    }
    present = tuple(name for name in findings if visit == 0 or name not in gone)
    marker = str(film.choice(MARKERS)) if film.random() < 0.5 else None
    drained = float(film.uniform(0, DRAINED_CM)) if visit else 0.0
    return Study(
        seed,
        present,
        marker,
        visit,
        other_pose(seed, visit),
        large if "cardiomegaly" in present else None,
        drained,
    )


def write_multilabel(folder: str | Path) -> Path:
    """Writes the multi-label cohort: 66 films of 33 patients.

    Returns:
        the folder, which also has a ``README.txt`` on what is what.
    """
    folder = Path(folder)
    rows = []
    for entry in entries():
        film = expose(entry.study, FILM_PX)
        write_film(folder / "films" / f"{entry.name}.png", film)
        for label in film.findings:
            write_mask(folder / "masks" / label / f"{entry.name}.png", film.masks[label])
        about = {
            "image": f"{entry.name}.png",
            "patient": entry.patient,
            "habitus": habitus(film.seed),
        }
        rows.append(
            about
            | {"marker": film.marker or ""}
            | dict(zip(FINDINGS, film.labels))
            | {"split": entry.split}
        )
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    said = {
        "patients": TEST_PATIENTS + OTHER_PATIENTS,
        "visits": VISITS,
        "smallest": 100 * MILD_CTR[0],
        "fallen": DRAINED_CM,
    }
    copy_model(model_cards()[CARD], folder / "models")
    write_text(folder / "cohort.toml", COHORT)
    write_readme(folder, README.format(**said))
    return folder
