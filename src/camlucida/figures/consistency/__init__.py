"""Figures of a comparison of map series: their accuracy, agreement and verdicts, and cases."""

from camlucida.figures.consistency.cases import panel_figure
from camlucida.figures.consistency.summaries import (
    all_series_figure,
    consistency_figure,
    verdicts_figure,
)

__all__ = [
    "all_series_figure",
    "consistency_figure",
    "panel_figure",
    "verdicts_figure",
]
