"""``camlucida case``: one page of one case of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    ColormapOption,
    LanguageOption,
    RunArgument,
    app,
    output_folder,
    print_written,
)


@app.command("case")
def case_command(
    run: RunArgument,
    image: Annotated[str, typer.Argument(help="Image of the run: its id or file name.")],
    label: Annotated[
        str, typer.Option(help="Label. Default: the only one that the image has maps of.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder. Default: cases in the run.")
    ] = None,
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
) -> None:
    """Write one page of a case: film, map by each method, prediction, scores, chance levels,
    sanity check, grid."""
    from camlucida.runs import Run
    from camlucida.workflows.case_card import write_case_card

    opened = Run.open(run)
    folder = out or run / "cases"
    with output_folder(folder):
        print_written(write_case_card(opened, image, label, folder, colormap))
