"""The figures of a table of predictions, by task, and their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from camlucida.core.files import slug, unique
from camlucida.datasets.predictions import Predictions
from camlucida.figures.files import save_figure
from camlucida.figures.predictions.classes import confusion_figure
from camlucida.figures.predictions.labels import calibration_figure, curves_figure
from camlucida.figures.predictions.values import (
    bland_altman_figure,
    group_figure,
    regression_figure,
)
from camlucida.metrics.multilabel import DECISION_THRESHOLD


def save_figures(
    out: Path, predictions: Predictions, figures: pd.DataFrame, threshold: float
) -> list[Path]:
    """Write :func:`prediction_figures` of every model; with more than one, each into its folder.

    Args:
        out: folder to write to.
        predictions: of one or more models.
        figures: of :func:`~camlucida.evaluation.predictions.tables.evaluate_predictions`.
        threshold: decision threshold in [0, 1], marked on the curves.

    Returns:
        The files written.
    """
    models = list(predictions.of_models())
    taken: set[str] = set()
    written = []
    for model, frame in models:
        folder = out
        if len(models) > 1:
            folder = out / slug(unique(model or "model", taken))
        of_model = figures[figures["model"] == model]
        for name, figure in prediction_figures(predictions, frame, of_model, threshold):
            path = folder / name
            save_figure(figure, path.with_suffix(""), ["png"])
            written.append(path)
    return written


def prediction_figures(
    predictions: Predictions,
    frame: pd.DataFrame,
    figures: pd.DataFrame,
    threshold: float = DECISION_THRESHOLD,
) -> Iterator[tuple[str, Figure]]:
    """(file name, figure) of one model's predictions, by task.

    - Regression: ``evaluation_results.png``, ``bland_altman.png``, and where there are groups
      ``group_comparison.png``.
    - Multi-class: ``confusion_matrix.png``.
    - Multi-label: ``roc_pr_curves.png``, ``calibration.png``.

    Args:
        predictions: task, labels, and whether the data are synthetic.
        frame: the model's rows of ``predictions``.
        figures: the model's rows of
            :func:`~camlucida.evaluation.predictions.tables.evaluate_predictions`, from which
            estimates, intervals and chance levels are taken.
        threshold: decision threshold in [0, 1], marked on the curves.
    """
    labels, synthetic = predictions.labels, predictions.synthetic
    if predictions.task == "regression":
        yield "evaluation_results.png", regression_figure(frame, figures, synthetic)
        yield "bland_altman.png", bland_altman_figure(frame, figures, synthetic)
        if (figures["group"] != "").any():
            yield "group_comparison.png", group_figure(figures, synthetic)
    elif predictions.task == "multiclass":
        yield "confusion_matrix.png", confusion_figure(frame, labels, figures, synthetic)
    else:
        curves = curves_figure(frame, labels, figures, threshold, synthetic)
        yield "roc_pr_curves.png", curves
        yield "calibration.png", calibration_figure(frame, labels, figures, synthetic)
