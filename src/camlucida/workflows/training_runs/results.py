"""What is kept of a training run in ``report_pack.json``, so that later runs join earlier ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from camlucida.core.errors import UsageError
from camlucida.core.files import reading, write_json
from camlucida.core.messages import NAN, Estimate, Message
from camlucida.runs.keyed import GIVEN, IMAGE_NAMES, KEYED

RECORD = "report_pack.json"

ROUNDING = 1e-4
"""Probabilities that differ less are equal: files round them, and devices add in another order."""

WRONG_CLASSES = 0.02
"""From this share of images with another class than the file has, the model is another one."""

WRONG_PROBABILITY = 0.05
"""The same, of the median over images of the largest difference of a probability."""


class StoredEstimate(BaseModel):
    """A measured number; None for what does not exist. ``chance`` is a level or an area."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    n: int = 0

    def to_estimate(self) -> Estimate:
        """As messages hold it; NaN for what does not exist."""
        numbers = (self.estimate, self.low, self.high, self.chance)
        estimate, low, high, chance = (NAN if each is None else each for each in numbers)
        return Estimate(estimate, low, high, chance)


def stored(
    estimate: float, low: float = NAN, high: float = NAN, chance: float = NAN, n: int = 0
) -> StoredEstimate:
    """An estimate for the record; NaN becomes None.

    >>> stored(0.5, chance=float("nan")).chance is None
    True
    """
    numbers = (estimate, low, high, chance)
    finite = [float(number) if np.isfinite(number) else None for number in numbers]
    return StoredEstimate(estimate=finite[0], low=finite[1], high=finite[2], chance=finite[3], n=n)


class PredictionCheck(BaseModel):
    """The predictions computed here against those of the run's file.

    Attributes:
        images: with both.
        differ: of another class.
        largest: difference of a probability; None where the file has none.
        median: over images, of each one's largest difference.
        worst: the image with the largest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int
    differ: int
    largest: float | None = None
    median: float | None = None
    worst: str = ""

    @property
    def same(self) -> bool:
        """Whether classes and probabilities equal the file's; False where it has none."""
        return not self.differ and self.largest is not None and self.largest < ROUNDING

    @property
    def wrong(self) -> bool:
        """Whether the model, as loaded here, is not the one that wrote the file.

        Other classes with equal probabilities do not count: the file's may come from thresholds.
        """
        if self.largest is not None and self.largest < ROUNDING:
            return False
        if self.differ > WRONG_CLASSES * self.images:
            return True
        return (self.median or 0) > WRONG_PROBABILITY


class TrainingResults(BaseModel):
    """One training run.

    Attributes:
        folder: of the training run, and ``run`` of its maps, from the assets folder.
        figures: metric, or ``recall:CLASS`` → estimate.
        artefact, text: share of heat beside its area, over maps where it is measured.
        lift: of artefacts: share − area.
        spread: true class → share of cells at half the maximum or above.
        contrast: spread of the last class minus that of the first.
        contrast_of: the first and the last class; empty without two.
        check: of the predictions against the run's file.
        figure: stem of the class grid.
        scale: value of full colour in the class grid.
        rule: of its cases.
        signed: whether a map of the class grid has evidence against its class: it is then blue
            and red.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    seed: int | None
    fold: int | None
    folder: str
    run: str
    architecture: str
    classes: tuple[str, ...]
    method: str
    layer: str
    grid: tuple[int, ...]
    cell: float
    target: str
    images: int
    patients: int
    patients_known: bool
    empty: int
    synthetic: bool
    figures: dict[str, StoredEstimate]
    artefact: StoredEstimate
    lift: StoredEstimate
    text: StoredEstimate
    spread: dict[str, StoredEstimate]
    contrast: StoredEstimate
    contrast_of: tuple[str, ...]
    check: PredictionCheck
    figure: str
    scale: str
    rule: Message
    signed: bool = False
    layers_figure: str = ""

    @property
    def name(self) -> str:
        """For people: ``seed 42``, ``fold 1``."""
        return self.key.replace("_", " ").replace("seed", "seed ")

    def table_row(self) -> dict[str, Any]:
        """The row of ``seeds_table.csv``."""
        row: dict[str, Any] = {
            "run": self.key,
            "seed": self.seed,
            "fold": self.fold,
            "folder": self.folder,
            "images": self.images,
            "patients": self.patients,
        }
        for metric, value in self.figures.items():
            row |= _columns(metric, value, "chance")
        row |= _columns("artefact_share", self.artefact, "area")
        row |= _columns("text_share", self.text, "area")
        return row


def _columns(metric: str, value: StoredEstimate, level: str) -> dict[str, float | None]:
    return {
        metric: value.estimate,
        f"{metric}_low": value.low,
        f"{metric}_high": value.high,
        f"{metric}_{level}": value.chance,
    }


def read_record(folder: Path, name: str) -> dict[str, TrainingResults]:
    """Key → the results of an earlier call, in order; empty where there is no record.

    Args:
        folder: of the pack.
        name: of the pack.

    Raises:
        UsageError: a record that cannot be read, or of another pack.
    """
    path = folder / RECORD
    if not path.is_file():
        return {}
    with reading(path, UsageError, "the record of earlier runs"):
        data = path.read_bytes()
    try:
        document = json.loads(data)
        runs = document["runs"].items()
        results = {key: TrainingResults.model_validate(value) for key, value in runs}
        recorded_name = str(document["name"])
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        what = f"{path} is not a record of this version"
        raise UsageError(what, "remove it: runs that are given again are packed again") from error
    if recorded_name != name:
        what = f"{folder} holds the pack {recorded_name!r}, not {name!r}"
        raise UsageError(what, f"add --name {recorded_name}, or give another --assets-dir")
    return results


def pack_is_keyed(folder: Path, requested: bool) -> bool:
    """Whether images of a pack have keyed names: as requested, and as the pack was begun.

    Args:
        folder: of the pack, whose record can be read.
        requested: now.

    Raises:
        UsageError: it was begun with the names as they are.
    """
    path = folder / RECORD
    if not path.is_file():
        return requested
    keyed = bool(json.loads(path.read_bytes()).get(IMAGE_NAMES) == KEYED)
    if requested and not keyed:
        what = f"{folder} holds a pack whose names are as given"
        raise UsageError(what, "give another --assets-dir")
    return keyed


def write_record(
    folder: Path, name: str, results: Mapping[str, TrainingResults], keyed: bool = False
) -> Path:
    """Write the record; the same bytes for the same runs. Its path.

    Args:
        folder, name: of the pack.
        results: key → results.
        keyed: whether images have keyed names.
    """
    runs = {key: each.model_dump(mode="json") for key, each in results.items()}
    naming = {IMAGE_NAMES: KEYED if keyed else GIVEN}
    record = {"name": name, "notice": "Research use only", **naming, "runs": runs}
    write_json(folder / RECORD, record)
    return folder / RECORD
