"""Figures of a regression: predicted over true value, Bland–Altman plot, and groups."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camlucida.figures.estimates import Estimate, draw_estimate
from camlucida.figures.evaluation import PALETTE
from camlucida.figures.predictions.layout import (
    GREY,
    INK,
    estimate_of,
    estimate_text,
    panels_in_a_row,
    sample_text,
    with_footer,
)
from camlucida.figures.style import words
from camlucida.metrics.bootstrap import Floats
from camlucida.metrics.regression import agreement, known_rows

MOST_BINS = 60
"""Bins of a histogram."""

MANY_POINTS = 300
"""Points from which a scatter plot is drawn more transparent."""

GROUP_NAME_WIDTH = 36
"""Characters of a line of a group's name."""

LABEL_DISTANCE = 0.085
"""Least distance between the labels of two lines, as a share of the panel's height: two lines of
text.
"""


def regression_figure(
    frame: pd.DataFrame, figures: pd.DataFrame, synthetic: bool, unit: str = ""
) -> Figure:
    """Predicted over true value, and the histogram of the errors; in the unit of the value.

    Args:
        frame: columns ``truth`` and ``value``, a row an image.
        figures: estimates, for the titles.
        synthetic: whether the data are synthetic.
        unit: of the value, such as years; "" where it is not known.
    """
    truth, value = _truth_and_value(frame)
    figure, (scatter, histogram) = panels_in_a_row(2, 4.6, 4.3)
    _draw_scatter(scatter, truth, value)
    _label_axes(scatter, "true_value", "predicted_value", unit)
    mae = estimate_text(figures, "mae")
    correlation = estimate_text(figures, "pearson_r")
    scatter.set_title(f"MAE {mae}\nPearson r {correlation}", fontsize=9)
    scatter.legend(fontsize=8, frameon=False, loc="upper left")
    _draw_errors(histogram, value - truth, estimate_text(figures, "bias"))
    _label_axes(histogram, "error", "images", unit)
    histogram.set_ylabel(words("prediction_figures.images"))
    rmse = estimate_text(figures, "rmse")
    r2 = estimate_text(figures, "r2")
    histogram.set_title(f"RMSE {rmse}\nR² {r2}", fontsize=9)
    _add_legend_above(histogram)
    note = f"{sample_text(figures)} {words('prediction_figures.brackets')}"
    return with_footer(figure, note, synthetic)


def _draw_scatter(axes: Axes, truth: Floats, value: Floats) -> None:
    lowest = min(truth.min(), value.min())
    highest = max(truth.max(), value.max())
    ends = [lowest, highest]
    axes.plot(
        ends, ends, color=GREY, linestyle="--", linewidth=1, label=words("prediction_figures.equal")
    )
    _draw_points(axes, truth, value)
    axes.set_aspect("equal")


def _label_axes(axes: Axes, across: str, upwards: str, unit: str) -> None:
    """Name both axes, with the unit where it is known."""
    axes.set_xlabel(_in_unit(words(f"prediction_figures.{across}"), unit))
    axes.set_ylabel(_in_unit(words(f"prediction_figures.{upwards}"), unit))


def _in_unit(text: str, unit: str) -> str:
    return words("prediction_figures.in_unit", text=text, unit=unit) if unit else text


def _draw_errors(axes: Axes, error: Floats, bias: str) -> None:
    """Histogram of the errors; ``bias`` is their mean with its interval, in words."""
    bins = _number_of_bins(error)
    axes.hist(error, bins=bins, color=PALETTE[0], edgecolor="white", linewidth=0.4)
    axes.axvline(0, color=GREY, linestyle="--", linewidth=1)
    axes.axvline(
        error.mean(),
        color=PALETTE[1],
        linewidth=1.5,
        label=words("prediction_figures.bias", bias=bias),
    )


def bland_altman_figure(
    frame: pd.DataFrame, figures: pd.DataFrame, synthetic: bool, unit: str = ""
) -> Figure:
    """Bland–Altman plot: error over the mean of predicted and true value, with bias and limits of
    agreement, and the interval of each.

    Source: Bland and Altman, Lancet 1986.

    Args:
        frame: columns ``truth`` and ``value``, a row an image.
        figures: estimates and their intervals.
        synthetic: whether the data are synthetic.
        unit: of the value; "" where it is not known.
    """
    truth, value = _truth_and_value(frame)
    error = value - truth
    middle = (truth + value) / 2
    limits = agreement(frame)
    outside = limits.outside(error) > 0
    figure, (axes,) = panels_in_a_row(1, 7.0, 4.6)
    _draw_points(axes, middle[~outside], error[~outside])
    axes.scatter(middle[outside], error[outside], s=22, marker="x", color=PALETTE[1], linewidth=1.2)
    note = ""
    names = ("limit_low", "bias", "limit_high")
    levels = (limits.low, limits.bias, limits.high)
    for name, level, style in zip(names, levels, ("--", "-", "--")):
        axes.axhline(level, color=INK, linestyle=style, linewidth=1.2)
        row = estimate_of(figures, name)
        if row is not None and np.isfinite(row["low"]):
            axes.axhspan(row["low"], row["high"], color=INK, alpha=0.08, linewidth=0)
            note = " " + words("prediction_figures.bands")
    axes.axhline(0, color=GREY, linewidth=0.6, linestyle=":")
    _label_axes(axes, "mean_value", "error", unit)
    beyond = int(outside.sum())
    title = words("prediction_figures.outside", outside=beyond, images=len(error))
    axes.set_title(title, fontsize=9)
    _label_lines(axes, levels, [estimate_text(figures, name) for name in names])
    return with_footer(figure, f"{sample_text(figures)}{note}", synthetic)


def group_figure(figures: pd.DataFrame, synthetic: bool, unit: str = "") -> Figure:
    """MAE and RMSE of each group with interval and chance level; its mean true and mean prediction.

    Predictions that tend towards the mean lie above the true mean in low groups, and below it in
    high ones.

    Args:
        figures: estimates, with rows of groups.
        synthetic: whether the data are synthetic.
        unit: of the value; "" where it is not known.
    """
    grouped = figures[figures["group"] != ""]
    names = list(dict.fromkeys(grouped["group"]))
    lines = sum(1 + len(name) // GROUP_NAME_WIDTH for name in names)
    figure, panels = panels_in_a_row(3, 4.2, 1.6 + 0.32 * lines)
    _draw_means(panels[2], grouped, names, unit)
    means_title = words("prediction_figures.means_title")
    panels[2].set_title(f"{means_title}\n{estimate_text(figures, 'slope')}", fontsize=9)
    for axes, metric, colour in zip(panels, ("mae", "rmse"), PALETTE):
        rows = grouped[grouped["metric"] == metric].set_index("group")
        for position, name in enumerate(names):
            row = rows.loc[name]
            estimate = Estimate(row["estimate"], row["low"], row["high"], row["chance"])
            draw_estimate(axes, position, estimate, colour)
        whole = estimate_of(figures, metric)
        if whole is not None:
            axes.axvline(whole["estimate"], color=GREY, linewidth=1, zorder=0)
        axes.set_xlim(left=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        head = words("prediction_figures.all_patients", metric=metric.upper())
        title = f"{head}\n{estimate_text(figures, metric)}"
        axes.set_title(title, fontsize=9)
        label = words("prediction_figures.unit", metric=metric.upper())
        axes.set_xlabel(_in_unit(metric.upper(), unit) if unit else label)
        ticks = [""] * len(names)
        if axes is panels[0]:
            sized = [f"{name}  (n = {rows.loc[name, 'n']})" for name in names]
            ticks = [fill(text, GROUP_NAME_WIDTH) for text in sized]
        axes.set_yticks(range(len(names)), ticks, fontsize=8.5)
    return with_footer(figure, words("prediction_figures.groups"), synthetic)


def _draw_means(axes: Axes, grouped: pd.DataFrame, names: Sequence[str], unit: str) -> None:
    """Mean true and predicted value of each group, joined by a line."""
    means: dict[str, dict[str, float]] = {"mean_truth": {}, "mean_value": {}}
    for metric, of_groups in means.items():
        rows = grouped[grouped["metric"] == metric]
        of_groups.update(zip(rows["group"], rows["estimate"].astype(float)))
    for position, name in enumerate(names):
        truth = means["mean_truth"][name]
        value = means["mean_value"][name]
        axes.plot([truth, value], [position, position], color=GREY, linewidth=1.2, zorder=1)
        axes.scatter(truth, position, s=34, facecolor="white", edgecolor=INK, zorder=2)
        axes.scatter(value, position, s=30, color=PALETTE[0], zorder=3)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [""] * len(names))
    axes.set_xlabel(_in_unit(words("prediction_figures.means"), unit))


def _truth_and_value(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    """True and predicted values of the rows that have both."""
    rows = known_rows(frame)
    truth = rows["truth"].to_numpy(np.float64)
    value = rows["value"].to_numpy(np.float64)
    return truth, value


def _draw_points(axes: Axes, across: Floats, up: Floats) -> None:
    alpha = 0.35 if len(across) > MANY_POINTS else 0.65
    axes.scatter(across, up, s=12, color=PALETTE[0], alpha=alpha, linewidth=0)


def _label_lines(axes: Axes, levels: Sequence[float], texts: Sequence[str]) -> None:
    """Label the lines of −1.96 SD, bias and +1.96 SD, right of them.

    The labels of the limits are moved away from that of the bias where the lines are too close.
    """
    bottom, top = axes.get_ylim()
    low, bias, high = ((level - bottom) / (top - bottom) for level in levels)
    heights = (min(low, bias - LABEL_DISTANCE), bias, max(high, bias + LABEL_DISTANCE))
    titles = ("−1.96 SD", words("prediction_figures.bias_line"), "+1.96 SD")
    for title, height, text in zip(titles, heights, texts):
        # The limits of a single image are not defined.
        if not np.isfinite(height):
            continue
        label = f"{title}\n{text}"
        axes.annotate(label, (1.01, height), xycoords="axes fraction", fontsize=8, va="center")


def _number_of_bins(values: Floats) -> int:
    """Freedman and Diaconis's number of bins, at most :data:`MOST_BINS`."""
    low, high = np.percentile(values, [25, 75])
    width = 2 * (high - low) / np.cbrt(len(values))
    if not width > 0:
        return 1
    # Their width suits the bulk of the values; one far outlier would need billions of such bins.
    return int(np.clip(np.ceil(np.ptp(values) / width), 1, MOST_BINS))


def _add_legend_above(axes: Axes) -> None:
    """A legend above the bars of a histogram."""
    axes.set_ylim(top=axes.get_ylim()[1] * 1.15)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
