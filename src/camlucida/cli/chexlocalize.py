"""``camlucida evaluate-chexlocalize``: saved maps against the segmentations of CheXlocalize."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camlucida.cli.common import (
    IdColumnOption,
    LanguageOption,
    PatientColumnOption,
    app,
    command_record,
    finish,
    output_folder,
    print_table,
    print_written,
    progress_bar,
)
from camlucida.cli.figures import cell, interval

if TYPE_CHECKING:
    import pandas as pd

HEADS = (
    *("model", "method", "label", "metric", "mask"),
    *("estimate", "interval", "chance", "ceiling", "images", "patients"),
)


@app.command("evaluate-chexlocalize")
def evaluate_chexlocalize_command(
    maps: Annotated[
        Path,
        typer.Argument(
            help="Folder of CheXlocalize's maps (IMAGE_LABEL_map.pkl; read as data, nothing in "
            "them is run), or a folder of `camlucida run`."
        ),
    ],
    truth: Annotated[
        Path,
        typer.Option(
            "--truth",
            "--gt-path",
            help="Segmentations: gt_segmentations_val.json, outlines: gt_annotations_val.json, or "
            "annotations of any kind.",
        ),
    ],
    thresholds: Annotated[
        Path | None,
        typer.Option(
            "--thresholds",
            "--threshold-path",
            help="Tuned thresholds: a table with columns threshold and task, such as the "
            "tuning_results.csv that this command writes.",
        ),
    ] = None,
    tune_maps: Annotated[
        Path | None,
        typer.Option(
            help="Tune a threshold per label on these maps, of other patients (the validation "
            "set); it is written to tuning_results.csv. Needs --tune-truth."
        ),
    ] = None,
    tune_truth: Annotated[
        Path | None, typer.Option(help="Segmentations of --tune-maps, as of --truth.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV, XLSX, Parquet or JSON: patients of the images. Default: those of the run, "
            "else of CheXpert's names (patient64541)."
        ),
    ] = None,
    id_column: IdColumnOption = None,
    patient_column: PatientColumnOption = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for tables, record and page.")
    ] = Path("chexlocalize"),
    language: LanguageOption = "en",
) -> None:
    """Measure saved maps by the protocol of CheXlocalize; no model runs.

    IoU, hit rate, and precision, recall and specificity over pixels, per label, with intervals by
    patient beside chance and ceiling.
    """
    from camlucida.evaluation.chexlocalize.sources import PatientTable
    from camlucida.workflows.chexlocalize.job import (
        ProtocolRequest,
        open_protocol,
        run_protocol,
    )

    request = ProtocolRequest(
        maps=maps,
        truth=truth,
        table=PatientTable(table, id_column, patient_column),
        thresholds=thresholds,
        tune_maps=tune_maps,
        tune_truth=tune_truth,
        out=out,
    )
    job = open_protocol(request)
    with output_folder(out), progress_bar(job.total, "measuring maps") as progress:
        result = run_protocol(job, command_record(), progress)
    _print_figures(result.figures)
    print_written(result.written)
    finish(result.measured.failures, result.measured.notes)


def _print_figures(figures: pd.DataFrame) -> None:
    from camlucida.io.records import records_of

    rows = []
    for row in records_of(figures):
        names = (row[name] for name in ("model", "method", "label", "metric", "segmentation"))
        levels = (cell(row[name]) for name in ("chance", "ceiling"))
        counts = (str(row[name] or "") for name in ("images", "patients"))
        rows.append((*names, cell(row["estimate"]), interval(row), *levels, *counts))
    print_table(HEADS, rows)
