"""``camlucida demo``: the main tasks on bundled data and models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    SOME_FAILED,
    ColormapOption,
    DeviceOption,
    app,
    output_folder,
    progress_bar,
)


@app.command("demo")
def demo_command(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for everything the demo writes.")
    ] = Path("demo"),
    device: DeviceOption = "auto",
    colormap: ColormapOption = None,
) -> None:
    """Run five tasks on SYNTHETIC images from inputs to report, and test a model's shortcut."""
    from camlucida.workflows.demo import run_demo

    with output_folder(out), progress_bar(None, "demo") as progress:
        result = run_demo(out, device, progress)
    for line in result.lines:
        print(line)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    for failure in result.failures:
        print(f"error: {failure}", file=sys.stderr)
    print(f"index: {result.index}")
    print(f"every case, live: camlucida serve {out}")
    if result.failures:
        raise typer.Exit(SOME_FAILED)
