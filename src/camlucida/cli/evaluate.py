"""``camlucida evaluate``: how far the maps can be believed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from camlucida.cli.common import SOME_FAILED, DeviceOption, app, load, output_folder, progress_bar, targets
from camlucida.errors import UsageError


@app.command("evaluate")
def evaluate_command(
    images: Annotated[
        list[str],
        typer.Argument(help="Image files, folders or globs; or a folder that evaluate wrote: its statistics again, no model."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Model card (TOML) or factory. Repeatable: each model gets a folder of its own."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="As in explain. Repeatable. Default: the labels marked in the image, else true of it, else the task's."
        ),
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="See `camlucida methods`. Repeatable. Default: gradcam.")] = None,
    layer: Annotated[list[str] | None, typer.Option(help="As in explain. Repeatable. Default: the card's.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of LABEL/ID.png, ID_LABEL.png or ID.png.")] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="Table of boxes: image, label, x, y, width, height (original pixels).")
    ] = None,
    rle: Annotated[Path | None, typer.Option(help="CheXlocalize masks: {image: {label: {size, counts}}}.")] = None,
    polygons: Annotated[
        Path | None, typer.Option(help="CheXlocalize outlines: {image: {label: [[[x, y], …]], img_size}}.")
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="Folder like --masks, of places to watch: lungs, heart, a plaster.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV, XLSX, Parquet or JSON: patients, labels, splits of the images.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Of the table: names the image.")] = None,
    patient_column: Annotated[str | None, typer.Option(help="Of the table: who is resampled for the intervals.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Of the table: labels joined by |. Else a 0/1 column a label.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Of the table: train, val, test.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split; patients who are also in another are left out.")] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(help="default, all, a family (faithfulness, localisation, sanity, …) or names. Repeatable."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of iou_tuned, dice_tuned: tuned on other images.")
    ] = None,
    baselines: Annotated[str, typer.Option(help="all, none, or names joined by commas.")] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Of ties and noise.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, figures and evaluation.html.")] = Path(
        "evaluation"
    ),
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Altered images in one forward. Default: 8 on a CPU, 32 on a GPU.")
    ] = None,
    frame: Annotated[int | None, typer.Option(min=0, help="Frame of multi-frame files, from 0. Default: the first.")] = None,
) -> None:
    """Measure explanations: faithfulness, localisation, sanity, stability, beside baselines, with intervals by patient."""
    from camlucida.evaluation.choice import choose, choose_baselines
    from camlucida.evaluation.cohort import read_cohort
    from camlucida.evaluation.job import ABOUT, Source, describe, estimate, read, run, write
    from camlucida.evaluation.measure import Settings
    from camlucida.evaluation.truth import read_regions, read_truth
    from camlucida.files import slug
    from camlucida.io import expand_paths
    from camlucida.job import versions
    from camlucida.methods import METHODS
    from camlucida.report.evaluation_folder import present

    if not model:
        if len(images) == 1 and (Path(images[0]) / ABOUT).is_file():
            folder = Path(images[0])
            _report_evaluation(*present(folder, read(folder), None))
            return
        raise UsageError("no --model is given, and the images are no folder that `camlucida evaluate` wrote", "give --model CARD")
    methods = tuple(dict.fromkeys(method or ["gradcam"]))
    for name in methods:
        METHODS[name]
    settings = Settings(
        targets=tuple(targets(target) or ()) or None,
        methods=methods,
        layers=tuple(layer) if layer else None,
        metrics=choose(metrics or ["default"], threshold),
        baselines=choose_baselines(baselines),
        threshold=threshold,
        batch_size=batch_size,
        seed=seed,
    )
    paths, missing = expand_paths(images)
    failed = False
    for name in model:
        loaded = load(name, None, None, device)
        labels = loaded.card.labels
        cohort = read_cohort(
            paths,
            table=table,
            id_column=id_column,
            patient_column=patient_column,
            split_column=split_column,
            label_column=label_column,
            split=split,
            labels=labels,
        )
        marks = {"masks": masks, "boxes": boxes, "rle": rle, "polygons": polygons}
        truth = read_truth(**marks, labels=labels) if any(marks.values()) else None
        watched = read_regions(regions) if regions else None
        source = Source(loaded, cohort, settings, truth, watched, frame)
        place = out / slug(loaded.name) if len(model) > 1 else out
        with output_folder(out), output_folder(place):
            print(estimate(source), file=sys.stderr)
            with progress_bar(len(cohort.items), f"evaluating {loaded.name}") as progress:
                evaluated = run(source, progress=progress)
            evaluated.tables.failures[:0] = [(error.what, str(error)) for error in missing]
            command = shlex.join(["camlucida", *sys.argv[1:]])
            evaluated.about = describe(source, evaluated, command, versions())
            write(place, evaluated)
            for _, error in evaluated.tables.failures:
                print(f"error: {error}", file=sys.stderr)
            for note in evaluated.tables.notes:
                print(f"note: {note}", file=sys.stderr)
            failed |= bool(evaluated.tables.failures)
            if len(evaluated.tables.rows):
                _report_evaluation(*present(place, evaluated, source))
    if failed:
        raise typer.Exit(SOME_FAILED)


def _report_evaluation(page: Path, summary: Any) -> None:
    """The first numbers of an evaluation, and where the rest is."""
    from camlucida.evaluation.summary import headline, pooled, title

    table = pooled(summary)
    for name, on in headline(summary):
        part = table[(table["metric"] == name) & (table["on"] == on)]
        for line in part.to_dict("records"):
            bounds = (
                f" [{line['low']:.3g}, {line['high']:.3g}]"
                if line["how"] != "none"
                else f" (no interval: {line['patients']} patients)"
            )
            kind = "baseline " if line["baseline"] else ""
            print(f"{title(name, on)}: {kind}{line['method']} at {line['layer']} {line['estimate']:.3g}{bounds}")
    print(f"tables: {page.parent}/rows.parquet, summary.csv, differences.csv")
    print(f"page:   {page}")
