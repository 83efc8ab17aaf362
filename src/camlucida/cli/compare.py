"""``camlucida compare``: the same cases as several seeds, folds, models, methods or layers see them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    SOME_FAILED,
    app,
    command_record,
    output_folder,
    print_table,
    progress_bar,
)


@app.command("compare")
def compare_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of one or several runs.")],
    by: Annotated[
        str, typer.Option(help="What varies: seed, fold, model, architecture, method or layer.")
    ] = "model",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for tables, figures and page.")
    ] = Path("comparison"),
) -> None:
    """Compare seeds, folds, models, methods or layers on the same cases: what they say, where they look, heat on artefacts."""
    from camlucida.analysis.cases.attribution_table import attribution_table
    from camlucida.analysis.cases.case_table import case_table
    from camlucida.analysis.comparison import compare
    from camlucida.analysis.comparison.series import find_groups
    from camlucida.analysis.comparison.summary import by_verdict
    from camlucida.runs import Run
    from camlucida.workflows.comparison.folder import write_comparison

    opened = [Run.open(place) for place in runs]
    with output_folder(out):
        cases = case_table(opened)
        find_groups(opened, cases, by)
        with progress_bar(None, "reading heat") as progress:
            heat = attribution_table(opened, cases, progress)
        with progress_bar(None, "comparing") as progress:
            found = compare(opened, cases, heat, by, progress=progress)
        written = write_comparison(out, found, opened, command_record())
    problems = dict.fromkeys([*cases.attrs["problems"], *heat.attrs["problems"]])
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    pairs = found.pairs[found.pairs["label"] == ""].to_dict("records")
    heads = ("first", "second", "agreement", "similarity", "null", "excess", "maps")
    print_table(heads, [tuple(_cell(line[name]) for name in heads) for line in pairs])
    verdicts = by_verdict(found)
    for line in verdicts[verdicts["verdict"] != ""].to_dict("records"):
        print(
            f"{line['group'] + ': ' if line['group'] else ''}{line['verdict']}: {line['cases']} ({line['share']:.0%})"
        )
    print("written: " + ", ".join(map(str, written)), file=sys.stderr)
    if problems:
        raise typer.Exit(SOME_FAILED)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return str(value)
