"""``camlucida compare``: the same cases by seed, fold, model, architecture, method or layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from camlucida.cli.common import (
    ColormapOption,
    LanguageOption,
    app,
    command_record,
    fetched_runs,
    finish,
    output_folder,
    print_table,
    print_written,
    progress_bar,
)

COLUMNS = ("first", "second", "agreement", "similarity", "null", "excess", "maps")
"""Of the pairs, as they are printed."""


@app.command("compare")
def compare_command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders or addresses of one or more runs.", callback=fetched_runs),
    ],
    by: Annotated[
        str, typer.Option(help="What varies: seed, fold, model, architecture, method or layer.")
    ] = "model",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for tables, figures and page.")
    ] = Path("comparison"),
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
) -> None:
    """Compare predictions and maps of the same cases between seeds, folds, models or methods."""
    from camlucida.analysis.comparison.agreement import ALL_LABELS
    from camlucida.analysis.comparison.aucs import auc_line
    from camlucida.analysis.comparison.summary import by_verdict
    from camlucida.analysis.comparison.verdict import verdict_name
    from camlucida.runs import Run
    from camlucida.workflows.comparison.run import compare_runs

    opened = [Run.open(folder) for folder in runs]
    with (
        output_folder(out),
        progress_bar(None, "maps") as reading,
        progress_bar(None, "pairs") as comparing,
    ):
        result = compare_runs(opened, by, out, command_record(), reading, comparing)
    pairs = result.comparison.pairs
    lines = pairs[pairs["label"] == ALL_LABELS].to_dict("records")
    print_table(COLUMNS, [_row(line) for line in lines])
    for line in result.comparison.aucs.to_dict("records"):
        print(auc_line(line))
    verdicts = by_verdict(result.comparison)
    for line in verdicts[verdicts["verdict"] != ""].to_dict("records"):
        group = f"{line['group']}: " if line["group"] else ""
        name = verdict_name(line["verdict"])
        print(f"{group}{name}: {line['cases']} ({line['share']:.0%})")
    print_written(result.written)
    finish(result.failures, result.comparison.notes)


def _row(line: Mapping[Any, object]) -> tuple[str, ...]:
    return tuple(_cell(line[name]) for name in COLUMNS)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return str(value)
