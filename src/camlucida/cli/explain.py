"""``camlucida explain``: pictures and numbers of images."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from camlucida.cli.common import (
    SOME_FAILED,
    CheckpointOption,
    DeviceOption,
    FactoryOption,
    ModelOption,
    app,
    load,
    output_folder,
    progress_bar,
    targets,
)


@app.command("explain")
def explain_command(
    images: Annotated[
        list[str],
        typer.Argument(help="Image files, folders or globs: PNG, JPEG, TIFF, BMP, DICOM."),
    ],
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="A label or its index; predicted, top3, above:0.5, all, diff:A|B; output+ or output- (regression); region, "
            "region:LABEL, component:1, pixel:ROW,COLUMN, mask:FILE[:LABEL] (segmentation). Repeatable. Default: multi-label the "
            "top 3, multi-class the predicted, regression both signs of the output, segmentation the predicted region."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="See `camlucida methods`. Repeatable. Default: gradcam."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="auto, an alias (encoder_last), or a path (layer4[-1]). Repeatable. Default: the card's."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for pictures, maps and index.html.")
    ] = Path("explanations"),
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in one forward. Default: 8 on a CPU, 32 on a GPU."),
    ] = None,
    colormap: Annotated[
        str | None,
        typer.Option(
            help="A matplotlib colormap, for instance jet. Default: inferno. Signed maps keep bwr."
        ),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(min=0, help="Frame of multi-frame files, from 0. Default: the first."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print explanations.json on standard output.")
    ] = False,
) -> None:
    """Explain images: overlays, heat maps, numeric maps, masks, boxes, explanations.json and index.html."""
    from camlucida.attribution.methods import METHODS
    from camlucida.figures.overlay import check_colormap
    from camlucida.io import expand_paths
    from camlucida.workflows.explain import Failure, explain_to_folder

    check_colormap(colormap)
    methods = list(dict.fromkeys(method or ["gradcam"]))
    for name in methods:
        METHODS[name]
    loaded = load(model, factory, checkpoint, device)
    paths, missing = expand_paths(images)
    failures = [
        Failure(error.what.partition(": ")[2] or error.what, str(error)) for error in missing
    ]
    with output_folder(out), progress_bar(len(paths), "explaining") as progress:
        outcome = explain_to_folder(
            loaded,
            paths,
            out,
            targets=targets(target),
            methods=methods,
            layers=layer,
            colormap=colormap,
            batch_size=batch_size,
            frame=frame,
            command=shlex.join(["camlucida", *sys.argv[1:]]),
            failures=failures,
            progress=progress,
        )
    for failure in outcome.failures:
        print(f"error: {failure.error}", file=sys.stderr)
    warnings = {
        (record["id"], warning): None
        for record in outcome.records
        for warning in record["warnings"]
    }
    for note in [*outcome.notes, *(f"{name}: {warning}" for name, warning in warnings)]:
        print(f"note: {note}", file=sys.stderr)
    if as_json:
        print(json.dumps(outcome.records, indent=2, ensure_ascii=False))
    else:
        total = len(paths) + len(missing)
        print(
            f"{outcome.explained} of {total} images explained, {len(outcome.records)} explanations: {outcome.index}"
        )
        for record in outcome.records:
            print(f"  {_line(record)}")
    if outcome.failures:
        raise typer.Exit(SOME_FAILED)


def _line(record: dict[str, Any]) -> str:
    p = "" if record["probability"] is None else f", p {record['probability']:.3f}"
    empty = f"; no evidence: {record['empty_reason']}" if record["empty"] else ""
    score = f"{record['score_kind']} {record['score']:.3f}{p}"
    return f"{record['id']}: {record['target']} ({score}) {record['method']} at {record['layer']}{empty}"
