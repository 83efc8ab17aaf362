"""The figure of a multi-class model: its confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.figures.predictions.layout import (
    INK,
    chance_text,
    estimate_text,
    panels_in_a_row,
    sample_text,
    with_footer,
)
from camlucida.figures.style import words
from camlucida.metrics.bootstrap import Floats
from camlucida.metrics.multiclass import confusion

DARK_FROM = 0.55
"""Share from which the blue of a cell is too dark for dark numbers."""

LONG_NAME = 6
"""Characters of a class name beyond which names below the matrix are slanted."""


def confusion_figure(
    frame: pd.DataFrame, classes: Sequence[str], figures: pd.DataFrame, synthetic: bool
) -> Figure:
    """Confusion matrix: counts by true (rows) and predicted class (columns), shaded by their share
    of the true class.

    Args:
        frame: columns ``truth`` and ``predicted``, a row an image.
        classes: names, in the order of rows and columns.
        figures: estimates, for the title.
        synthetic: whether the data are synthetic.
    """
    matrix = confusion(frame, classes)
    totals = matrix.sum(1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    side = max(4.6, 1.8 + 0.75 * len(classes))
    figure, (axes,) = panels_in_a_row(1, side + 1.2, side)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _write_counts(axes, matrix, shares)
    _name_classes(axes, classes, matrix.sum(1).tolist())
    axes.set_xlabel(words("prediction_figures.predicted"))
    axes.set_ylabel(words("prediction_figures.true"))
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.03)
    bar.set_label(words("prediction_figures.class_share"), fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    accuracy = estimate_text(figures, "accuracy")
    chance = chance_text(figures, "accuracy")
    kappa = estimate_text(figures, "quadratic_kappa")
    first = words("prediction_figures.accuracy", accuracy=accuracy, chance=chance)
    second = words("prediction_figures.kappa", kappa=kappa)
    axes.set_title(f"{first}\n{second}", fontsize=9)
    note = f"{sample_text(figures)} {words('prediction_figures.brackets')}"
    return with_footer(figure, note, synthetic)


def _write_counts(axes: Axes, matrix: NDArray[np.int64], shares: Floats) -> None:
    for (row, column), number in np.ndenumerate(matrix):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{number}\n{share:.0%}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if share > DARK_FROM else INK,
        )


def _name_classes(axes: Axes, classes: Sequence[str], totals: Sequence[int]) -> None:
    names = [fill(name, 14) for name in classes]
    slanted = max(map(len, classes)) > LONG_NAME
    axes.set_xticks(
        range(len(classes)),
        names,
        fontsize=8.5,
        rotation=40 if slanted else 0,
        ha="right" if slanted else "center",
    )
    with_totals = [f"{name}\n(n = {total})" for name, total in zip(names, totals)]
    axes.set_yticks(range(len(classes)), with_totals, fontsize=8.5)
