"""The data of a report: plain tables, which :func:`~camlucida.report.gather.gather` fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd

from camlucida.analysis.cases.annotations import Annotations
from camlucida.analysis.cases.attribution_table import COLUMNS
from camlucida.analysis.comparison import Comparison
from camlucida.analysis.selection import Selected
from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message
from camlucida.core.volume_scan import VolumeScan
from camlucida.datasets.predictions import Predictions
from camlucida.datasets.voxel_grid import voxel_grid
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.multilabel import DECISION_THRESHOLD
from camlucida.report.evaluations import Evaluation
from camlucida.runs import Run

Part: TypeAlias = Literal[
    "measured", "cells", "performance", "chosen", "comparisons", "evaluations"
]
"""A field of :class:`ReportData` that takes long to compute. A section names those that it reads
(:func:`camlucida.report.sections.base.section`); one that no section reads is left empty."""

PARTS: tuple[Part, ...] = get_args(Part)

SERIES = ["run", "model", "method", "layer"]
"""What the maps of one series have in common."""


@dataclass(frozen=True)
class SeriesRows:
    """The maps of one model, method and layer.

    Attributes:
        name: for people: as much as tells it from the others.
        run: index of the run.
        model: its name in the run.
        rows: index labels of ``ReportData.cases``.
    """

    name: str
    run: int
    model: str
    rows: list[Any]


@dataclass(frozen=True)
class Performance:
    """How good the models of one task are.

    Attributes:
        task: of all of them; a binary one is a multi-label one of one label.
        figures: columns of :class:`~camlucida.metrics.score_table.Row`.
        predictions: what was evaluated; None for masks.
        notes: of the evaluation.
        threshold: from which on a label is predicted.
    """

    task: str
    figures: pd.DataFrame
    predictions: Predictions | None
    notes: tuple[Message, ...]
    threshold: float = DECISION_THRESHOLD


@dataclass(frozen=True)
class ReportData:
    """Everything that the sections of a report take their numbers from.

    An image that is in several runs, by its id and file, is one image. The fields that :data:`Part`
    names are empty, and the measures NaN, where they were not requested.

    Attributes:
        runs: at least one.
        folder: the report's; figures are written below it.
        names: what each run is called: its folder's name, or its path where two have the same.
        error_threshold: of a regression: errors from here up are high; None: the median.
        predictions: one row a run, image, model and label, with ``run``, the index of the run.
        images: one row an image of the cohorts, computed or not: run, image, path, patient, split,
            mask, box, group_*; ``has_mask``, ``has_box``: whether there is one of any label;
            ``patient_known``: whether its cohort has patients (else each image counts as one).
        truth: one row an image and label: image, path, patient, task, label, truth, synthetic.
        cases: one row a map, see :func:`~camlucida.analysis.cases.case_table.case_table`.
        measured: ``cases`` with the columns of the heat table.
        cells: of each case: depth (of volumes), height, width of a cell of the map in original
            pixels, ``mm`` its longer side; NaN where unknown.
        problems: a line for each mask or table of boxes that cannot be read.
        performance: of the models, by task; no task without ground truth.
        not_evaluated: why the performance of some runs is not there.
        all_series: in the order of the runs.
        tasks: task → its rows of ``cases``; tasks have no loss in common.
        chosen: task → the cases of it that are shown, rule by rule.
        comparisons: one for each thing that varies between the maps of a task, alone.
        evaluations: what ``camlucida evaluate`` wrote in the folders of the runs.
        annotations: (index of the run, model) → its masks and boxes.
        failures: what could not be computed; the report goes on without it.
    """

    runs: tuple[Run, ...]
    folder: Path
    names: tuple[str, ...]
    error_threshold: float | None
    predictions: pd.DataFrame
    images: pd.DataFrame
    truth: pd.DataFrame
    cases: pd.DataFrame
    measured: pd.DataFrame
    cells: pd.DataFrame
    problems: tuple[str, ...]
    performance: tuple[Performance, ...]
    not_evaluated: tuple[str, ...]
    all_series: tuple[SeriesRows, ...]
    tasks: Mapping[str, pd.DataFrame]
    chosen: Mapping[str, Sequence[Selected]]
    comparisons: tuple[Comparison, ...]
    evaluations: tuple[Evaluation, ...]
    annotations: Mapping[tuple[int, str], Annotations]
    failures: tuple[Message, ...] = ()

    @property
    def heat(self) -> pd.DataFrame:
        """The columns of ``measured`` that say what the heat of each map does."""
        return self.measured[COLUMNS]

    @property
    def patients_known(self) -> bool:
        """Whether the patient of every image is known."""
        return bool(self.images["patient_known"].all())

    @property
    def has_truth(self) -> bool:
        """Whether there is ground truth for any image."""
        return bool(self.truth["truth"].notna().any()) or bool(self.performance)

    @property
    def selected(self) -> list[Selected]:
        """The cases that are shown, rule by rule, task by task."""
        return list(chain.from_iterable(self.chosen.values()))

    def explanation(self, run: int, number: int, levels: bool = False) -> Explanation:
        """The stored map of a row of ``cases``, by its ``run`` and ``explanation``.

        Args:
            run, number: as there.
            levels: as of :meth:`camlucida.runs.Run.explanation`.
        """
        return self.runs[run].explanation(number, levels)

    def map_of(self, row: Any, levels: bool = False) -> Explanation:
        """The stored map of a case (index label).

        Args:
            row: of ``cases``.
            levels: as of :meth:`explanation`.
        """
        case = self.cases.loc[row]
        return self.explanation(int(case["run"]), int(case["explanation"]), levels)

    def mask(self, row: Any) -> Mask | None:
        """Ground truth of a case (index label), (H, W), original pixels; None where there is none.

        Of a volume as :meth:`~camlucida.core.volume_scan.VolumeScan.from_stored` gives it.

        It is that of the case's label.
        """
        case = self.cases.loc[row]
        annotations = self.annotations[int(case["run"]), str(case["model"])]
        size = self._size(row)
        if size is not None:
            return annotations.mask(case.to_dict(), str(case["label"]), size)
        scan = self.map_of(row).scan
        if not isinstance(scan, VolumeScan):
            return None  # its file is gone
        mask = annotations.mask(case.to_dict(), str(case["label"]), voxel_grid(scan))
        return None if mask is None else scan.from_stored(mask)

    def boxes(self, row: Any) -> Floats | None:
        """(N, 4) x, y, width, height of the label of a case, in original pixels; None without."""
        size = self._size(row)
        if size is None:
            return None
        case = self.cases.loc[row]
        annotations = self.annotations[int(case["run"]), str(case["model"])]
        return annotations.boxes(case.to_dict(), str(case["label"]), size)

    def _size(self, row: Any) -> tuple[int, int] | None:
        """(H, W) of the image of a case; None for a volume."""
        case = self.cases.loc[row]
        stored = self.runs[int(case["run"])].explanations().iloc[int(case["explanation"])]
        original = stored["original"]
        return (int(original[0]), int(original[1])) if len(original) == 2 else None
