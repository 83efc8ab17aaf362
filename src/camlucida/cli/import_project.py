"""``camlucida import``: a training project's folder in; a card, a cohort and the next command out.

The global option ``--import PACKAGE`` is another thing: see :mod:`camlucida.cli.imports`.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import app, command_record, finish, output_folder, print_written


@app.command("import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="Folder of a training project.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for card.toml and cohort.toml. Default: NAME-camlucida in the working "
            "directory; the project itself is not changed.",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Weights to take. Default: best before last, by name."),
    ] = None,
    checkpoint_key: Annotated[
        str | None,
        typer.Option(help="Of a checkpoint that holds several networks, the one that is meant."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Card or factory of the weights. Default: recognised from their keys.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of images. Default: the one the table names.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Table of labels or values. Default: found.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Masks, boxes or outlines. Default: found by the images.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in --out that differ.")
    ] = False,
) -> None:
    """Look at a training project: what is there, a model card, a cohort, and the next command.

    Nothing is computed, and the project is not changed."""
    from camlucida.workflows.import_project import ImportChoices, import_project

    target = out or Path(f"{folder.expanduser().absolute().resolve().name}-camlucida")
    choices = ImportChoices(checkpoint, checkpoint_key, model, images, table, masks, overwrite)
    with output_folder(target):
        result = import_project(folder, target, choices, command_record())
    print("recognised:")
    for message in result.recognised:
        print(f"  {message}")
    if result.unused:
        print("not used:")
    for message in result.unused:
        print(f"  {message}")
    print(f"next: camlucida {shlex.join(result.command)}")
    print_written(result.written)
    finish(result.failures)
