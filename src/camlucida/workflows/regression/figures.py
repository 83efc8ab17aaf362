"""The figures of a regression: of all predictions, and of chosen cases with their masks and maps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.region_shares import share_inside
from camlucida.analysis.selection import select
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import without_dots
from camlucida.core.messages import Message
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.datasets.predictions import Predictions
from camlucida.figures.files import save_figure
from camlucida.figures.predictions import bland_altman_figure, group_figure
from camlucida.figures.predictions import regression_figure as scatter_figure
from camlucida.figures.regression import ValueCase, both_signs, shared_limit, value_figure
from camlucida.io.annotations.masks import read_mask
from camlucida.io.tables import read_table
from camlucida.models.assumptions import assumed_preprocessing
from camlucida.runs import Run


def save_predictions(out: Path, predictions: Predictions, figures: pd.DataFrame) -> list[Path]:
    """``evaluation_results``, ``bland_altman`` and ``age_group_comparison``, PNG and PDF each; their paths."""
    frame, synthetic = predictions.frame, predictions.synthetic
    drawn = {
        "evaluation_results": scatter_figure(frame, figures, synthetic),
        "bland_altman": bland_altman_figure(frame, figures, synthetic),
        "age_group_comparison": group_figure(figures, synthetic),
    }
    return [path for name, figure in drawn.items() for path in save_figure(figure, out / name)]


def regression_figure(
    out: str | Path, index: int, *, threshold: float | None = None, colormap: str | None = None
) -> Figure:
    """The figure of one row, as ``--sample`` writes it, on its own scale; for notebooks.

    Args:
        out: folder that ``camlucida evaluate-regression`` wrote.
        index: of the row, as in ``predictions.json``.
        threshold: the error is green below it, red from it up; that of ``--error-threshold`` if None.
        colormap: matplotlib name, of which the middle is zero.

    Raises:
        UsageError: no such folder or row; a row without a map.
    """
    run, metrics = Run.open(Path(out) / "run"), Path(out) / "test_metrics.json"
    said = json.loads(metrics.read_text("utf-8")) if metrics.is_file() else {}
    limit = said.get("error_threshold", 5.0) if threshold is None else threshold
    cases = case_table([run])
    own = cases[cases["path"] == image_of(run, index)]
    heat = attribution_table([run], own).reindex(cases.index)
    notes = [Message.from_json(note) for note in said.get("notes", ())]
    pictures = CaseFigures(run, cases, heat, limit, colormap, caption_notes(notes))
    return pictures.figure(pictures.sample(index), None, "own scale")


def caption_notes(notes: Sequence[Message]) -> list[str]:
    """The lines below each figure: that the preprocessing is assumed, where it is."""
    note = assumed_preprocessing(notes)
    return [] if note is None else [str(note)]


def image_of(run: Run, index: int) -> str:
    """Path of the image of row ``index`` of the table that the run is of."""
    file = read_cohort_file(run.about["cohort"])
    assert file.config.table is not None  # written so
    paths = read_table(file.resolve(file.config.table))["path"]
    if not 0 <= index < len(paths):
        raise UsageError(f"no sample {index}", f"the run has {len(paths)}, counted from 0")
    return str(without_dots(Path(paths[index])))


@dataclass(frozen=True)
class CaseFigures:
    """Cases of a run as figures.

    Attributes:
        run: of one model, method and layer.
        cases: of :func:`~camlucida.cases.case_table`.
        heat: of :func:`~camlucida.cases.attribution_table`, same index; NaN where it was not measured.
        threshold: the error is green below it, red from it up.
        colormap: matplotlib name, of which the middle is zero.
        notes: lines below each figure.
    """

    run: Run
    cases: pd.DataFrame
    heat: pd.DataFrame
    threshold: float = 5.0
    colormap: str | None = None
    notes: Sequence[str] = ()

    def best_and_worst(self) -> dict[str, ValueCase]:
        """``gradcam_best_sample`` and ``gradcam_worst_sample``; none where no image has a map and a known value."""
        chosen = select(self.cases, ["best", "worst"])
        return {
            f"gradcam_{found.rule}_sample": self._case(
                str(self.cases["path"][found.rows[0]]), f"{found.rule}: {found.description}"
            )
            for found in chosen
            if found.rows
        }

    def sample(self, index: int) -> ValueCase:
        """The case of row ``index`` of the table.

        Raises:
            UsageError: it has no map.
        """
        path = image_of(self.run, index)
        if not (self.cases["path"] == path).any():
            raise UsageError(f"sample {index}, {path}, has no map", "see the errors above")
        return self._case(path, f"row {index} of predictions.json, asked for by its number")

    def save(self, out: Path, cases: Mapping[str, ValueCase], scale: str) -> list[Path]:
        """Write a figure of each, all on one scale; the paths.

        Args:
            out: folder.
            cases: file name without suffix → case.
            scale: whose scale it is, in words.
        """
        limit = shared_limit(list(cases.values()))
        drawn = ((name, self.figure(case, limit, scale)) for name, case in cases.items())
        return [path for name, figure in drawn for path in save_figure(figure, out / name)]

    def figure(self, case: ValueCase, limit: float | None, scale: str) -> Figure:
        """One case; see :func:`~camlucida.figures.regression.value_figure`."""
        look: dict[str, Any] = {
            "threshold": self.threshold,
            "colormap": self.colormap,
            "notes": self.notes,
        }
        return value_figure(case, limit, scale=scale, **look)

    def _case(self, path: str, chosen: str) -> ValueCase:
        rows = self.cases[self.cases["path"] == path]
        maps = {
            int(sign): self.run.explanation(int(i))
            for sign, i in zip(rows["target_sign"], rows["explanation"])
        }
        first = rows.iloc[0]
        explanation = both_signs(maps[1], maps.get(-1))
        mask, why = _mask(first["mask"], explanation.scan.geometry.original)
        inside = str(share_inside(rows, self.heat.loc[rows.index]) or "")
        known = (float(first["truth"]), float(first["value"]), mask, why, inside, chosen)
        return ValueCase(explanation, Path(path).name, str(first["label"]), *known)


def _mask(path: str | None, size: Sequence[int]) -> tuple[NDArray[np.bool_] | None, str]:
    """The mask, or None and why."""
    if path is None or not Path(path).is_file():
        return None, "no mask"
    try:
        return read_mask(Path(path), "the mask", (size[0], size[1])), ""
    except CamlucidaError:
        return None, "its mask cannot be read"
