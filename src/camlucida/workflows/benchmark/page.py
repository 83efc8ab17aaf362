"""``benchmark.html``, ``benchmark.md`` and the figures."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from camlucida.core.files import write_bytes
from camlucida.figures.evaluation import ranking_figure
from camlucida.figures.files import figure_svg
from camlucida.figures.panels import figure_png
from camlucida.report.page import render
from camlucida.workflows.benchmark.document import Document, markdown
from camlucida.workflows.benchmark.figures import ladder_figure, shortcut_figure
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.words import document

MARKS = (
    (r"`([^`]+)`", r"<code>\1</code>"),
    (r"\*\*(.+?)\*\*", r"<strong>\1</strong>"),
    (r"\[([^\]]+)\]\([^)\s]+\.md\)", r"\1"),
)
"""What Markdown marks → HTML, on escaped text; links between pages of the documentation keep their words."""


def write_report(out: Path, benchmark: Benchmark) -> Path:
    """Write figures, ``benchmark.html`` and ``benchmark.md``; the page's path."""
    made = _figures(benchmark)
    for name, figure in made.items():
        write_bytes(out / f"{name}.svg", figure_svg(figure))
        write_bytes(out / f"{name}.png", figure_png(figure))
    page = document(benchmark)
    write_bytes(out / "benchmark.md", markdown(page).encode())
    write_page(out / "benchmark.html", page, set(made))
    return out / "benchmark.html"


def write_page(path: Path, page: Document, figures: set[str]) -> None:
    """The HTML page; ``figures`` are the stems of those that lie beside it."""
    render("benchmark.html.j2", path, page=page, figures=figures, rich=rich)


def rich(text: str) -> Markup:
    """Escaped text with its code and bold marks as HTML.

    >>> str(rich("`a<b` is **so**"))
    '<code>a&lt;b</code> is <strong>so</strong>'
    """
    html = str(escape(text))
    for pattern, shown in MARKS:
        html = re.sub(pattern, shown, html)
    return Markup(html)


def _figures(b: Benchmark) -> dict[str, Figure]:
    """Stem → figure, of what was measured."""
    made = {}
    if b.metrics:
        pairs = set(b.metrics)
        made["benchmark_board"] = ranking_figure(
            b.summary[[pair in pairs for pair in zip(b.summary["metric"], b.summary["output"])]]
        )
    if len(b.meta):
        made["benchmark_metrics"] = ladder_figure(b.meta)
    if (b.arms["arm"] == "shortcut").any():
        made["benchmark_shortcut"] = shortcut_figure(b.arms)
    return made
