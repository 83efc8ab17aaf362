"""``camlucida demo``: the main job on what the package carries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import DeviceOption, app, output_folder, progress_bar


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything the demo writes.")] = Path("demo"),
    device: DeviceOption = "auto",
) -> None:
    """Explain ten SYNTHETIC radiographs with three models that come with the package, one of which cheats."""
    from camlucida.demo import run_demo

    with output_folder(out), progress_bar(None, "demo") as progress:
        result = run_demo(out, device, progress)
    for line in result.lines:
        print(line)
    print(f"pictures: {out}/*/*.png")
    print(f"index:    {result.index}")
