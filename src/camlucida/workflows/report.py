"""The report of runs, with which other workflows end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.figures.style import can_draw, style
from camlucida.report.build import build_report
from camlucida.report.render import render_document, with_english_figures
from camlucida.report.writers.formats import FORMATS
from camlucida.runs import Run


def write_report(
    runs: Sequence[Path],
    folder: Path,
    *,
    error_threshold: float | None = None,
    settings: PredictionSettings | None = None,
) -> tuple[Path, tuple[str, ...]]:
    """Write ``report.html`` of runs into ``folder``, in the language of the command.

    Args:
        runs: their folders.
        folder, error_threshold, settings: as in
            :func:`~camlucida.report.build.build_report`.

    Returns:
        The report's path, and a line for each section that could not be made.
    """
    document = build_report(
        [Run.open(run) for run in runs], folder, error_threshold=error_threshold, settings=settings
    )
    texts = style().page_texts
    drawn = document if can_draw(texts) else with_english_figures(document)
    rendered = render_document(drawn, texts)
    return FORMATS["html"](rendered, folder), rendered.failures
