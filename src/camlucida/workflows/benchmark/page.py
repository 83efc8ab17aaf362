"""``benchmark.html``, ``benchmark.md`` and the figures."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from camlucida.core.files import write_bytes
from camlucida.figures.evaluation import ranking_figure
from camlucida.figures.files import figure_svg
from camlucida.figures.panels import figure_png
from camlucida.figures.style import style
from camlucida.report.document import Document, Notice, Points, Section
from camlucida.report.render import render_document
from camlucida.report.writers.html import write_page
from camlucida.report.writers.markdown import markdown
from camlucida.workflows.benchmark.arm_sections import (
    SHORTCUT_FIGURE,
    null_section,
    strata_section,
    tag_section,
)
from camlucida.workflows.benchmark.conclusions import conclusions
from camlucida.workflows.benchmark.figures import ladder_figure, shortcut_figure
from camlucida.workflows.benchmark.introduction import introduction
from camlucida.workflows.benchmark.result import Benchmark
from camlucida.workflows.benchmark.section_texts import page_text
from camlucida.workflows.benchmark.sections import (
    BOARD_FIGURE,
    METRICS_FIGURE,
    leaderboard_section,
    limitations_section,
    metrics_section,
    run_section,
    verification_section,
)


def write_report(out: Path, benchmark: Benchmark) -> Path:
    """Write figures, ``benchmark.html`` and ``benchmark.md``; the page's path."""
    for file, figure in _figures(benchmark).items():
        write_bytes(out / file, figure_png(figure))
        write_bytes((out / file).with_suffix(".svg"), figure_svg(figure))
    document = benchmark_document(benchmark)
    rendered = render_document(document, style().page_texts)
    write_bytes(out / "benchmark.md", markdown(rendered).encode())
    return write_page(document, out / "benchmark.html")


def benchmark_document(b: Benchmark) -> Document:
    """The page; every number is of this run. Results come before the design."""
    sections = (
        Section("results", (Points(tuple(conclusions(b))),), page_text("results")),
        leaderboard_section(b),
        metrics_section(b),
        verification_section(b),
        tag_section(b),
        null_section(b),
        strata_section(b),
        limitations_section(b),
        *introduction(),
        run_section(b),
    )
    notice = Notice((page_text("notice"),))
    return Document(page_text("title"), sections, synthetic=True, intro=(notice,))


def _figures(b: Benchmark) -> dict[str, Figure]:
    """File → figure, of what was measured."""
    figures = {}
    if b.metrics:
        pairs = set(b.metrics)
        ranking = [pair in pairs for pair in zip(b.summary["metric"], b.summary["output"])]
        figures[BOARD_FIGURE] = ranking_figure(b.summary[ranking])
    if len(b.meta):
        figures[METRICS_FIGURE] = ladder_figure(b.meta)
    if (b.arms["arm"] == "shortcut").any():
        figures[SHORTCUT_FIGURE] = shortcut_figure(b.arms)
    return figures
