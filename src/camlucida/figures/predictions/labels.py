"""Figures of a multi-label model: ROC and precision–recall curves, and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camlucida.figures.evaluation import PALETTE
from camlucida.figures.predictions.layout import GREY, chance_text, estimate_text, with_footer
from camlucida.figures.style import label_name, words, wrapped_text
from camlucida.metrics.bootstrap import Floats
from camlucida.metrics.multilabel import BINS, bin_of

ROC_COLOUR, PRECISION_COLOUR = PALETTE[:2]

PANELS_IN_A_ROW = 4


def curves_figure(
    frame: pd.DataFrame,
    labels: Sequence[str],
    figures: pd.DataFrame,
    threshold: float,
    synthetic: bool,
) -> Figure:
    """ROC (blue) and precision over recall (orange) of each label, with chance levels and the
    decision threshold.

    Args:
        frame: columns ``label``, ``truth`` (0 or 1, NaN where unknown), ``probability`` and
            ``logit``.
        labels: a panel each.
        figures: estimates, for the titles.
        threshold: decision threshold in [0, 1].
        synthetic: whether the data are synthetic.
    """
    figure, panels = _square_panels(len(labels))
    for axes, label in zip(panels, labels):
        truth, score, probability = _cases_of(frame, label)
        name, positives = label_name(label), int(truth.sum())
        counts = {"positives": positives, "images": len(truth)}
        head = words("prediction_figures.positives", label=name, **counts)
        auc = estimate_text(figures, "auc", label)
        precision = estimate_text(figures, "ap", label)
        title = f"{wrapped_text(head, 38)}\nAUC {auc}\nAP {precision}"
        axes.set_title(title, fontsize=8)
        _unit_square(
            axes, words("prediction_figures.roc_across"), words("prediction_figures.roc_up")
        )
        if len(np.unique(truth)) < 2:
            _write_in(axes, wrapped_text(words("prediction_figures.no_curve"), 22))
            continue
        _draw_curves(axes, truth, score)
        _mark_threshold(axes, truth, probability >= threshold)
    note = words("prediction_figures.curves", threshold=threshold)
    return with_footer(figure, note, synthetic)


def _draw_curves(axes: Axes, truth: Floats, score: Floats) -> None:
    """ROC and precision over recall, and the chance level of either."""
    from sklearn.metrics import precision_recall_curve, roc_curve  # a second, for these alone

    false_positive, true_positive, _ = roc_curve(truth, score)
    precision, recall, _ = precision_recall_curve(truth, score)
    axes.plot(false_positive, true_positive, color=ROC_COLOUR, linewidth=1.6)
    axes.step(recall, precision, color=PRECISION_COLOUR, linewidth=1.6, where="post")
    axes.plot([0, 1], [0, 1], color=ROC_COLOUR, linestyle=":", linewidth=1)
    axes.axhline(truth.mean(), color=PRECISION_COLOUR, linestyle=":", linewidth=1)


def _mark_threshold(axes: Axes, truth: Floats, called: np.ndarray) -> None:
    """A dot on each curve at the decision threshold; ``called`` is True for positive decisions."""
    sensitivity = float(called[truth > 0].mean())
    false_positive = float(called[truth == 0].mean())
    axes.plot(false_positive, sensitivity, marker="o", color=ROC_COLOUR, markersize=5)
    # Precision is undefined without a positive decision.
    if called.any():
        precision = float(truth[called].mean())
        axes.plot(sensitivity, precision, marker="o", color=PRECISION_COLOUR, markersize=5)


def calibration_figure(
    frame: pd.DataFrame, labels: Sequence[str], figures: pd.DataFrame, synthetic: bool
) -> Figure:
    """Reliability diagram of each label: share of positives over the mean probability of each bin.

    Args:
        frame: as for :func:`curves_figure`.
        labels: a panel each.
        figures: estimates, for the titles.
        synthetic: whether the data are synthetic.
    """
    figure, panels = _square_panels(len(labels))
    for axes, label in zip(panels, labels):
        truth, _, probability = _cases_of(frame, label)
        _unit_square(
            axes, words("prediction_figures.bin_mean"), words("prediction_figures.share_positive")
        )
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        error = estimate_text(figures, "ece", label)
        expected = chance_text(figures, "ece", label)
        lines = [
            wrapped_text(label_name(label), 38),
            words("prediction_figures.calibration_error", error=error),
            words("prediction_figures.if_calibrated", expected=expected),
        ]
        axes.set_title("\n".join(lines), fontsize=8)
        if len(truth):
            _draw_bins(axes, truth, probability)
        else:
            _write_in(axes, words("prediction_figures.no_rows"))
    note = words("prediction_figures.calibration", bins=BINS)
    return with_footer(figure, note, synthetic)


def _draw_bins(axes: Axes, truth: Floats, probability: Floats) -> None:
    bins = bin_of(probability)
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    filled = counts > 0
    predicted = np.bincount(bins, probability, BINS)[filled] / counts[filled]
    observed = np.bincount(bins, truth, BINS)[filled] / counts[filled]
    areas = 8 + 150 * counts[filled] / counts.sum()
    axes.plot(predicted, observed, color=PALETTE[0], linewidth=0.8, alpha=0.5)
    axes.scatter(predicted, observed, s=areas, color=PALETTE[0], alpha=0.85)


def _cases_of(frame: pd.DataFrame, label: str) -> tuple[Floats, Floats, Floats]:
    """Truth, score and probability of the rows that have truth and probability.

    The score is the logit where every row has one: probabilities near 0 and 1 round to ties.
    """
    complete = frame["truth"].notna() & frame["probability"].notna()
    rows = frame[(frame["label"] == label) & complete]
    truth = rows["truth"].to_numpy(np.float64)
    logit = rows["logit"].to_numpy(np.float64)
    probability = rows["probability"].to_numpy(np.float64)
    score = logit if np.isfinite(logit).all() else probability
    return truth, score, probability


def _square_panels(number: int) -> tuple[Figure, list[Axes]]:
    """At least ``number`` square panels; those left over in the last row are blank."""
    across = min(number, PANELS_IN_A_ROW)
    down = -(-number // across)
    figure = Figure(figsize=(2.9 * max(across, 2), 3.4 * down + 0.5), layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in panels[number:]:
        axes.set_axis_off()
    return figure, panels


def _unit_square(axes: Axes, across: str, up: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(up, fontsize=8)
    axes.tick_params(labelsize=7.5)
    axes.spines[["top", "right"]].set_visible(False)


def _write_in(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, color=GREY)
