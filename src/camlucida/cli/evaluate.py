"""``camlucida evaluate``: how good the explanations are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from camlucida.cli.common import (
    ClassNameOption,
    ColormapOption,
    DeviceOption,
    IdColumnOption,
    IdPatternOption,
    LanguageOption,
    OutputOption,
    PatientColumnOption,
    RegionScoreOption,
    SheetOption,
    app,
    command_record,
    fetched_run,
    finish,
    output_folder,
    progress_bar,
)
from camlucida.cli.figures import Row
from camlucida.cli.option_values import find_inputs, pairs, targets
from camlucida.cli.option_words import command_with_lists
from camlucida.core.errors import UsageError


@app.command("evaluate", cls=command_with_lists("--method"))
def evaluate_command(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders or globs; or a folder of `camlucida run`, whose maps are "
            "evaluated; or a folder written by evaluate, whose page is made again."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model card (TOML) or factory. Repeatable: each model gets a separate folder.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Target as in explain. Repeatable. Default: the annotated labels of the image, "
            "else its "
            "true labels, else those of the task."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method; see `camlucida methods`. Repeatable. Default: the run's, else gradcam."
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layer as in explain. Repeatable. Default: the run's, or the card's."),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="Ground truth: a folder of masks (LABEL/ID.png, ID_LABEL.png or ID.png), COCO or "
            "CheXlocalize JSON, YOLO, Pascal VOC, NIfTI, DICOM SEG or RTSTRUCT. Default: what lies "
            "beside the images."
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Boxes: a table of image, label, x, y, width, height (original pixels), or any "
            "other kind of --masks."
        ),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            help="Public ground truth by name: nih, rsna, siim or vinbig. The tables of "
            "TorchXRayVision are joined to files that are named as in the data set."
        ),
    ] = None,
    mask_label: Annotated[
        list[str] | None,
        typer.Option(help="Name of a value of label maps: 1=mass. Repeatable."),
    ] = None,
    rle: Annotated[
        Path | None, typer.Option(help="CheXlocalize masks: {image: {label: {size, counts}}}.")
    ] = None,
    polygons: Annotated[
        Path | None,
        typer.Option(help="CheXlocalize outlines: {image: {label: [[[x, y], …]], img_size}}."),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            help="Folder of further regions, laid out like --masks: lungs, heart, electrode."
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="CSV, XLSX, Parquet or JSON: patients, labels, splits of the images."),
    ] = None,
    id_column: IdColumnOption = None,
    id_pattern: IdPatternOption = None,
    sheet: SheetOption = None,
    class_name: ClassNameOption = None,
    patient_column: PatientColumnOption = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            help="Column of the labels, joined by |. Default: a 0/1 column for each label."
        ),
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Column of the splits: train, val or test.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Use this split only; patients who are also in another are left out. Default: "
            "the rows that the checkpoint records as held out of training, else all; `all` takes "
            "all."
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="Metrics: default, all, a family (faithfulness, localisation, sanity, …) or "
            "names. Repeatable."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Threshold of iou_tuned and dice_tuned, tuned on other images."
        ),
    ] = None,
    baselines: Annotated[
        str, typer.Option(help="Baselines: all, none, or names joined by commas.")
    ] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Seed of ties and noise.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for tables, figures and page. Default: RUN/evaluation, else evaluation.",
        ),
    ] = None,
    output: OutputOption = None,
    region_score: RegionScoreOption = None,
    device: DeviceOption = "auto",
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Altered images in one forward pass. Default: 8 on a CPU, 32 on a GPU."
        ),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(min=0, help="Frame of multi-frame files, from 0. Default: the first."),
    ] = None,
) -> None:
    """Measure explanations: faithfulness, localisation, sanity, stability, beside baselines.

    Intervals are by patient.
    """
    from camlucida.evaluation.maps.cost import estimate
    from camlucida.evaluation.maps.folder import ABOUT, read
    from camlucida.io.annotations.class_names import parse_class_names
    from camlucida.workflows.evaluation.folder import present
    from camlucida.workflows.evaluation.job import (
        AnnotationFiles,
        EvaluationRequest,
        ImageTable,
        evaluate_job,
        evaluation_jobs,
    )

    cards = model or []
    folder = fetched_run(Path(images[0])) if not cards and len(images) == 1 else None
    if folder is not None and (folder / ABOUT).is_file():
        _check_same(folder, out)
        earlier = read(folder)
        _print_summary(*present(folder, earlier, None), earlier.tables.shown_layers)
        return
    paths, missing = find_inputs(images, cards[0]) if cards else ([], [])
    request = EvaluationRequest(
        images=tuple(paths),
        cards=tuple(cards),
        run=folder,
        table=ImageTable(
            table,
            id_column,
            patient_column,
            label_column,
            split_column,
            split,
            sheet=sheet,
            id_pattern=id_pattern,
            class_names=pairs(class_name, "--class-name"),
        ),
        targets=_tuple(targets(target)) or None,
        methods=_tuple(method),
        layers=_tuple(layer),
        annotations=AnnotationFiles(
            masks, boxes, rle, polygons, parse_class_names(mask_label or ()), truth
        ),
        regions=regions,
        metrics=_tuple(metrics) or ("default",),
        threshold=threshold,
        baselines=baselines,
        seed=seed,
        out=out,
        output=output,
        region_score=region_score,
        device=device,
        batch_size=batch_size,
        frame=frame,
    )
    failures: list[object] = []
    notes: list[object] = []
    for job in evaluation_jobs(request):
        with output_folder(request.folder), output_folder(job.folder):
            print(estimate(job.source), file=sys.stderr)
            total = len(job.source.cohort.images)
            with progress_bar(total, f"evaluating {job.name}") as progress:
                result = evaluate_job(job, command_record(), missing, progress)
        failures += result.evaluated.tables.failures
        notes += result.evaluated.tables.notes
        if result.page is not None:
            shown = result.evaluated.tables.shown_layers
            _print_summary(result.page, result.summary, shown)
    finish(failures, notes)


def _check_same(folder: Path, out: Path | None) -> None:
    if out is not None and out.resolve() != folder.resolve():
        what = f"the page of {folder} is made again in this folder, not in {out}"
        raise UsageError(what, "copy the folder and name the copy, without --out")


def _tuple(words: list[Any] | None) -> tuple[Any, ...]:
    """The words of a repeatable option; empty where it was not given."""
    return tuple(words or ())


def _print_summary(page: Path, summary: Any, shown: Mapping[tuple[str, str], str]) -> None:
    """The first numbers of an evaluation, and where the rest is."""
    from camlucida.evaluation.maps.summary import headline, over_all_labels, title
    from camlucida.io.records import records_of
    from camlucida.metrics.intervals import interval_notes
    from camlucida.workflows.evaluation.shown_layers import with_shown_layers

    table = with_shown_layers(over_all_labels(summary), shown)
    for name, output in headline(summary):
        part = table[(table["metric"] == name) & (table["output"] == output)]
        for row in records_of(part):
            print(f"{title(name, output)}: {_method_line(row)}")
    for note in interval_notes(summary["interval_method"]):
        print(note)
    print(f"tables: {page.parent}/rows.parquet, summary.csv, differences.csv")
    print(f"page:   {page}")


def _method_line(row: Row) -> str:
    """A method with its estimate and interval."""
    from camlucida.core.numbers import number_or_dash
    from camlucida.workflows.evaluation.shown_layers import layer_of

    kind = "baseline " if row["baseline"] else ""
    bounds = f"[{number_or_dash(row['low'])}, {number_or_dash(row['high'])}]"
    if row["interval_method"] == "none":
        patients = f"{row['patients']} {'patient' if row['patients'] == 1 else 'patients'}"
        bounds = f"(no interval: {patients})"
    return f"{kind}{row['method']} at {layer_of(row)} {number_or_dash(row['estimate'])} {bounds}"
