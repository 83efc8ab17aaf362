"""Figures of predictions against the ground truth. Intervals and chance levels come
from the table of figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from camlucida.core.files import slug, unique, write_bytes
from camlucida.datasets.predictions import Predictions
from camlucida.figures.evaluation import PALETTE
from camlucida.figures.overlay import NOTICE
from camlucida.figures.panels import figure_png
from camlucida.io.tables import count
from camlucida.metrics.bootstrap import Floats
from camlucida.metrics.multiclass import confusion
from camlucida.metrics.multilabel import BINS, DECISION_THRESHOLD, bin_of
from camlucida.metrics.regression import agreement, known_rows

INK, GREY = "#222222", "#767676"
ACROSS = 4
"""Panels side by side."""
MOST_BINS = 60
"""Of a histogram."""


def save_figures(
    out: Path, predictions: Predictions, figures: pd.DataFrame, threshold: float
) -> list[Path]:
    """Write :func:`prediction_figures` of each model, of several into a folder each; the files."""
    models = list(predictions.of_models())
    taken: set[str] = set()
    written = []
    for model, frame in models:
        folder = out / slug(unique(model or "model", taken)) if len(models) > 1 else out
        for name, figure in prediction_figures(
            predictions, frame, figures[figures["model"] == model], threshold
        ):
            write_bytes(folder / name, figure_png(figure))
            written.append(folder / name)
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
        predictions: whose they are.
        frame: the model's rows.
        figures: the model's rows of
            :func:`~camlucida.evaluation.predictions.tables.evaluate_predictions`.
        threshold: of the decisions, marked on the curves.
    """
    synthetic = predictions.synthetic
    if predictions.task == "regression":
        yield "evaluation_results.png", regression_figure(frame, figures, synthetic)
        yield "bland_altman.png", bland_altman_figure(frame, figures, synthetic)
        if (figures["group"] != "").any():
            yield "group_comparison.png", group_figure(figures, synthetic)
    elif predictions.task == "multiclass":
        yield (
            "confusion_matrix.png",
            confusion_figure(frame, predictions.labels, figures, synthetic),
        )
    else:
        yield (
            "roc_pr_curves.png",
            curves_figure(frame, predictions.labels, figures, threshold, synthetic),
        )
        yield "calibration.png", calibration_figure(frame, predictions.labels, figures, synthetic)


def regression_figure(frame: pd.DataFrame, figures: pd.DataFrame, synthetic: bool) -> Figure:
    """Predicted over true value, and the histogram of the errors; in the unit of the value."""
    frame = known_rows(frame)
    truth, value = frame["truth"].to_numpy(np.float64), frame["value"].to_numpy(np.float64)
    figure, (scatter, histogram) = _panels(2, 4.6, 4.3)
    ends = [min(truth.min(), value.min()), max(truth.max(), value.max())]
    scatter.plot(ends, ends, color=GREY, linestyle="--", linewidth=1, label="predicted = true")
    _points(scatter, truth, value)
    scatter.set(xlabel="true value", ylabel="predicted value", aspect="equal")
    scatter.set_title(
        f"MAE {_words(figures, 'mae')}\nPearson r {_words(figures, 'pearson_r')}", fontsize=9
    )
    scatter.legend(fontsize=8, frameon=False, loc="upper left")
    histogram.hist(
        value - truth, bins=_bins(value - truth), color=PALETTE[0], edgecolor="white", linewidth=0.4
    )
    histogram.axvline(0, color=GREY, linestyle="--", linewidth=1)
    histogram.axvline(
        (value - truth).mean(),
        color=PALETTE[1],
        linewidth=1.5,
        label=f"bias {_words(figures, 'bias')}",
    )
    histogram.set(xlabel="error (predicted − true)", ylabel="images")
    histogram.set_title(f"RMSE {_words(figures, 'rmse')}\nR² {_words(figures, 'r2')}", fontsize=9)
    _room_for_a_legend(histogram)
    return _finish(figure, f"{_people(figures)} Brackets: interval, patients resampled.", synthetic)


def bland_altman_figure(frame: pd.DataFrame, figures: pd.DataFrame, synthetic: bool) -> Figure:
    """Error over the mean of predicted and true, with the bias, the limits of agreement, and the
    intervals of all three.
    """
    frame = known_rows(frame)
    truth, value = frame["truth"].to_numpy(np.float64), frame["value"].to_numpy(np.float64)
    limits = agreement(frame)
    outside = limits.outside(value - truth) > 0
    figure, (axes,) = _panels(1, 7.0, 4.6)
    middle, error, note = (truth + value) / 2, value - truth, ""
    _points(axes, middle[~outside], error[~outside])
    axes.scatter(middle[outside], error[outside], s=22, marker="x", color=PALETTE[1], linewidth=1.2)
    levels = (limits.low, limits.bias, limits.high)
    for name, level, style in zip(("limit_low", "bias", "limit_high"), levels, ("--", "-", "--")):
        line = _line(figures, name)
        axes.axhline(level, color=INK, linestyle=style, linewidth=1.2)
        if line is not None and np.isfinite(line["low"]):
            axes.axhspan(line["low"], line["high"], color=INK, alpha=0.08, linewidth=0)
            note = " Grey bands: intervals, patients resampled."
    axes.axhline(0, color=GREY, linewidth=0.6, linestyle=":")
    axes.set(xlabel="mean of predicted and true value", ylabel="error (predicted − true)")
    axes.set_title(
        f"{int(outside.sum())} of {len(error)} images outside the limits (×)", fontsize=9
    )
    _beside(axes, levels, [_words(figures, name) for name in ("limit_low", "bias", "limit_high")])
    return _finish(figure, f"{_people(figures)}{note}", synthetic)


def group_figure(figures: pd.DataFrame, synthetic: bool) -> Figure:
    """MAE and RMSE of each group with interval and chance level.

    Args:
        figures: with rows of groups.
        synthetic: mark it so.
    """
    grouped = figures[figures["group"] != ""]
    names = list(dict.fromkeys(grouped["group"]))
    figure, panels = _panels(2, 4.4, 1.6 + 0.32 * sum(1 + len(name) // 36 for name in names))
    for axes, metric, colour in zip(panels, ("mae", "rmse"), PALETTE):
        rows = grouped[grouped["metric"] == metric].set_index("group")
        for place, name in enumerate(names):
            _dot(axes, place, rows.loc[name], colour)
        whole = _line(figures, metric)
        if whole is not None:
            axes.axvline(whole["estimate"], color=GREY, linewidth=1, zorder=0)
        axes.set_xlim(left=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_title(f"{metric.upper()}, all patients:\n{_words(figures, metric)}", fontsize=9)
        axes.set_xlabel(f"{metric.upper()}, unit of the value")
        sizes = [fill(f"{name}  (n = {rows.loc[name, 'n']})", 36) for name in names]
        axes.set_yticks(
            range(len(names)), sizes if axes is panels[0] else [""] * len(names), fontsize=8.5
        )
    note = (
        "Bar: interval, patients resampled; hollow: under 10 patients. "
        "Dotted: the median (mean) of all patients as prediction. Grey line: all patients."
    )
    return _finish(figure, note, synthetic)


def confusion_figure(
    frame: pd.DataFrame, classes: Sequence[str], figures: pd.DataFrame, synthetic: bool
) -> Figure:
    """Counts by true (down) and predicted class (across), shaded by their share of the true
    class.
    """
    matrix = confusion(frame, classes)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    side = max(4.6, 1.8 + 0.75 * len(classes))
    figure, (axes,) = _panels(1, side + 1.2, side)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > 0.55 else INK
        axes.text(
            column,
            row,
            f"{number}\n{shares[row, column]:.0%}",
            ha="center",
            va="center",
            fontsize=8,
            color=colour,
        )
    names = [fill(name, 14) for name in classes]
    steep = max(map(len, classes)) > 6
    axes.set_xticks(
        range(len(classes)),
        names,
        fontsize=8.5,
        rotation=40 if steep else 0,
        ha="right" if steep else "center",
    )
    axes.set_yticks(
        range(len(classes)), [f"{n}\n(n = {k})" for n, k in zip(names, matrix.sum(1))], fontsize=8.5
    )
    axes.set(xlabel="predicted", ylabel="true")
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.03)
    bar.set_label("share of the true class", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    axes.set_title(
        f"accuracy {_words(figures, 'accuracy')}, chance {_chance(figures, 'accuracy')}\n"
        f"quadratic kappa {_words(figures, 'quadratic_kappa')}",
        fontsize=9,
    )
    return _finish(figure, f"{_people(figures)} Brackets: interval, patients resampled.", synthetic)


def curves_figure(
    frame: pd.DataFrame,
    labels: Sequence[str],
    figures: pd.DataFrame,
    threshold: float,
    synthetic: bool,
) -> Figure:
    """ROC (blue) and precision over recall (orange) of each label; dotted: chance; dot: at the
    threshold.
    """
    figure, panels = _grid(len(labels))
    for axes, label in zip(panels, labels):
        truth, score, probability = _of_label(frame, label)
        axes.set_title(
            f"{fill(label, 30)} ({int(truth.sum())} of {len(truth)})\n"
            f"AUC {_words(figures, 'auc', label)}\nAP {_words(figures, 'ap', label)}",
            fontsize=8,
        )
        _square(axes, "1 − specificity  |  recall", "sensitivity  |  precision")
        if len(np.unique(truth)) < 2:
            _empty(axes, "one side only:\nno curve")
            continue
        false, true, _ = roc_curve(truth, score)
        precision, recall, _ = precision_recall_curve(truth, score)
        axes.plot(false, true, color=PALETTE[0], linewidth=1.6)
        axes.step(recall, precision, color=PALETTE[1], linewidth=1.6, where="post")
        axes.plot([0, 1], [0, 1], color=PALETTE[0], linestyle=":", linewidth=1)
        axes.axhline(truth.mean(), color=PALETTE[1], linestyle=":", linewidth=1)
        called = probability >= threshold
        hit = float(called[truth > 0].mean())
        axes.plot(called[truth == 0].mean(), hit, marker="o", color=PALETTE[0], markersize=5)
        if called.any():
            axes.plot(hit, truth[called].mean(), marker="o", color=PALETTE[1], markersize=5)
    note = (
        "Blue: ROC. Orange: precision over recall. Dotted: chance level. "
        f"Dot: at threshold {threshold:g}."
    )
    return _finish(
        figure,
        f"{note} Brackets: interval, patients resampled; none under 10 patients on either side.",
        synthetic,
    )


def calibration_figure(
    frame: pd.DataFrame, labels: Sequence[str], figures: pd.DataFrame, synthetic: bool
) -> Figure:
    """Share truly positive over the mean probability of each bin; the dot's area grows with its
    rows.
    """
    figure, panels = _grid(len(labels))
    for axes, label in zip(panels, labels):
        truth, _, probability = _of_label(frame, label)
        _square(axes, "probability, mean of the bin", "share truly positive")
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        ece = f"calibration error {_words(figures, 'ece', label)}"
        axes.set_title(
            f"{fill(label, 30)}\n{ece}\nif calibrated {_chance(figures, 'ece', label)}", fontsize=8
        )
        if not len(truth):
            _empty(axes, "no rows")
            continue
        bins = bin_of(probability)
        counts = np.bincount(bins, minlength=BINS).astype(np.float64)
        filled = counts > 0
        predicted = np.bincount(bins, probability, BINS)[filled] / counts[filled]
        observed = np.bincount(bins, truth, BINS)[filled] / counts[filled]
        areas = 8 + 150 * counts[filled] / counts.sum()
        axes.plot(predicted, observed, color=PALETTE[0], linewidth=0.8, alpha=0.5)
        axes.scatter(predicted, observed, s=areas, color=PALETTE[0], alpha=0.85)
    return _finish(
        figure,
        f"{BINS} bins of equal width. Dashed: perfectly calibrated. "
        "Area of a dot: rows in the bin.",
        synthetic,
    )


def _panels(many: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(many * width, height + 0.5), layout="constrained")
    panels = list(figure.subplots(1, many, squeeze=False)[0])
    for axes in panels:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _grid(many: int) -> tuple[Figure, list[Axes]]:
    """Square panels, some rows of them; those left over are blank."""
    across = min(many, ACROSS)
    down = -(-many // across)
    figure = Figure(figsize=(2.9 * max(across, 2), 3.4 * down + 0.5), layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in panels[many:]:
        axes.set_axis_off()
    return figure, panels


def _square(axes: Axes, across: str, up: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(up, fontsize=8)
    axes.tick_params(labelsize=7.5)
    axes.spines[["top", "right"]].set_visible(False)


def _empty(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=9, color=GREY)


def _points(axes: Axes, across: Floats, up: Floats) -> None:
    axes.scatter(
        across, up, s=12, color=PALETTE[0], alpha=0.35 if len(across) > 300 else 0.65, linewidth=0
    )


def _beside(axes: Axes, levels: Sequence[float], words: Sequence[str]) -> None:
    """What the lines of −1.96 SD, bias and +1.96 SD are, right of them and apart where they are
    not.
    """
    bottom, top = axes.get_ylim()
    low, bias, high = ((level - bottom) / (top - bottom) for level in levels)
    apart = 0.085  # of the panel's height: two lines of text
    titles, places = (
        ("−1.96 SD", "bias", "+1.96 SD"),
        (min(low, bias - apart), bias, max(high, bias + apart)),
    )
    for title, place, text in zip(titles, places, words):
        if np.isfinite(place):
            axes.annotate(
                f"{title}\n{text}", (1.01, place), xycoords="axes fraction", fontsize=8, va="center"
            )


def _dot(axes: Axes, place: int, line: pd.Series, colour: str) -> None:
    known = bool(np.isfinite(line["low"]))
    if known:
        axes.hlines(place, line["low"], line["high"], color=colour, linewidth=1.8)
    axes.plot(
        line["estimate"],
        place,
        marker="o",
        markersize=5.5,
        color=colour,
        markerfacecolor=colour if known else "white",
    )
    axes.vlines(line["chance"], place - 0.4, place + 0.4, color=INK, linestyle=":", linewidth=1.3)


def _bins(values: Floats) -> int:
    """Freedman and Diaconis's number of bins, at most :data:`MOST_BINS`: one far outlier would ask
    for billions.
    """
    low, high = np.percentile(values, [25, 75])
    width = 2 * (high - low) / np.cbrt(len(values))
    return int(np.clip(np.ceil(np.ptp(values) / width), 1, MOST_BINS)) if width > 0 else 1


def _room_for_a_legend(axes: Axes) -> None:
    axes.set_ylim(top=axes.get_ylim()[1] * 1.15)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _of_label(frame: pd.DataFrame, label: str) -> tuple[Floats, Floats, Floats]:
    """Truth, score (the logit where all rows have one) and probability of the rows that have truth
    and probability.
    """
    rows = frame[(frame["label"] == label) & frame["truth"].notna() & frame["probability"].notna()]
    truth, logit, probability = (
        rows[name].to_numpy(np.float64) for name in ("truth", "logit", "probability")
    )
    return truth, logit if np.isfinite(logit).all() else probability, probability


def _line(figures: pd.DataFrame, metric: str, label: str = "") -> pd.Series | None:
    """The row of a metric of everybody."""
    rows = figures[
        (figures["metric"] == metric) & (figures["label"] == label) & (figures["group"] == "")
    ]
    return rows.iloc[0] if len(rows) else None


def _words(figures: pd.DataFrame, metric: str, label: str = "") -> str:
    """ "0.812 [0.760, 0.861]"."""
    line = _line(figures, metric, label)
    if line is None or not np.isfinite(line["estimate"]):
        return "undefined"
    size = abs(line["estimate"])
    digits = ".3f" if size < 1 else ".2f" if size < 1e4 else ".3g"
    bounds = (
        f" [{line['low']:{digits}}, {line['high']:{digits}}]"
        if np.isfinite(line["low"])
        else ", no interval"
    )
    return f"{line['estimate']:{digits}}{bounds}".replace("-", "−")


def _chance(figures: pd.DataFrame, metric: str, label: str = "") -> str:
    line = _line(figures, metric, label)
    return (
        "undefined" if line is None or not np.isfinite(line["chance"]) else f"{line['chance']:.3f}"
    )


def _people(figures: pd.DataFrame) -> str:
    first = figures[figures["group"] == ""].iloc[0]
    return f"{count(range(first['n']), 'image')} of {count(range(first['patients']), 'patient')}."


def _finish(figure: Figure, note: str, synthetic: bool) -> Figure:
    """What every figure says: what its marks are, and what it is not for."""
    width = int(figure.get_figwidth() * 19)
    figure.supxlabel(
        f"{fill(note, width)}\n{NOTICE}{' · SYNTHETIC data' if synthetic else ''}", fontsize=7.5
    )
    if synthetic:
        figure.text(
            0.5,
            0.5,
            "SYNTHETIC",
            fontsize=34,
            color="#8f8f8f",
            alpha=0.35,
            ha="center",
            va="center",
            rotation=20,
        )
    return figure
