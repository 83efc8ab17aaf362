"""The report of runs, with which other workflows end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.report.build import build_report
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.writers.formats import FORMATS
from camlucida.runs import Run


def write_report(
    runs: Sequence[Path],
    folder: Path,
    *,
    error_threshold: float | None = None,
    settings: PredictionSettings | None = None,
) -> tuple[Path, tuple[str, ...]]:
    """Write ``report.html`` of runs into ``folder``.

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
    rendered = render_document(document, load_texts("en"))
    return FORMATS["html"](rendered, folder), rendered.failures
