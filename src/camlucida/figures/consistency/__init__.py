"""Figures of a comparison of map series: their accuracy, agreement and verdicts, and cases."""

from camlucida.figures.consistency.cases import CasePanel, ShownCase, panel_figure, read_panel
from camlucida.figures.consistency.summaries import (
    all_series_figure,
    consistency_figure,
    verdicts_figure,
)

__all__ = [
    "CasePanel",
    "ShownCase",
    "all_series_figure",
    "consistency_figure",
    "panel_figure",
    "read_panel",
    "verdicts_figure",
]
