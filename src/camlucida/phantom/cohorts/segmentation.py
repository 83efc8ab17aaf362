"""A segmentation cohort: pleural effusions on SYNTHETIC films, and a U-Net that outlines them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

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
from camlucida.phantom.visit import Pose, Visit, expose

FIRST_SEED = WRITTEN_SEEDS.start + 3_000_000
FILMS = 20
LITTLE, FAR, ASKEW = (8, 12, 14), (4, 13), (15,)
"""Films with little fluid, from further away, and of a patient who leans: none such was in
training."""
CARD = "fluid_unet"
FINDING = "effusion"

COHORT = """\
name = "segmentation"
images = "Dataset/test"
masks = "Dataset/masks"
model = "card.toml"
"""

README = """\
The masks outline pleural effusion: every pixel that the fluid changes by more than one grey level
of 255 on the noise-free film. Unlike any film of the training, chest_008, 012 and 014 have little
fluid, chest_004 and 013 were taken from further away, and the patient of chest_015 leans.

Dataset/test/               films, 256 x 256, one a patient
Dataset/masks/              the ground truth of each film, under the same name, 255 inside; empty
                            where there is no fluid
models_1/best_model.pth     weights of a small U-Net (state dict) for films brought to 128 x 128;
                            one output channel, a logit
card.toml                   the model card: network, input, and measured performance
cohort.toml                 for camlucida run
"""


def visit_of(number: int) -> Visit:
    """The visit that a film of the cohort shows."""
    visit = heart_visit(FIRST_SEED + number)
    if number in LITTLE:
        return replace(visit, drained=2.5)
    if number in FAR:
        return replace(visit, pose=Pose(zoom=0.7))
    if number in ASKEW:
        return replace(visit, pose=Pose(tilt=0.3))
    return visit


def write_segmentation(folder: str | Path) -> Path:
    """Write the segmentation cohort: 20 films, some of them without fluid.

    Returns:
        the folder, which also has a ``README.txt`` on its contents.
    """
    folder = Path(folder)
    empty = np.zeros((FILM_PX, FILM_PX), bool)
    for number in range(FILMS):
        film = expose(visit_of(number), FILM_PX)
        name = f"chest_{number:03d}.png"
        write_film(folder / "Dataset" / "test" / name, film)
        write_mask(folder / "Dataset" / "masks" / name, film.masks.get(FINDING, empty))
    card = cohort_cards()[CARD]
    write_checkpoint(card, folder / "models_1" / "best_model.pth")
    write_text(folder / "card.toml", card_for(card, "models_1/best_model.pth"))
    write_text(folder / "cohort.toml", COHORT)
    write_readme(folder, README)
    return folder
