"""The figures of a regression: of all predictions, and of chosen cases with their maps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.analysis.cases.annotations import Annotations
from camlucida.analysis.cases.attribution_table import attribution_table, case_annotations
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.region_shares import share_inside
from camlucida.analysis.selection import select
from camlucida.core.errors import UsageError
from camlucida.core.files import without_dots
from camlucida.core.messages import Message, declare
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.datasets.predictions import Predictions
from camlucida.figures.files import save_figure
from camlucida.figures.predictions import bland_altman_figure, group_figure
from camlucida.figures.predictions import regression_figure as scatter_figure
from camlucida.figures.regression import (
    NO_MASK,
    OWN_SCALE,
    ValueCase,
    both_signs,
    shared_limit,
    value_figure,
)
from camlucida.io.keyed_files import actual_path
from camlucida.io.tables import read_table
from camlucida.models.assumptions import assumed_preprocessing
from camlucida.runs import Run
from camlucida.runs.keyed import is_keyed, source_file

declare(
    "regression_cases",
    {
        "best": "best: {rule}",
        "worst": "worst: {rule}",
        "sample": "row {index} of predictions.json, requested by its number",
    },
)

THRESHOLD = 5.0
"""Absolute errors of at least this count as high by default."""


def save_predictions(
    out: Path, predictions: Predictions, figures: pd.DataFrame, unit: str = ""
) -> list[Path]:
    """Write the figures of all predictions, as PNG and PDF.

    Args:
        out: folder of ``evaluation_results``, ``bland_altman`` and ``age_group_comparison``.
        predictions: that were evaluated.
        figures: of them.
        unit: of the value; "" where it is not known.

    Returns:
        The paths.
    """
    frame, synthetic = predictions.frame, predictions.synthetic
    drawn = {
        "evaluation_results": scatter_figure(frame, figures, synthetic, unit),
        "bland_altman": bland_altman_figure(frame, figures, synthetic, unit),
        "age_group_comparison": group_figure(figures, synthetic, unit),
    }
    written: list[Path] = []
    for name, figure in drawn.items():
        written += save_figure(figure, out / name)
    return written


def regression_figure(
    out: str | Path, index: int, *, threshold: float | None = None, colormap: str | None = None
) -> Figure:
    """Draw the figure of one row, as ``--sample`` writes it, on its own scale; for notebooks.

    Args:
        out: folder that ``camlucida evaluate-regression`` wrote.
        index: of the row, as in ``predictions.json``.
        threshold: the error is green below it, red from it up; None takes ``--error-threshold``.
        colormap: matplotlib name; its middle is zero.

    Raises:
        UsageError: no such folder or row; a row without a map.
    """
    run, metrics = Run.open(Path(out) / "run"), Path(out) / "test_metrics.json"
    document = json.loads(metrics.read_text("utf-8")) if metrics.is_file() else {}
    if threshold is None:
        threshold = document.get("error_threshold", THRESHOLD)
    cases = case_table([run])
    of_image = cases[cases["path"] == image_of(run, index)]
    heat = attribution_table([run], of_image).reindex(cases.index)
    notes = [Message.from_json(note) for note in document.get("notes", ())]
    pictures = CaseFigures(run, cases, heat, threshold, colormap, caption_notes(notes))
    return pictures.figure(pictures.sample(index).case, None, OWN_SCALE)


def caption_notes(notes: Sequence[Message]) -> list[Message]:
    """The lines below each figure: that the preprocessing is assumed, where it is.

    Args:
        notes: of the evaluation.
    """
    note = assumed_preprocessing(notes)
    return [] if note is None else [note]


def image_of(run: Run, index: int) -> str:
    """The path of the image of a row of the table that the run was made from, as the run has it.

    Raises:
        UsageError: there is no such row.
    """
    file = read_cohort_file(source_file(run.about, run.about["cohort"]))
    assert file.config.table is not None  # the workflow wrote one
    paths = read_table(file.resolve(file.config.table))["path"]
    if not 0 <= index < len(paths):
        raise UsageError(f"no sample {index}", f"the run has {len(paths)}, counted from 0")
    wanted = without_dots(Path(paths[index]))
    stored = run.predictions()["path"].unique()
    return next((path for path in stored if actual_path(path) == wanted), str(wanted))


class ChosenCase(NamedTuple):
    """A case with the rule by which it was chosen."""

    case: ValueCase
    rule: Message


@dataclass(frozen=True)
class CaseFigures:
    """Cases of a run as figures.

    Attributes:
        run: of one model, method and layer.
        cases: of :func:`~camlucida.analysis.cases.case_table.case_table`.
        heat: of :func:`~camlucida.analysis.cases.attribution_table.attribution_table`, with the
            index of ``cases``; NaN where it was not measured.
        threshold: the error is green below it, red from it up.
        colormap: matplotlib name; its middle is zero.
        notes: lines below each figure.
    """

    run: Run
    cases: pd.DataFrame
    heat: pd.DataFrame
    threshold: float = THRESHOLD
    colormap: str | None = None
    notes: Sequence[Message] = ()

    def best_and_worst(self) -> dict[str, ChosenCase]:
        """``gradcam_best_sample`` and ``gradcam_worst_sample``.

        Empty where no image has a map and a known value.
        """
        chosen: dict[str, ChosenCase] = {}
        for selected in select(self.cases, ["best", "worst"]):
            if selected.rows:
                path = str(self.cases["path"][selected.rows[0]])
                rule = Message(f"regression_cases.{selected.rule}", {"rule": selected.description})
                chosen[f"gradcam_{selected.rule}_sample"] = self._case(path, rule)
        return chosen

    def sample(self, index: int) -> ChosenCase:
        """The case of row ``index`` of the table.

        Raises:
            UsageError: it has no map.
        """
        path = image_of(self.run, index)
        if not (self.cases["path"] == path).any():
            name = "" if is_keyed(self.run.about) else f", {path},"
            raise UsageError(f"sample {index}{name} has no map", "see the errors above")
        return self._case(path, Message("regression_cases.sample", {"index": index}))

    def save(self, out: Path, chosen: Mapping[str, ChosenCase], scale: Message) -> list[Path]:
        """Write a figure of each case, all on one scale; the paths.

        Args:
            out: folder.
            chosen: file name without suffix → case.
            scale: whose scale it is.
        """
        cases = {name: each.case for name, each in chosen.items()}
        limit = shared_limit(list(cases.values()))
        written: list[Path] = []
        for name, case in cases.items():
            written += save_figure(self.figure(case, limit, scale), out / name)
        return written

    def figure(self, case: ValueCase, limit: float | None, scale: Message) -> Figure:
        """Draw one case; see :func:`~camlucida.figures.regression.value_figure`."""
        return value_figure(
            case,
            limit,
            scale=scale,
            threshold=self.threshold,
            colormap=self.colormap,
            notes=self.notes,
        )

    def _case(self, path: str, rule: Message) -> ChosenCase:
        rows = self.cases[self.cases["path"] == path]
        maps = {
            int(sign): self.run.explanation(int(index))
            for sign, index in zip(rows["target_sign"], rows["explanation"])
        }
        first = rows.iloc[0]
        explanation = both_signs(maps[1], maps.get(-1))
        mask, why_none = self._mask(first, explanation.scan.geometry.original)
        case = ValueCase(
            explanation,
            Path(path).name,
            str(first["label"]),
            truth=float(first["truth"]),
            value=float(first["value"]),
            mask=mask,
            no_mask=why_none,
            inside=share_inside(rows, self.heat.loc[rows.index]) or "",
            chosen=rule,
        )
        return ChosenCase(case, rule)

    def _mask(
        self, row: pd.Series, size: Sequence[int]
    ) -> tuple[NDArray[np.bool_] | None, Message | str]:
        """The mask of a case, or None and why there is none."""
        case = {str(name): value for name, value in row.items()}
        annotations = self._annotations[int(case["run"]), case["model"]]
        if not annotations.has_mask(case):
            return None, NO_MASK
        mask = annotations.mask(case, case["label"], (size[0], size[1]))
        if mask is None:
            return None, Message("value_figures.unreadable_mask")
        return mask, ""

    @cached_property
    def _annotations(self) -> dict[tuple[int, str], Annotations]:
        return case_annotations([self.run], self.cases, [])
