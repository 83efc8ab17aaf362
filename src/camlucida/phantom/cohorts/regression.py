"""A regression with masks and an Excel table: the cardiothoracic ratio of SYNTHETIC films."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from camlucida.phantom import cohort_cards
from camlucida.phantom.cohorts.distribution import WRITTEN_SEEDS, heart_visit
from camlucida.phantom.cohorts.folders import (
    FILM_PX,
    card_for,
    write_checkpoint,
    write_film,
    write_mask,
    write_readme,
    write_text,
)
from camlucida.phantom.visit import Pose, Visit, cardiothoracic_ratio, expose, habitus

FIRST_SEED = WRITTEN_SEEDS.start + 2_000_000
PATIENTS = 32
RETURNING = 4
"""One patient in so many comes twice."""
FAR, FAR_ZOOM = (2, 7, 13, 19, 22, 27), 0.65
"""Patients filmed from further away than any of the training's, and their magnification."""
UNMASKED = ("heart_005", "heart_023")
"""Films without a mask, as real cohorts have them."""
CARD = "heart_regressor"

COHORT = """\
name = "regression"
images = "Images"
table = "characteristics.xlsx"
model = "card.toml"

[columns]
id = "filename"
value = "ctr"
groups = ["habitus", "distance"]
"""

README = """\
One value a film: the cardiothoracic ratio in percent, the largest width of the heart over the
largest inner width of the rib cage, known from the anatomy that was drawn. Above 50 a heart counts
as enlarged. {far} films were taken from further away than any that the network was trained on
(distance: far); the ratio is the same from anywhere.

Images/                          films, 256 x 256
Masks/                           the heart of each film, under the same name, 255 inside; two are
                                 missing on purpose
characteristics.xlsx             filename, patient, ctr (the true value), habitus (build: slim,
                                 medium, stout), distance, marker
outputs/run_1/best_model.pth     weights of a small network (state dict); layers backbone.layer1 to
                                 backbone.layer4
card.toml                        the model card: network, input, and measured performance
cohort.toml                      for camlucida run

The evidence of a ratio is not the heart alone: it is the borders of the heart and of the chest.
"""


def visit_of(patient: int, number: int) -> Visit:
    """A visit of the cohort: its film shows what this holds."""
    visit = heart_visit(FIRST_SEED + patient, number)
    return replace(visit, pose=Pose(zoom=FAR_ZOOM)) if patient in FAR else visit


def visits() -> Iterator[tuple[int, int]]:
    """(patient, number of the visit) of each film, in the order of the table."""
    for patient in range(PATIENTS):
        for number in range(2 if patient % RETURNING == 0 else 1):
            yield patient, number


def write_regression(folder: str | Path) -> Path:
    """Write the regression cohort: 40 films of 32 patients, one value each.

    Returns:
        the folder, which also has a ``README.txt`` on its contents.
    """
    folder = Path(folder)
    rows = []
    for position, (patient, number) in enumerate(visits()):
        name, visit = f"heart_{position:03d}", visit_of(patient, number)
        film = expose(visit, FILM_PX)
        write_film(folder / "Images" / f"{name}.png", film)
        if name not in UNMASKED:
            write_mask(folder / "Masks" / f"{name}.png", film.masks["heart"])
        rows.append(
            {
                "filename": f"{name}.png",
                "patient": f"P{patient:02d}",
                "ctr": round(100 * cardiothoracic_ratio(visit), 2),
                "habitus": habitus(visit.seed),
                "distance": "far" if patient in FAR else "usual",
                "marker": visit.marker or "none",
            }
        )
    pd.DataFrame(rows).to_excel(folder / "characteristics.xlsx", index=False)
    card = cohort_cards()[CARD]
    write_checkpoint(card, folder / "outputs" / "run_1" / "best_model.pth")
    write_text(folder / "card.toml", card_for(card, "outputs/run_1/best_model.pth"))
    write_text(folder / "cohort.toml", COHORT)
    write_readme(folder, README.format(far=len(FAR)))
    return folder
