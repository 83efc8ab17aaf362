"""``camlucida benchmark``: methods and metrics on images with known evidence."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import ColormapOption, DeviceOption, LanguageOption, app, output_folder
from camlucida.cli.option_words import command_with_lists


@app.command("benchmark", cls=command_with_lists("--method"))
def benchmark_command(
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer images: at most 10 minutes on two cores.")
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A custom method, module:function, one that is scored only where it is named "
            "(slow ones, those of pixels), or all, tested with the others. Repeatable."
        ),
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(help="Folder of real chest radiographs, on which lesions are pasted as well."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for tables, figures and benchmark.html.")
    ] = Path("benchmark"),
    device: DeviceOption = "auto",
    colormap: ColormapOption = None,
    language: LanguageOption = "en",
    seed: Annotated[int, typer.Option(min=0, max=9, help="Seed of images, ties and noise.")] = 0,
) -> None:
    """Test methods and metrics on SYNTHETIC radiographs with known evidence and verified models."""
    from camlucida.workflows.benchmark.run import run_benchmark

    with output_folder(out):
        benchmark = run_benchmark(
            out,
            quick=quick,
            custom=method or [],
            films=films,
            device=device,
            seed=seed,
            command=shlex.join(["camlucida", *sys.argv[1:]]),
            report=lambda line: print(line, file=sys.stderr, flush=True),
        )
    board = benchmark.board
    for line in board[board["position"].notna()].to_dict("records"):
        position, milliseconds = line["position"], 1000 * line["seconds"]
        print(
            f"{position:.0f}. {line['method']}: mean rank {line['rank']:.3g}, "
            f"{milliseconds:.0f} ms a map"
        )
    kept = benchmark.meta["kept"].astype(bool)
    print(f"metrics: {int(kept.sum())} of {len(kept)} passed the meta-evaluation")
    files = "leaderboard.csv, summary.csv, meta.csv, verified.csv, arms.csv, rows.parquet"
    print(f"tables:  {out}/{files}")
    print(f"page:    {out}/benchmark.html")
