"""Three classifiers for an ensemble, SYNTHETIC films with boxes, and a patient before and after."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camlucida.core.files import write_json
from camlucida.io.annotations import boxes_of
from camlucida.metrics.annotations import Mask
from camlucida.phantom import model_cards
from camlucida.phantom.cohorts.distribution import WRITTEN_SEEDS
from camlucida.phantom.cohorts.folders import (
    FILM_PX,
    copy_model,
    write_film,
    write_mask,
    write_readme,
    write_text,
)
from camlucida.phantom.generator import Film
from camlucida.phantom.visit import Pose, Visit, expose, movement

FIRST_SEED = WRITTEN_SEEDS.start + 1_000_000
CLASSIFIERS = {
    "honest_densenet": ("Honest DenseNet", 0.4),
    "honest_resnet": ("Honest ResNet", 0.4),
    "marker_shortcut_mobilenet": ("Marker shortcut MobileNet", 0.2),
}
"""Packaged card → its name for people and its default weight."""
FILMS = (
    (("pneumothorax",), None),
    (("effusion", "cardiomegaly"), "L"),
    (("consolidation",), "PORT"),
    ((), "R"),
    (("nodule", "pneumothorax"), "PORT"),
    (("cardiomegaly",), None),
    (("effusion", "consolidation", "nodule"), None),
    ((), None),
)
"""Findings and marker of each film. Those with either a marker or a pneumothorax show that the
third classifier differs."""
SMALLEST_BOX = 20
"""Pixels of a component that gets a box; smaller ones are specks off the edge of a larger one."""

BEFORE = Visit(FIRST_SEED + 1005, ("nodule", "effusion", "consolidation"))
AFTER = Visit(
    BEFORE.seed,
    ("nodule", "effusion"),
    number=1,
    pose=Pose(shift=(0.9, -0.6), tilt=0.035, zoom=1.03),
    drained=1.8,
)

README = """\
config_classifiers.toml    three classifiers: name, description, model_type, input_size,
                           default_weight, weights (a model card)
images/                    {films} films, 256 x 256
boxes.csv                  image,Label,x,y,w,h: a box round each component of what a finding
                           changes, in pixels
models/                    model cards and weights; marker_shortcut_mobilenet cheats on purpose: it
                           takes a marker for a pneumothorax
pair/before.png            a patient with a nodule, an effusion and a consolidation
pair/after.png             the same patient later: the consolidation is gone, the effusion has
                           fallen, the nodule is as it was; the patient stands a little otherwise,
                           and the noise differs
pair/masks/LABEL/ID.png    what each finding changes on each of the two
pair/pair.json             the findings on each, and how the patient moved
"""
MOVEMENT = (
    "from before to after, in pixels (x, y), pixel centres at integers: x' = matrix (x, y, 1); "
    "a clockwise rotation and a magnification about the centre of the film, then a translation"
)


def write_ensemble(folder: str | Path) -> Path:
    """Write the ensemble's folder: three classifiers, 8 films with boxes, two visits of a patient.

    Returns:
        the folder, which also has a ``README.txt`` on its contents.
    """
    folder = Path(folder)
    rows: list[dict[str, Any]] = []
    for number, (findings, marker) in enumerate(FILMS):
        film = expose(Visit(FIRST_SEED + number, findings, marker), FILM_PX)
        name = f"chest_{number}.png"
        write_film(folder / "images" / name, film)
        for label in film.findings:
            for box in _boxes(film.masks[label]):
                rows.append({"image": name, "Label": label, **box})
    pd.DataFrame(rows).to_csv(folder / "boxes.csv", index=False)
    write_text(folder / "config_classifiers.toml", "\n".join(_classifiers(folder)))
    write_pair(folder / "pair")
    write_readme(folder, README.format(films=len(FILMS)))
    return folder


def _boxes(mask: Mask) -> Iterator[dict[str, int]]:
    for x, y, w, h in boxes_of(mask).astype(int).tolist():
        if mask[y : y + h, x : x + w].sum() >= SMALLEST_BOX:
            yield {"x": x, "y": y, "w": w, "h": h}


def _classifiers(folder: Path) -> Iterator[str]:
    """Lines of the table of classifiers; their models are copied to the folder."""
    for key, (name, weight) in CLASSIFIERS.items():
        path = copy_model(model_cards()[key], folder / "models")
        card = tomllib.loads(path.read_text("utf-8"))
        yield f"[classifiers.{key}]"
        yield f'name = "{name}"'
        yield f"description = {json.dumps(card['description'], ensure_ascii=False)}"
        yield 'model_type = "card"'
        yield f"input_size = {card['input']['size']}"
        yield f"default_weight = {weight}"
        yield f'weights = "models/{path.name}"\n'


def write_pair(folder: Path) -> None:
    """Write two visits of a patient: ``before.png``, ``after.png``, their masks and ``pair.json``.

    Args:
        folder: made if missing.
    """
    films = {"before": expose(BEFORE, FILM_PX), "after": expose(AFTER, FILM_PX)}
    for name, film in films.items():
        write_film(folder / f"{name}.png", film)
        for label in film.findings:
            write_mask(folder / "masks" / label / f"{name}.png", film.masks[label])
    write_json(folder / "pair.json", _pair_record(films))


def _pair_record(films: dict[str, Film]) -> dict[str, Any]:
    matrix = movement(AFTER, FILM_PX)
    centre = np.full(2, (FILM_PX - 1) / 2)
    translation = matrix[:, :2] @ centre + matrix[:, 2] - centre
    return {
        "synthetic": True,
        "seed": BEFORE.seed,
        "findings": {name: list(film.findings) for name, film in films.items()},
        "change": {"gone": ["consolidation"], "less": ["effusion"], "same": ["nodule"]},
        "movement": {
            "meaning": MOVEMENT,
            "rotation_degrees": round(float(np.degrees(AFTER.pose.tilt)), 6),
            "magnification": AFTER.pose.zoom,
            "translation": np.round(translation, 6).tolist(),
            "matrix": np.round(matrix, 9).tolist(),
        },
    }
