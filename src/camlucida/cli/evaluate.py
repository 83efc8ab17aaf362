"""``camlucida evaluate``: how far the maps can be believed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camlucida.cli.common import (
    SOME_FAILED,
    DeviceOption,
    app,
    load,
    output_folder,
    progress_bar,
    targets,
)
from camlucida.core.errors import ImageError, UsageError

if TYPE_CHECKING:
    from camlucida.datasets.images import LabelledImages
    from camlucida.evaluation.maps.of_run import RunModel


@app.command("evaluate")
def evaluate_command(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders or globs; or a folder of `camlucida run`: its images, models and request; or one that "
            "evaluate wrote: its statistics again, no model."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model card (TOML) or factory. Repeatable: each model gets a folder of its own.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="As in explain. Repeatable. Default: the labels marked in the image, else true of it, else the task's."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="See `camlucida methods`. Repeatable. Default: the run's, else gradcam."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="As in explain. Repeatable. Default: the run's, or the card's."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of LABEL/ID.png, ID_LABEL.png or ID.png.")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(help="Table of boxes: image, label, x, y, width, height (original pixels)."),
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
        typer.Option(help="Folder like --masks, of places to watch: lungs, heart, a plaster."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="CSV, XLSX, Parquet or JSON: patients, labels, splits of the images."),
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Of the table: names the image.")] = None,
    patient_column: Annotated[
        str | None, typer.Option(help="Of the table: who is resampled for the intervals.")
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(help="Of the table: labels joined by |. Else a 0/1 column a label."),
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Of the table: train, val, test.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Only this split; patients who are also in another are left out."),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="default, all, a family (faithfulness, localisation, sanity, …) or names. Repeatable."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Of iou_tuned, dice_tuned: tuned on other images."),
    ] = None,
    baselines: Annotated[str, typer.Option(help="all, none, or names joined by commas.")] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Of ties and noise.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for tables, figures and page. Default: RUN/evaluation, else evaluation.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Altered images in one forward. Default: 8 on a CPU, 32 on a GPU."
        ),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(min=0, help="Frame of multi-frame files, from 0. Default: the first."),
    ] = None,
) -> None:
    """Measure explanations: faithfulness, localisation, sanity, stability, beside baselines, with intervals by patient."""
    from camlucida.attribution.methods import METHODS
    from camlucida.core.files import slug
    from camlucida.datasets.ground_truth import read_ground_truth, read_regions
    from camlucida.datasets.images import read_labelled_images
    from camlucida.evaluation.maps.choice import choose, choose_baselines
    from camlucida.evaluation.maps.folder import ABOUT, Source, describe, estimate, read, run, write
    from camlucida.evaluation.maps.measure import MetricSettings
    from camlucida.evaluation.maps.of_run import run_marks, run_models
    from camlucida.io import expand_paths
    from camlucida.runs.read import Run, is_run
    from camlucida.workflows.evaluation.folder import present
    from camlucida.workflows.explain import versions

    given = Path(images[0])
    if not model and len(images) == 1 and (given / ABOUT).is_file():
        _report_evaluation(*present(given, read(given), None))
        return
    marks = {"masks": masks, "boxes": boxes, "rle": rle, "polygons": polygons}
    missing: list[ImageError] = []
    if model:
        paths, missing = expand_paths(images)
        columns = {
            "id_column": id_column,
            "patient_column": patient_column,
            "label_column": label_column,
        }
        columns |= {"split_column": split_column, "split": split}
        subjects = _of_images(
            model,
            device,
            lambda labels: read_labelled_images(paths, table=table, labels=labels, **columns),
        )
        place, count = out or Path("evaluation"), len(model)
    elif len(images) == 1 and is_run(given):
        opened = Run.open(given)
        subjects, place, count = (
            run_models(opened, device),
            out or given / "evaluation",
            len(opened.about["models"]),
        )
        if not any(marks.values()):
            marks |= run_marks(opened)
    else:
        raise UsageError(
            "no --model is given, and the images are no folder that `camlucida run` or `camlucida evaluate` wrote",
            "give --model CARD",
        )
    for name in method or ():
        METHODS[name]
    settings = MetricSettings(
        metrics=choose(metrics or ["default"], threshold),
        baselines=choose_baselines(baselines),
        threshold=threshold,
        batch_size=batch_size,
        seed=seed,
    )
    failed = False
    for subject in subjects:
        asked = replace(
            settings,
            targets=tuple(targets(target) or ()) or subject.targets,
            methods=tuple(dict.fromkeys(method or subject.methods)),
            layers=tuple(layer) if layer else subject.layers or None,
        )
        truth = (
            read_ground_truth(**marks, labels=subject.model.card.labels)
            if any(marks.values())
            else None
        )
        source = Source(
            subject.model,
            subject.cohort,
            asked,
            truth,
            read_regions(regions) if regions else None,
            frame,
        )
        here = place / slug(subject.name) if count > 1 else place
        with output_folder(place), output_folder(here):
            print(estimate(source), file=sys.stderr)
            with progress_bar(len(subject.cohort.images), f"evaluating {subject.name}") as progress:
                evaluated = run(source, progress=progress)
            evaluated.tables.failures[:0] = [(error.what, str(error)) for error in missing]
            evaluated.about = describe(
                source, evaluated, shlex.join(["camlucida", *sys.argv[1:]]), versions()
            )
            write(here, evaluated)
            for _, error in evaluated.tables.failures:
                print(f"error: {error}", file=sys.stderr)
            for note in evaluated.tables.notes:
                print(f"note: {note}", file=sys.stderr)
            failed |= bool(evaluated.tables.failures)
            if len(evaluated.tables.rows):
                _report_evaluation(*present(here, evaluated, source))
    if failed:
        raise typer.Exit(SOME_FAILED)


def _of_images(
    cards: Sequence[str], device: str, cohort: Callable[[Sequence[str]], LabelledImages]
) -> Iterator[RunModel]:
    """Each model, with the cohort as its labels see it."""
    from camlucida.evaluation.maps.of_run import RunModel

    for name in cards:
        loaded = load(name, None, None, device)
        yield RunModel(loaded.name, loaded, cohort(loaded.card.labels), ("gradcam",), (), None)


def _report_evaluation(page: Path, summary: Any) -> None:
    """The first numbers of an evaluation, and where the rest is."""
    from camlucida.evaluation.maps.summary import headline, over_all_labels, title
    from camlucida.report.page import number

    table = over_all_labels(summary)
    for name, output in headline(summary):
        part = table[(table["metric"] == name) & (table["output"] == output)]
        for line in part.to_dict("records"):
            interval = f" [{number(line['low'])}, {number(line['high'])}]"
            bounds = (
                interval
                if line["interval_method"] != "none"
                else f" (no interval: {line['patients']} patients)"
            )
            kind = "baseline " if line["baseline"] else ""
            print(
                f"{title(name, output)}: {kind}{line['method']} at {line['layer']} {number(line['estimate'])}{bounds}"
            )
    print(f"tables: {page.parent}/rows.parquet, summary.csv, differences.csv")
    print(f"page:   {page}")
