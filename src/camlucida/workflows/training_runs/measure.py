"""What is kept of a packed run: numbers with intervals, in ``report_pack.json``, so that later runs join earlier ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from camlucida.analysis.cases.model_performance import evaluate_runs
from camlucida.core.errors import UsageError
from camlucida.core.files import reading, write_json
from camlucida.metrics.bootstrap import Sampling, difference_of_means
from camlucida.metrics.multiclass import OVERALL
from camlucida.metrics.statistics import mean_interval
from camlucida.report.document import NAN, Estimate, Message
from camlucida.runs import Run

RECORD = "report_pack.json"

ROUNDING = 1e-4
"""Probabilities that differ less are the same: files round them, and devices add in another order."""

WRONG_CLASSES = 0.02
"""Share of images with another class than the file has from which on the model is not the one that wrote the file, as loaded."""

WRONG_PROBABILITY = 0.05
"""The same of the median largest difference of an image's probabilities."""


class StoredEstimate(BaseModel):
    """A measured number; None for what does not exist. ``chance`` is a level or an area."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    n: int = 0

    def said(self) -> Estimate:
        """As reports say it; NaN for what does not exist."""
        estimate, low, high, chance = (
            NAN if value is None else value
            for value in (self.estimate, self.low, self.high, self.chance)
        )
        return Estimate(estimate, low, high, chance)


class PredictionCheck(BaseModel):
    """The predictions computed here against those of the run's own file.

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
        """Whether class and probabilities are those of the file; False where it has no probabilities."""
        return not self.differ and self.largest is not None and self.largest < ROUNDING

    @property
    def wrong(self) -> bool:
        """Whether the model, as loaded here, is not the one that wrote the file.

        Another class of the same probabilities is none of the model's: the file's may come from thresholds.
        """
        if self.largest is not None and self.largest < ROUNDING:
            return False
        return self.differ > WRONG_CLASSES * self.images or (self.median or 0) > WRONG_PROBABILITY


class TrainingResults(BaseModel):
    """One training run.

    Attributes:
        folder: of the training run, and ``run`` of its maps, from the assets folder.
        figures: metric, or ``recall:CLASS`` → number.
        artefact, text: share of heat beside its area, over maps where it is measured; ``lift`` of artefact: share − area.
        spread: true class → share of cells at half the maximum or above; ``contrast``: last class minus first.
        check: of the predictions against the run's file; see :class:`PredictionCheck`.
        figure: stem of the class grid.
        rule: of its cases.
        signed: whether a map of the class grid speaks against its class somewhere: it is then blue and red.
        notes: lines.
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
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return self.key.replace("_", " ").replace("seed", "seed ")


def read_record(folder: Path, name: str) -> dict[str, TrainingResults]:
    """Key → what was packed before, in order; nothing where there is no record.

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
        found = {
            key: TrainingResults.model_validate(value) for key, value in document["runs"].items()
        }
        known = str(document["name"])
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise UsageError(
            f"{path} is not a record of this version",
            "take it away: runs given again are packed again",
        ) from error
    if known != name:
        raise UsageError(
            f"{folder} holds the pack {known!r}, not {name!r}",
            f"add --name {known}, or give another --assets-dir",
        )
    return found


def write_record(folder: Path, name: str, packed: Mapping[str, TrainingResults]) -> Path:
    """Write the record; the same bytes for the same runs."""
    runs = {key: one.model_dump(mode="json") for key, one in packed.items()}
    write_json(folder / RECORD, {"name": name, "notice": "Research use only", "runs": runs})
    return folder / RECORD


def number(
    estimate: float, low: float = NAN, high: float = NAN, chance: float = NAN, n: int = 0
) -> StoredEstimate:
    """NaN becomes None."""
    values = [
        None if not np.isfinite(value) else float(value) for value in (estimate, low, high, chance)
    ]
    return StoredEstimate(estimate=values[0], low=values[1], high=values[2], chance=values[3], n=n)


def figures_of(run: Run) -> dict[str, StoredEstimate]:
    """Accuracy, quadratic kappa, balanced accuracy, macro-F1, and the recall of each class; none without truth."""
    try:
        figures = evaluate_runs([run]).figures
    except UsageError:
        return {}
    wanted = figures[(figures["group"] == "") & (figures["metric"].isin([*OVERALL, "recall"]))]
    return {
        f"{row['metric']}:{row['label']}" if row["label"] else str(row["metric"]): number(
            row["estimate"], row["low"], row["high"], row["chance"], int(row["n"])
        )
        for row in wanted.to_dict("records")
    }


def share_of(heat: pd.DataFrame, patients: pd.Series, place: str) -> StoredEstimate:
    """Mean share of heat in a place beside its mean area."""
    share = heat[f"{place}_share"].to_numpy(np.float64)
    known = np.isfinite(share)
    found = mean_interval(share, patients.tolist())
    area = float(heat[f"{place}_area"].to_numpy(np.float64)[known].mean()) if known.any() else NAN
    return number(found.estimate, found.low, found.high, area, found.rows)


def lift_of(heat: pd.DataFrame, patients: pd.Series, place: str) -> StoredEstimate:
    """Mean of share − area."""
    found = mean_interval(
        (heat[f"{place}_share"] - heat[f"{place}_area"]).to_numpy(np.float64), patients.tolist()
    )
    return number(found.estimate, found.low, found.high, 0.0, found.rows)


def spread_of(
    cases: pd.DataFrame, heat: pd.DataFrame, classes: tuple[str, ...]
) -> dict[str, StoredEstimate]:
    """Of each true class that has a map with heat."""
    found = {}
    for name in classes:
        here = (cases["true_class"] == name).to_numpy()
        part = mean_interval(
            heat["spread"].to_numpy(np.float64)[here], cases["patient"][here].tolist()
        )
        if part.rows:
            found[name] = number(part.estimate, part.low, part.high, n=part.rows)
    return found


def contrast_of(cases: pd.DataFrame, heat: pd.DataFrame, first: str, last: str) -> StoredEstimate:
    """Mean spread of the last class minus that of the first; none where one of them has no map with heat."""
    values = heat["spread"].to_numpy(np.float64)
    sides = [(cases["true_class"] == name).to_numpy() for name in (last, first)]
    if not all((side & np.isfinite(values)).any() for side in sides):
        return StoredEstimate()
    found = difference_of_means(values, sides, cases["patient"].tolist(), Sampling())
    return number(found.estimate, found.low, found.high, n=found.rows)


def row_of(packed: TrainingResults) -> dict[str, Any]:
    """A row of ``seeds_table.csv``."""
    row: dict[str, Any] = {
        "run": packed.key,
        "seed": packed.seed,
        "fold": packed.fold,
        "folder": packed.folder,
    }
    row |= {"images": packed.images, "patients": packed.patients}
    numbers = {**packed.figures, "artefact_share": packed.artefact, "text_share": packed.text}
    for metric, value in numbers.items():
        level = "area" if metric.endswith("_share") else "chance"
        row |= {metric: value.estimate, f"{metric}_low": value.low, f"{metric}_high": value.high}
        row[f"{metric}_{level}"] = value.chance
    return row
