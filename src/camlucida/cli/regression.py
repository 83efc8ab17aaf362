"""``camlucida evaluate-regression``: a checkpoint, images and a table of values in; metrics, figures and evidence out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from camlucida.cli.common import (
    INTERRUPTED,
    SOME_FAILED,
    DeviceOption,
    app,
    command_record,
    output_folder,
    print_table,
    progress_bar,
)
from camlucida.cli.predictions import HEADS, figure_line


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
        str | None, typer.Option(help="True value. Default: found, such as age.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Names the image: stem, file name or path. Default: found.")
    ] = None,
    patient_column: Annotated[
        str | None, typer.Option(help="Who is resampled for the intervals. Default: found.")
    ] = None,
    group_column: Annotated[
        list[str] | None, typer.Option(help="Also errors and evidence of each group. Repeatable.")
    ] = None,
    mask_dir: Annotated[
        Path | None, typer.Option(help="Folder of masks. Default: Masks beside Images.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Only this split; patients who are also in another are left out."),
    ] = None,
    layer: Annotated[
        str, typer.Option(help="Such as backbone.layer3; see `camlucida layers`.")
    ] = "auto",
    method: Annotated[str, typer.Option(help="See `camlucida methods`.")] = "gradcam",
    error_threshold: Annotated[
        float, typer.Option(min=0, help="Absolute errors from here up are high.")
    ] = 5.0,
    within: Annotated[
        list[float] | None,
        typer.Option(help="Share of errors of at most this. Repeatable. Default: 5, 10, 15."),
    ] = None,
    bin_width: Annotated[
        float | None,
        typer.Option(
            help="Errors by true value, in groups this wide. Default: 10, or a round width that suits."
        ),
    ] = None,
    colormap: Annotated[
        str | None,
        typer.Option(
            help="Of the maps; its middle is zero: jet, bwr, … Default: blue lowers, red raises."
        ),
    ] = None,
    sample: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            help="Also a figure of this row, counted from 0 as in predictions.json; repeatable.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for everything; the same call goes on with it."),
    ] = Path("evaluation_results"),
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in one forward. Default: 8 on a CPU, 32 on a GPU."),
    ] = None,
) -> None:
    """Evaluate a model of a value, such as age: errors, Bland–Altman, best and worst maps, and whether they lie in the masks."""
    from camlucida.metrics.regression import WITHIN
    from camlucida.workflows.regression import RegressionSettings, evaluate_regression_model
    from camlucida.workflows.regression.sheet import SheetColumns
    from camlucida.workflows.report import write_report

    settings = RegressionSettings(
        checkpoint=checkpoint,
        images=image_dir,
        table=excel_path,
        columns=SheetColumns(value_column, id_column, patient_column, tuple(group_column or ())),
        masks=mask_dir,
        split=split,
        model=model,
        layer=layer,
        method=method,
        size=size,
        threshold=error_threshold,
        within=tuple(within or WITHIN),
        bin_width=bin_width,
        colormap=colormap,
        samples=tuple(dict.fromkeys(sample or ())),
    )
    try:
        with (
            output_folder(out),
            progress_bar(None, "running") as running,
            progress_bar(None, "measuring") as measuring,
        ):
            found = evaluate_regression_model(
                settings,
                out,
                device=device,
                batch_size=batch_size,
                about=command_record(),
                progress=running,
                measuring=measuring,
            )
            if found.written:
                page, failed = write_report(
                    [out / "run"],
                    out / "report",
                    error_threshold=error_threshold,
                    settings=found.settings,
                )
                found.written.append(page)
                found.failures += failed
    except KeyboardInterrupt:
        print("error: interrupted; the same command goes on with it", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    for failure in found.failures:
        print(f"error: {failure}", file=sys.stderr)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    print_table(HEADS, [figure_line(line) for line in found.figures.to_dict("records")])
    if len(found.evidence):
        print()
        heads = (
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
        print_table(heads, [_evidence_line(line) for line in found.evidence.to_dict("records")])
    print("written: " + ", ".join(map(str, found.written)), file=sys.stderr)
    if found.failures:
        raise typer.Exit(SOME_FAILED)


def _evidence_line(line: dict[Any, Any]) -> tuple[str, ...]:
    """A row of the table of evidence as cells; blank for a number that does not exist."""
    from camlucida.analysis.cases.region_shares import heat_of_sign

    def word(name: str, digits: str) -> str:
        value = line[name]
        return f"{value:{digits}}" if isinstance(value, float) and value == value else ""

    bounds = (
        "none"
        if line["interval_method"] == "none"
        else f"{word('low', '+.3f')} to {word('high', '+.3f')}"
    )
    group = line["group"] or "all images"
    if line["minus"]:
        group = f"{group} minus {line['minus']}"
    heat = str(heat_of_sign(line["sign"]))
    names = (heat, group, str(line["images"]), str(line["patients"]))
    return (
        *names,
        word("of_heat", ".3f"),
        word("share", ".3f"),
        word("area", ".3f"),
        word("excess", "+.3f"),
        bounds,
    )
