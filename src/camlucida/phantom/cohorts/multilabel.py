"""A multi-label cohort: SYNTHETIC films, two a patient, milder than in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.phantom import model_cards
from camlucida.phantom.cohorts.distribution import MARKERS, WRITTEN_SEEDS, pose_at
from camlucida.phantom.cohorts.folders import (
    FILM_PX,
    copy_model,
    write_film,
    write_mask,
    write_readme,
    write_text,
)
from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.generator import Film
from camlucida.phantom.visit import Visit, expose, habitus

FIRST_SEED = WRITTEN_SEEDS.start
TEST_PATIENTS, OTHER_PATIENTS, VISITS = 30, 3, 2
POSITIVES = {
    "nodule": 1,
    "effusion": 14,
    "cardiomegaly": 13,
    "pneumothorax": 11,
    "consolidation": 12,
}
"""How many of the test patients have each finding; one of the findings is rare on purpose."""
STAYS = 0.75
"""Probability that a finding is still there at the second visit; the rare one always is."""
MILD_CTR, DRAINED_CM = (0.51, 0.62), 2.0
"""Enlarged hearts begin where those of training do not; an effusion may have fallen so far at the
second visit."""
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
Films of {patients} patients, {visits} each, with none to all of five findings. One finding is rare
on purpose: nodule. The findings are milder than on the films that the model was trained on: hearts
from {smallest:.0f} % of the chest's width, where training began at 57 %; effusions that have fallen
by up to {fallen:.0f} cm.

films/                         256 x 256
labels.csv                     image, patient, habitus (build: slim, medium, stout), marker (letters
                               on the film), 0/1 a finding, split (all but three patients are
                               "test")
masks/LABEL/ID.png             the ground truth of each finding that is there: pixels that it
                               changes by more than one grey level of 255
models/honest_densenet.toml    model card, with its weights beside it
cohort.toml                    for camlucida run
"""


@dataclass(frozen=True)
class CohortFilm:
    """One film of the cohort: name without suffix, patient, split, and the visit that it shows."""

    name: str
    patient: str
    split: str
    visit: Visit


def cohort_films() -> list[CohortFilm]:
    """All films, in the order of the table."""
    positives = _positive_patients()
    films = []
    for patient in range(TEST_PATIENTS + OTHER_PATIENTS):
        split = "test" if patient < TEST_PATIENTS else "validation"
        findings = tuple(name for name in FINDINGS if patient in positives[name])
        for number in range(VISITS):
            visit = _visit(FIRST_SEED + patient, number, findings)
            films.append(
                CohortFilm(f"film_{patient:02d}_{number}", f"P{patient:02d}", split, visit)
            )
    return films


def _positive_patients() -> Mapping[str, set[int]]:
    """Finding → patients who have it."""
    rng = np.random.default_rng(0)
    positives = {}
    for name, count in POSITIVES.items():
        positives[name] = set(rng.permutation(TEST_PATIENTS)[:count].tolist())
    positives["effusion"] |= set(range(TEST_PATIENTS, TEST_PATIENTS + OTHER_PATIENTS))
    return positives


def _visit(seed: int, number: int, findings: tuple[str, ...]) -> Visit:
    patient = np.random.default_rng([60, seed])
    film = np.random.default_rng([61, seed, number])
    large = float(patient.uniform(*MILD_CTR))
    gone = set()
    for name, draw in zip(FINDINGS, film.random(len(FINDINGS)), strict=True):
        if draw > STAYS and POSITIVES[name] > 1 and number > 0:
            gone.add(name)
    present = tuple(name for name in findings if name not in gone)
    marker = str(film.choice(MARKERS)) if film.random() < 0.5 else None
    drained = float(film.uniform(0, DRAINED_CM)) if number else 0.0
    ctr = large if "cardiomegaly" in present else None
    return Visit(seed, present, marker, number, pose_at(seed, number), ctr, drained)


def write_multilabel(folder: str | Path) -> Path:
    """Write the multi-label cohort: 66 films of 33 patients.

    Returns:
        the folder, which also has a ``README.txt`` on its contents.
    """
    folder = Path(folder)
    rows = []
    for entry in cohort_films():
        film = expose(entry.visit, FILM_PX)
        write_film(folder / "films" / f"{entry.name}.png", film)
        for label in film.findings:
            write_mask(folder / "masks" / label / f"{entry.name}.png", film.masks[label])
        rows.append(_row(entry, film))
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    copy_model(model_cards()[CARD], folder / "models")
    write_text(folder / "cohort.toml", COHORT)
    readme = README.format(
        patients=TEST_PATIENTS + OTHER_PATIENTS,
        visits=VISITS,
        smallest=100 * MILD_CTR[0],
        fallen=DRAINED_CM,
    )
    write_readme(folder, readme)
    return folder


def _row(entry: CohortFilm, film: Film) -> dict[str, object]:
    return {
        "image": f"{entry.name}.png",
        "patient": entry.patient,
        "habitus": habitus(film.seed),
        "marker": film.marker or "",
        **dict(zip(FINDINGS, film.labels, strict=True)),
        "split": entry.split,
    }
