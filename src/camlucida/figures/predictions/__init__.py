"""Figures of predictions against the ground truth, for each task."""

from camlucida.figures.predictions.files import prediction_figures, save_figures
from camlucida.figures.predictions.values import (
    bland_altman_figure,
    group_figure,
    regression_figure,
)

__all__ = [
    "bland_altman_figure",
    "group_figure",
    "prediction_figures",
    "regression_figure",
    "save_figures",
]
