"""``camlucida change``: two studies of a patient, and what changed between them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    CheckpointOption,
    DeviceOption,
    FactoryOption,
    ModelOption,
    app,
    command_record,
    load,
    output_folder,
)
from camlucida.core.errors import UsageError, did_you_mean

ALIGN = ("auto", "none")


@app.command("change")
def change_command(
    before: Annotated[Path, typer.Argument(help="Film of the first study.")],
    after: Annotated[Path, typer.Argument(help="Film of the second study.")],
    model: ModelOption,
    factory: FactoryOption = None,
    checkpoint: CheckpointOption = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Repeatable. Default: the most probable of each study, and those whose probability changed by 0.1."
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="See `camlucida methods`.")] = "gradcam",
    align: Annotated[
        str,
        typer.Option(help="auto: by shift, rotation and magnification; none: centre over centre."),
    ] = "auto",
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for figures, change.json, change.npy, change.html."
        ),
    ] = Path("change"),
    device: DeviceOption = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print change.json on standard output.")
    ] = False,
) -> None:
    """Align two studies of a patient; show how score and map changed, signed, beside what movement alone changes."""
    from camlucida.analysis.change import align as register
    from camlucida.analysis.change import centred, changes
    from camlucida.attribution.methods import METHODS
    from camlucida.io import read_image
    from camlucida.workflows.change.folder import present

    METHODS[method]
    if align not in ALIGN:
        raise UsageError(f"unknown alignment {align!r}", did_you_mean(align, ALIGN))
    films = {"before": read_image(before), "after": read_image(after)}
    loaded = load(model, factory, checkpoint, device)
    grey = [film.display for film in films.values()]
    found, shown = changes(
        loaded,
        films["before"],
        films["after"],
        (register if align == "auto" else centred)(*grey),
        label or (),
        method,
    )
    about = command_record() | {"asked": bool(label)}
    with output_folder(out):
        record = present(found, shown, films, loaded, out, about)
    for film in films.values():
        for warning in film.warnings:
            print(f"note: {film.id}: {warning}", file=sys.stderr)
    if record["alignment"]["refused"]:
        print(f"note: not aligned: {record['alignment']['refused']}", file=sys.stderr)
    if record["alignment"]["mirror_note"]:
        print(f"note: {record['alignment']['mirror_note']}", file=sys.stderr)
    if as_json:
        print(json.dumps(record, indent=2, ensure_ascii=False))
        return
    for item in record["labels"]:
        p = item["probability"]
        change = "" if p["change"] is None else f", p {p['before']:.3f} → {p['after']:.3f}"
        moved = item["moved_score_change"]
        alone = "" if moved is None else f" (by movement alone {moved:+.2f})"
        score = item["score"]
        kind = item["score_kind"]
        print(
            f"{item['label']}: {kind} {score['before']:.2f} → {score['after']:.2f}{alone}{change}"
        )
    print(f"page: {out / 'change.html'}")
