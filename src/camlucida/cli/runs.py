"""``camlucida run``, ``runs`` and ``show``: runs that lose nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import (
    INTERRUPTED,
    SOME_FAILED,
    DeviceOption,
    app,
    command_record,
    output_folder,
    print_table,
    progress_bar,
)
from camlucida.core.errors import CamlucidaError


@app.command("run")
def run_command(
    cohort: Annotated[
        Path, typer.Argument(help="COHORT.toml: images, table, models, what to explain.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's folder. Default: runs/NAME.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that is there.")
    ] = False,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images in one forward. Default: the run's own, else 8 on a CPU, 32 on a GPU.",
        ),
    ] = None,
) -> None:
    """Explain and predict a cohort into a folder that survives a kill at any moment."""
    from camlucida.core.files import slug
    from camlucida.datasets.cohort_file import read_cohort_file
    from camlucida.runs import execute

    place = out or Path("runs") / slug(read_cohort_file(cohort).name)
    try:
        with output_folder(place), progress_bar(None, "running") as progress:
            outcome = execute(
                cohort,
                place,
                resume=resume,
                device=device,
                batch_size=batch_size,
                about=command_record(),
                progress=progress,
            )
    except KeyboardInterrupt:
        print(
            f"error: interrupted; go on with: camlucida run {cohort} --out {place} --resume",
            file=sys.stderr,
        )
        raise typer.Exit(INTERRUPTED) from None
    for _, error in outcome.failures:
        print(f"error: {error}", file=sys.stderr)
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{outcome.counts['done']} of {sum(outcome.counts.values())} items done: {place}")
    if outcome.failures:
        raise typer.Exit(SOME_FAILED)


@app.command("runs")
def runs_command(
    folder: Annotated[Path, typer.Argument(help="Folder that holds runs, or a run.")] = Path(
        "runs"
    ),
) -> None:
    """List runs: how many items are done, failed and pending, of which models."""
    from camlucida.runs import Run, find_runs

    rows: list[tuple[str, ...]] = []
    damaged: list[CamlucidaError] = []
    for place in find_runs(folder):
        try:
            run = Run.open(place)
        except CamlucidaError as error:
            damaged.append(error)
            continue
        names = ", ".join(model["name"] for model in run.about["models"])
        rows.append((str(place), run.about["name"], *map(str, run.counts.values()), names))
    if rows or damaged:
        print_table(("run", "cohort", "done", "failed", "pending", "models"), rows)
    else:
        print(f"no run in {folder}", file=sys.stderr)
    for line in damaged:
        print(f"error: {line}", file=sys.stderr)
    if damaged:
        raise typer.Exit(SOME_FAILED)


@app.command("show")
def show_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show a run: what was asked of which models, what is done, what failed and why, where the files are."""
    from camlucida.runs import Run

    summary = Run.open(run).summary()
    if as_json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    for key, value in summary.items():
        lines = (
            [f"{name}: {item}" for name, item in value.items()]
            if isinstance(value, dict)
            else value
        )
        lines = lines if isinstance(lines, list) else [lines]
        print(
            "".join(f"{key if i == 0 else '':12}{line}\n" for i, line in enumerate(lines)), end=""
        )
