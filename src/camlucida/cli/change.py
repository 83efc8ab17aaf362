"""``camlucida change``: two studies of a patient, and what changed between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from camlucida.cli.common import (
    CheckpointKeyOption,
    CheckpointOption,
    ColormapOption,
    DeviceOption,
    FactoryOption,
    LanguageOption,
    ModelOption,
    app,
    command_record,
    finish,
    output_folder,
    print_json,
)
from camlucida.cli.option_values import load
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.numbers import number

ALIGN = ("auto", "none")


@app.command("change")
def change_command(
    before: Annotated[Path, typer.Argument(help="Image of the first study.")],
    after: Annotated[Path, typer.Argument(help="Image of the second study.")],
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    checkpoint_key: CheckpointKeyOption = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Label to compare. Repeatable. Default: the most probable of each study, and "
            "those whose "
            "probability changed by 0.1 or more."
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="Method; see `camlucida methods`.")] = "gradcam",
    align: Annotated[
        str,
        typer.Option(
            help="auto: shift, rotation and magnification are estimated; none: centres are aligned."
        ),
    ] = "auto",
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for figures, change.json, change.npy, change.html."
        ),
    ] = Path("change"),
    device: DeviceOption = "auto",
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print change.json on standard output.")
    ] = False,
) -> None:
    """Align two studies of a patient; compare the change of score and map with that by movement."""
    from camlucida.analysis.change import align as register
    from camlucida.analysis.change import centred, changes
    from camlucida.attribution.methods import METHODS
    from camlucida.io import read_image
    from camlucida.models import of_images
    from camlucida.workflows.change.folder import change_notes, write_change

    method = METHODS.canonical(method)
    if align not in ALIGN:
        raise UsageError(f"unknown alignment {align!r}", did_you_mean(align, ALIGN))
    images = {"before": read_image(before), "after": read_image(after)}
    loaded = of_images(load(model, factory, checkpoint, device, checkpoint_key=checkpoint_key))
    first, second = images["before"], images["after"]
    alignment = (register if align == "auto" else centred)(first.display, second.display)
    every, shown = changes(loaded, first, second, alignment, label or (), method)
    about = command_record() | {"requested": bool(label)}
    with output_folder(out):
        record = write_change(every, shown, images, loaded, out, about)
    if as_json:
        print_json(record)
    else:
        for item in record["labels"]:
            print(_line(item))
        print(f"page: {out / 'change.html'}")
    finish((), [*loaded.notes, *change_notes(images, alignment)])


def _line(item: Mapping[str, Any]) -> str:
    """The change of one label."""
    score, probability = item["score"], item["probability"]
    line = f"{item['label']}: {item['score_kind']} {score['before']:.2f} → {score['after']:.2f}"
    if item["moved_score_change"] is not None:
        line += f" (by movement alone {item['moved_score_change']:+.2f})"
    if probability["change"] is not None:
        before, after = (number(probability[when], "p") for when in ("before", "after"))
        line += f", probability {before} → {after}"
    return line
