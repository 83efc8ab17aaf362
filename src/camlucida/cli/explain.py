"""``camlucida explain``: pictures and numbers of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from camlucida.cli.common import (
    CheckpointKeyOption,
    CheckpointOption,
    ColormapOption,
    DeviceOption,
    FactoryOption,
    GridOption,
    LanguageOption,
    ModelOption,
    OutputOption,
    PrefixOption,
    RegionScoreOption,
    app,
    command_line,
    finish,
    output_folder,
    print_failure,
    print_json,
    progress_bar,
)
from camlucida.cli.option_values import (
    find_inputs,
    load,
    targets,
    with_tokens,
)
from camlucida.cli.option_words import command_with_lists
from camlucida.core.messages import Message, prefixed
from camlucida.core.numbers import number

EVALUATE = "camlucida evaluate … --masks PATH"
"""What uses annotations that lie beside images."""


@app.command("explain", cls=command_with_lists("--method"))
def explain_command(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders or globs: PNG, JPEG, TIFF, BMP, DICOM; of a model of "
            "volumes NIfTI, or folders of a DICOM series."
        ),
    ],
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    checkpoint_key: CheckpointKeyOption = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Target: label or its index; predicted, top3, above:0.5, all, diff:A|B; output+ "
            "or output- (regression); region, region:LABEL, component:1, pixel:ROW,COLUMN, "
            "mask:FILE[:LABEL] (segmentation); box:1 (detectors). Repeatable. Default: the 3 most "
            "probable labels (multi-label), the predicted class, both signs of the output "
            "(regression), the predicted region (segmentation), or the 3 best boxes (detectors)."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method; see `camlucida methods`; all, but the slow ones. Repeatable. "
            "Default: gradcam."
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer: auto, an alias (encoder_last), or a path (layer4[-1]). Repeatable. "
            "Default: the card's."
        ),
    ] = None,
    fuse: Annotated[
        Literal["mean", "max", "product", "layercam"] | None,
        typer.Option(
            help="One more map of each image, target and method, of all its layers: their mean, "
            "max or product, each layer in shares of its maximum, or as LayerCAM fuses them."
        ),
    ] = None,
    smooth: Annotated[
        Literal["aug", "aug_flip", "eigen"] | None,
        typer.Option(
            help="Smoothing: aug, the mean map over the image at 0.9, 1 and 1.1 times its values; "
            "aug_flip, over these as they are and mirrored; eigen, the first principal component "
            "of the channels."
        ),
    ] = None,
    spread: Annotated[
        Literal["aug", "aug_flip", "dropout"] | None,
        typer.Option(
            help="Two maps in place of each: its mean and its standard deviation over aug, "
            "aug_flip, or 16 runs with the model's dropout on."
        ),
    ] = None,
    grid: GridOption = None,
    prefix: PrefixOption = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for films, maps, pictures and index.html.")
    ] = Path("explanations"),
    write: Annotated[
        str | None,
        typer.Option(
            help="Pictures of every explanation, separated by commas: overlay, heatmap, figure, "
            "strip, map, mask, or all. Default: the overlay of each image's top finding; of "
            "volumes, figure (three planes) and map (NIfTI)."
        ),
    ] = None,
    output: OutputOption = None,
    region_score: RegionScoreOption = None,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in one forward pass. Default: 8 on a CPU, 32 on a GPU."),
    ] = None,
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
    frame: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Frame of multi-frame files, or of NIfTI with several volumes, from 0. "
            "Default: the first.",
        ),
    ] = None,
    deidentify: Annotated[
        bool,
        typer.Option(
            "--deidentify",
            help="Keyed names in place of those of the files, and no path; a warning where letters "
            "seem to be burned into the pixels, where they stay.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print explanations.json on standard output.")
    ] = False,
) -> None:
    """Explain images: raw maps, films, overlays, boxes and a page; further pictures by --write."""
    from camlucida.attribution.methods import EVERY
    from camlucida.datasets.annotation_discovery import annotations_beside, unused_note
    from camlucida.figures.records import file_kinds
    from camlucida.workflows.explain import explain_to_folder, slow_note

    paths, missing = find_inputs(images, model)
    kinds = file_kinds(list(filter(None, map(str.strip, (write or "").split(",")))))
    methods = _methods(method or ["gradcam"], smooth, spread)
    loaded = load(model, factory, checkpoint, device, output, region_score, checkpoint_key)
    loaded = with_tokens(loaded, grid, prefix)
    with output_folder(out), progress_bar(len(paths), "explaining") as progress:
        outcome = explain_to_folder(
            loaded,
            paths,
            out,
            write=kinds,
            targets=targets(target),
            methods=methods,
            layers=layer,
            fuse=fuse,
            colormap=colormap,
            batch_size=batch_size,
            frame=frame,
            command=command_line(),
            deidentify=deidentify,
            failures=missing,
            progress=progress,
            passes=progress.passes,
            on_failure=print_failure,
        )
    if as_json:
        print_json(outcome.records)
    else:
        total = len(paths) + len(missing)
        maps = len(outcome.records)
        counted = f"{maps} {'explanation' if maps == 1 else 'explanations'}"
        print(f"{outcome.explained} of {total} images explained, {counted}: {outcome.index}")
        if outcome.task is not None:
            print(f"  {outcome.task}")
        for record in outcome.records:
            print(f"  {_map_line(record)}")
    beside = annotations_beside(paths)
    unused = [unused_note(beside, EVALUATE)] if beside else []
    slow = slow_note() if EVERY in (method or ()) else []
    notes = [*outcome.notes, *slow, *_warnings(outcome.records), *unused]
    finish(outcome.failures, notes, printed=True, interrupted=outcome.interrupted)


def _methods(requested: Sequence[str], smooth: str | None, spread: str | None) -> list[str]:
    """Registered names of the methods, smoothed, and of their means and spreads."""
    from camlucida.attribution.methods import method_names

    names = method_names(requested)
    if smooth is not None:
        names = [f"{name}:{smooth}" for name in names]
    if spread is not None:
        pairs = ((f"{name}:{spread}", f"{name}:{spread}_spread") for name in names)
        names = list(chain.from_iterable(pairs))
    return method_names(names)


def _warnings(records: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Warnings of each image, once however many maps it has."""
    lines: dict[Message, None] = {}
    for record in records:
        lines |= {prefixed(record["id"], warning): None for warning in record["warnings"]}
    return list(lines)


def _map_line(record: Mapping[str, Any]) -> str:
    """One map for people: image, target, score, method, layer."""
    probability = record["probability"]
    score = f"{record['score_kind']} {record['score']:.3f}"
    if probability is not None:
        score += f", probability {number(probability, 'p')}"
    if record["scaled_output"] is not None:
        score += f", scaled {record['scaled_output']:.3f} (0.5 is the operating point)"
    where = f"{record['method']} at {record['shown_layer']}"
    empty = f"; no evidence: {record['empty_reason']}" if record["empty"] else ""
    return f"{record['id']}: {record['target']} ({score}) {where}{empty}"
