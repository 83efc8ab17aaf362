"""``camlucida evaluate-regression``: a checkpoint, images and a table of values in; metrics out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    DeidentifyOption,
    DeviceOption,
    IdColumnOption,
    IdPatternOption,
    LanguageOption,
    PatientColumnOption,
    SheetOption,
    app,
    command_record,
    finish,
    output_folder,
    print_table,
    print_written,
    progress_bar,
    resumable,
)
from camlucida.cli.figures import Row, cell, interval, print_figures


@app.command("evaluate-regression")
def evaluate_regression_command(
    checkpoint: Annotated[
        Path,
        typer.Option(help="Weights (.pth, .pt, .safetensors), or a folder with best_model.pth."),
    ],
    image_dir: Annotated[
        Path, typer.Option(help="Folder of images, searched with its subfolders.")
    ],
    excel_path: Annotated[
        Path, typer.Option(help="Table of true values: XLSX, CSV, TSV, Parquet or JSON.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Card or factory of the checkpoint. Default: recognised from its keys.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="The model's input, height and width in pixels. Default: the card's, else 224.",
        ),
    ] = None,
    value_column: Annotated[
        str | None,
        typer.Option(help="Column of the true value. Default: by its name, such as age."),
    ] = None,
    id_column: IdColumnOption = None,
    id_pattern: IdPatternOption = None,
    sheet: SheetOption = None,
    patient_column: PatientColumnOption = None,
    group_column: Annotated[
        list[str] | None,
        typer.Option(help="Report errors and evidence of each group too. Repeatable."),
    ] = None,
    mask_dir: Annotated[
        Path | None,
        typer.Option(
            help="Masks: a folder, or annotations of any kind. Default: Masks beside Images."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Use this split only; patients who are also in another are left out. Default: "
            "the test split that the checkpoint records, else all; `all` takes all."
        ),
    ] = None,
    min_value: Annotated[
        float | None, typer.Option(help="Evaluate only rows with a true value of at least this.")
    ] = None,
    max_value: Annotated[
        float | None, typer.Option(help="Evaluate only rows with a true value of at most this.")
    ] = None,
    layer: Annotated[
        str, typer.Option(help="Layer, such as backbone.layer3; see `camlucida layers`.")
    ] = "auto",
    method: Annotated[str, typer.Option(help="Method; see `camlucida methods`.")] = "gradcam",
    error_threshold: Annotated[
        float, typer.Option(min=0, help="Absolute errors of at least this count as high.")
    ] = 5.0,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images in each of the lists of high and of low errors. Default: all."
        ),
    ] = None,
    within: Annotated[
        list[float] | None,
        typer.Option(help="Share of errors of at most this. Repeatable. Default: 5, 10, 15."),
    ] = None,
    bin_width: Annotated[
        float | None,
        typer.Option(help="Width of the bins of the true value. Default: 10, or a round width."),
    ] = None,
    unit: Annotated[
        str, typer.Option(help="Unit of the value, such as years, for the axes of figures.")
    ] = "",
    colormap: Annotated[
        str | None,
        typer.Option(
            help="Colormap of the maps, zero in its middle: jet, bwr, … Default: blue lowers, "
            "red raises."
        ),
    ] = None,
    sample: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            help="Draw a figure of this row too, from 0 as in predictions.json. Repeatable.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for all output; the same command resumes."),
    ] = Path("evaluation_results"),
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in one forward pass. Default: 8 on a CPU, 32 on a GPU."),
    ] = None,
    language: LanguageOption = "en",
    deidentify: DeidentifyOption = False,
) -> None:
    """Evaluate a model that predicts a value, such as age: errors, maps, evidence in the masks."""
    from camlucida.io.records import records_of
    from camlucida.metrics.regression import WITHIN
    from camlucida.workflows.regression import (
        RegressionSettings,
        evaluate_regression_model,
        write_regression_report,
    )
    from camlucida.workflows.regression.sheet import SheetColumns

    settings = RegressionSettings(
        checkpoint=checkpoint,
        images=image_dir,
        table=excel_path,
        columns=SheetColumns(
            value_column,
            id_column,
            patient_column,
            tuple(group_column or ()),
            id_pattern=id_pattern,
            sheet=sheet,
        ),
        masks=mask_dir,
        split=split,
        least=min_value,
        most=max_value,
        listed=top,
        model=model,
        layer=layer,
        method=method,
        size=size,
        threshold=error_threshold,
        within=tuple(within or WITHIN),
        bin_width=bin_width,
        colormap=colormap,
        unit=unit,
        samples=tuple(dict.fromkeys(sample or ())),
    )
    with (
        resumable(),
        output_folder(out),
        progress_bar(None, "running") as running,
        progress_bar(None, "measuring") as measuring,
    ):
        result = evaluate_regression_model(
            settings,
            out,
            device=device,
            batch_size=batch_size,
            about=command_record(),
            deidentify=deidentify,
            progress=running,
            measuring=measuring,
        )
        if result.written:
            write_regression_report(result, out, error_threshold)
    print_figures(result.figures)
    if len(result.evidence):
        print()
        print_table(EVIDENCE_HEADS, [_evidence_line(row) for row in records_of(result.evidence)])
    print_written(result.written)
    finish(result.failures, result.notes)


EVIDENCE_HEADS = (
    "heat that",
    "group",
    "images",
    "patients",
    "of all heat",
    "share in mask",
    "area (chance)",
    "share − area",
    "interval",
)


def _evidence_line(row: Row) -> tuple[str, ...]:
    """A row of the table of evidence as cells."""
    from camlucida.analysis.cases.region_shares import ALL_IMAGES, heat_of_sign

    group = "all images" if row["group"] == ALL_IMAGES else row["group"]
    if row["minus"]:
        group = f"{group} minus {row['minus']}"
    return (
        str(heat_of_sign(row["sign"])),
        group,
        str(row["images"]),
        str(row["patients"]),
        cell(row["of_heat"], ".3f"),
        cell(row["share"], ".3f"),
        cell(row["area"], ".3f"),
        cell(row["excess"], "+.3f"),
        interval(row, "+.3f"),
    )
