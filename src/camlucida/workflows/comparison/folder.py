"""The folder of a comparison: tables, ``comparison.json``, figures and ``comparison.html``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.summary import by_verdict
from camlucida.attribution.explanation import Explanation
from camlucida.core.files import slug, unique, write_json
from camlucida.figures.consistency import (
    all_series_figure,
    consistency_figure,
    panel_figure,
    read_panel,
    verdicts_figure,
)
from camlucida.figures.files import save_figure
from camlucida.figures.notice import NOTICE
from camlucida.io.message_tables import add_english
from camlucida.io.tables import write_table
from camlucida.report.viewer.page import FOLDER
from camlucida.report.viewer.panels import write_panels
from camlucida.report.writers.html import write_page
from camlucida.runs import Run
from camlucida.runs.keyed import is_keyed, without_command
from camlucida.workflows.comparison.page import ComparisonFigure, comparison_page
from camlucida.workflows.comparison.texts import page_message, varied


def write_comparison(
    out: Path, comparison: Comparison, runs: Sequence[Run], about: Mapping[str, Any]
) -> list[Path]:
    """Write the tables, the figures, the record and the page.

    Args:
        out: made if missing; files of the same name are replaced.
        comparison: of ``runs``.
        runs: where the maps of the figures are read.
        about: the command and the versions.

    Returns:
        The files.
    """
    written = list(_write_tables(out, comparison))
    figures = []
    for about_figure, figure in _figures(out, comparison, runs):
        written += save_figure(figure, out / about_figure.name)
        figures.append(about_figure)
    folders = [str(run.folder.root) for run in runs]
    if any(is_keyed(run.about) for run in runs):
        folders = [run.folder.root.name for run in runs]
        about = without_command(about)
    record, page = out / "comparison.json", out / "comparison.html"
    write_json(record, comparison_record(comparison, folders, about))
    write_page(comparison_page(comparison, figures, folders, about), page)
    return [*written, record, page]


def comparison_record(
    comparison: Comparison, runs: Sequence[str], about: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of ``comparison.json``; a number that does not exist is null."""
    return {
        "by": comparison.by,
        "runs": list(runs),
        "rule": comparison.rule,
        "thresholds": asdict(comparison.thresholds),
        "notes": list(comparison.notes),
        "verdicts": _plain(by_verdict(comparison)),
        "map_series": _plain(comparison.all_series),
        "pairs": _plain(comparison.pairs),
        "aucs": _plain(comparison.aucs),
        "synthetic": comparison.synthetic,
        "notice": NOTICE,
        **about,
    }


def _write_tables(out: Path, comparison: Comparison) -> Iterator[Path]:
    tables = {
        "map_series": comparison.all_series,
        "pairs": comparison.pairs,
        "cases": add_english(comparison.cases, "reason"),
        "maps": add_english(comparison.maps, "empty_reason"),
        "performance": comparison.performance,
        "aucs": comparison.aucs,
    }
    for name, table in tables.items():
        write_table(table, out / f"{name}.csv")
        yield out / f"{name}.csv"


def _figures(
    out: Path, comparison: Comparison, runs: Sequence[Run]
) -> Iterator[tuple[ComparisonFigure, Figure]]:
    caption = page_message("figure_series")
    yield ComparisonFigure("map_series", caption), all_series_figure(comparison)
    if comparison.cases.empty:
        return
    if not comparison.pairs["identical"].all():
        caption = page_message("figure_pairs")
        yield ComparisonFigure("consistency", caption), consistency_figure(comparison)
    caption = page_message("figure_verdicts")
    yield ComparisonFigure("verdicts", caption), verdicts_figure(comparison)
    yield from _panels(out, comparison, runs)


def _panels(
    out: Path, comparison: Comparison, runs: Sequence[Run]
) -> Iterator[tuple[ComparisonFigure, Figure]]:
    """Cases side by side, a figure a group, with their films and maps for the viewer."""

    def read(run: int, index: int) -> Explanation:
        return runs[run].explanation(index, levels=True)

    groups = list(dict.fromkeys(comparison.all_series["group"]))
    read_panels = [read_panel(comparison, group, read) for group in groups]
    panels = [panel for panel in read_panels if panel is not None]
    taken: set[str] = set()
    for panel, views in zip(panels, write_panels(panels, out, f"{FOLDER}/")):
        name = f"{comparison.by}_panel"
        if len(groups) > 1:
            name += f"_{slug(unique(panel.group, taken))}"
        by = varied(comparison.by)
        caption = page_message("figure_cases", by=by)
        if panel.group:
            caption = page_message("figure_group", group=panel.group, by=by)
        yield ComparisonFigure(name, caption, True, views), panel_figure(panel)


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Records of plain values; None for what does not exist."""
    return [_plain_record(record) for record in table.to_dict("records")]


def _plain_record(record: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): _value(value) for key, value in record.items()}


def _value(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
