"""``camlucida evaluate-predictions``: how good the model itself is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from camlucida.cli.common import SOME_FAILED, app, output_folder, print_table
from camlucida.core.errors import UsageError

HEADS = (
    "model",
    "metric",
    "label",
    "group",
    "estimate",
    "interval",
    "chance",
    "n",
    "patients",
    "positives",
)
"""Of the printed table; :func:`figure_line` has its rows."""


@app.command("evaluate-predictions")
def evaluate_predictions_command(
    file: Annotated[
        Path, typer.Argument(help="Predictions of any system: CSV, TSV, XLSX, Parquet or JSON.")
    ],
    task: Annotated[
        str, typer.Option(help="multilabel, binary, multiclass, regression, segmentation.")
    ],
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Multi-label: positive from this probability up.")
    ] = 0.5,
    patient_column: Annotated[
        str | None, typer.Option(help="Who is resampled for the intervals.")
    ] = None,
    group_column: Annotated[
        list[str] | None,
        typer.Option(help="Also figures of each value of this column. Repeatable."),
    ] = None,
    bin_width: Annotated[
        float | None,
        typer.Option(
            help="Regression: also errors by true value, in groups this wide, such as 10."
        ),
    ] = None,
    within: Annotated[
        list[float] | None,
        typer.Option(
            help="Regression: share of errors of at most this. Repeatable. Default: 5, 10, 15."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=NAME, where a column is not found: image, model, label, truth, prediction, … Repeatable."
        ),
    ] = None,
    class_name: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="A label, or the classes in their order. Repeatable. Default: the file's.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and figures.")] = Path(
        "predictions_evaluation"
    ),
) -> None:
    """Evaluate predictions that exist, without running a model: figures with intervals by patient and chance levels."""
    from camlucida.evaluation.predictions.evaluate import evaluate_file, write_evaluated
    from camlucida.evaluation.predictions.tables import PredictionSettings
    from camlucida.figures.predictions import save_figures
    from camlucida.metrics.regression import WITHIN

    named = [word.partition("=") for word in column or []]
    for role, sign, name in named:
        if not (role and sign and name):
            raise UsageError(f"--column {role}{sign}{name}", "write ROLE=NAME, such as truth=age")
    columns = {role: name for role, _, name in named} | (
        {"patient": patient_column} if patient_column else {}
    )
    settings = PredictionSettings(threshold, tuple(within or WITHIN), bin_width)
    with output_folder(out):
        found = evaluate_file(
            file,
            task,
            settings,
            columns=columns,
            groups=group_column or [],
            labels=class_name or [],
        )
        written = write_evaluated(out, found)
        if found.predictions is not None:
            written += save_figures(out, found.predictions, found.figures, threshold)
    for error in found.errors:
        print(f"error: {error}", file=sys.stderr)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    print_table(HEADS, [figure_line(line) for line in found.figures.to_dict("records")])
    print("written: " + ", ".join(map(str, written)), file=sys.stderr)
    if found.errors:
        raise typer.Exit(SOME_FAILED)


def figure_line(line: dict[Any, Any]) -> tuple[str, ...]:
    """A figure as cells of the printed table; blank for a number that does not exist."""

    def word(name: str, digits: str = ".4g") -> str:
        return "" if line[name] != line[name] else f"{line[name]:{digits}}"

    bounds = "none" if line["interval_method"] == "none" else f"{word('low')} to {word('high')}"
    counts = (str(line["n"]), str(line["patients"]), word("positives", ".0f"))
    return (
        line["model"],
        line["metric"],
        line["label"],
        line["group"],
        word("estimate"),
        bounds,
        word("chance"),
        *counts,
    )
