"""``camlucida evaluate-predictions``: the accuracy of the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    LanguageOption,
    PatientColumnOption,
    app,
    finish,
    output_folder,
    print_written,
)
from camlucida.cli.figures import print_figures
from camlucida.cli.option_values import pairs
from camlucida.core.errors import UsageError


@app.command("evaluate-predictions")
def evaluate_predictions_command(
    file: Annotated[
        Path, typer.Argument(help="Predictions of any system: CSV, TSV, XLSX, Parquet or JSON.")
    ],
    task: Annotated[
        str, typer.Option(help="Task: multilabel, binary, multiclass, regression or segmentation.")
    ],
    threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Multi-label: a probability of at least this is positive; where the file has a "
            "column scaled_output, that value (0.5 is then the model's operating point).",
        ),
    ] = 0.5,
    patient_column: PatientColumnOption = None,
    group_column: Annotated[
        list[str] | None,
        typer.Option(help="Evaluate each value of this column too. Repeatable."),
    ] = None,
    bin_width: Annotated[
        float | None,
        typer.Option(
            help="Regression: report errors by true value too, in bins of this width, such as 10."
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
            help="ROLE=NAME, for a column that is not found by its name: image, model, label, "
            "truth, prediction, … Repeatable."
        ),
    ] = None,
    class_name: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="A label, or the classes in their order. Repeatable. Default: the file's.",
        ),
    ] = None,
    class_names: Annotated[
        list[str] | None,
        typer.Option(
            "--class-name",
            help="CODE=NAME: what a class of the file is called in results, such as 0=1 for "
            "BI-RADS. Repeatable.",
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(help="Sheet of a workbook, by name or number. Default: that of predictions."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Use this split only, by the file's split column. Default: what a file beside "
            "records as held out of training, else all; `all` takes all."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and figures.")] = Path(
        "predictions_evaluation"
    ),
    language: LanguageOption = "en",
) -> None:
    """Evaluate predictions without running a model: metrics with intervals and chance levels."""
    from camlucida.evaluation.predictions.evaluate import evaluate_file, write_evaluated
    from camlucida.evaluation.predictions.tables import PredictionSettings
    from camlucida.figures.predictions import save_figures
    from camlucida.metrics.regression import WITHIN

    columns = columns_of(column or [])
    if patient_column:
        columns["patient"] = patient_column
    settings = PredictionSettings(threshold, tuple(within or WITHIN), bin_width)
    with output_folder(out):
        evaluated = evaluate_file(
            file,
            task,
            settings,
            columns=columns,
            groups=group_column or [],
            labels=class_name or [],
            sheet=sheet,
            class_names=pairs(class_names, "--class-name"),
            split=split,
        )
        written = write_evaluated(out, evaluated)
        if evaluated.predictions is not None:
            written += save_figures(out, evaluated.predictions, evaluated.figures, threshold)
    print_figures(evaluated.figures)
    print_written(written)
    finish(evaluated.errors, evaluated.notes)


def columns_of(words: Sequence[str]) -> dict[str, str]:
    """Role → column, of ``--column ROLE=NAME``.

    >>> columns_of(["truth=age"])
    {'truth': 'age'}
    """
    columns = {}
    for word in words:
        role, _, name = word.partition("=")
        if not (role and name):
            raise UsageError(f"--column {word}", "write ROLE=NAME, such as truth=age")
        columns[role] = name
    return columns
