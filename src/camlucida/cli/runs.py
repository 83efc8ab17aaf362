"""``camlucida run``, ``merge``, ``runs`` and ``show``: runs that can be resumed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from camlucida.cli.common import (
    DeviceOption,
    RunArgument,
    app,
    command_record,
    finish,
    output_folder,
    print_table,
    progress_bar,
    resumable,
    subcommands,
)
from camlucida.core.errors import CamlucidaError

if TYPE_CHECKING:
    from camlucida.runs import Run


@app.command("run")
def run_command(
    cohort: Annotated[Path, typer.Argument(help="COHORT.toml: images, table, models and targets.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="The run's folder, or an address: s3://bucket/runs/nih. Default: runs/NAME.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an existing run.")] = False,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images in one forward pass. Default: the run's, else 8 on a CPU, 32 on a GPU.",
        ),
    ] = None,
    executor: Annotated[
        Literal["inline", "process", "ray"],
        typer.Option(
            help="Where the images are computed: in this process, in worker processes of this "
            "machine, or in a Ray cluster."
        ),
    ] = "inline",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of workers. Default: one a GPU, else one a CPU core."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="Of the Ray cluster: host:port, or auto. Default: one is started on this machine."
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float, typer.Option(min=0.0, help="GPUs of each worker in a Ray cluster; 0.5 shares one.")
    ] = 0.0,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="i/n",
            help="Compute the i-th of n shards of the cohort, into a folder in that of --out; "
            "camlucida merge joins them.",
        ),
    ] = None,
    deidentify: Annotated[
        bool,
        typer.Option(
            "--deidentify",
            help="Keyed names of images and patients, and no path or file name in the run.",
        ),
    ] = False,
) -> None:
    """Explain and predict a cohort; the folder stays valid when interrupted at any moment."""
    from camlucida.core.files import slug
    from camlucida.datasets.cohort_file import read_cohort_file
    from camlucida.runs import execute
    from camlucida.runs.executors import ExecutorConfig
    from camlucida.runs.slots import WHOLE, Shard
    from camlucida.runs.storage import run_root

    config = ExecutorConfig(executor, workers, address, gpus_per_worker)
    file = read_cohort_file(cohort)
    name = (file.config.name or "cohort") if deidentify else file.name
    folder = out or str(Path("runs", slug(name)))
    how_to_resume = f"go on with: camlucida run {cohort} --out {folder} --resume"
    part = WHOLE
    if shard is not None:
        part = Shard.parse(shard)
        folder = f"{folder.rstrip('/')}/{part.folder}"
        how_to_resume += f" --shard {shard}"
    with (
        resumable(how_to_resume),
        output_folder(run_root(folder)),
        progress_bar(None, "running") as progress,
    ):
        outcome = execute(
            cohort,
            folder,
            resume=resume,
            device=device,
            batch_size=batch_size,
            about=command_record(),
            executor=config,
            shard=part,
            deidentify=deidentify,
            progress=progress,
        )
    for name, task in outcome.tasks.items():
        print(f"{name}: {task}")
    print(f"{outcome.counts['done']} of {sum(outcome.counts.values())} items done: {folder}")
    print(outcome.naming)
    finish(outcome.failures, outcome.notes)


@app.command("merge")
def merge_command(
    shards: Annotated[
        list[Path],
        typer.Argument(
            help="Folder or address of a sharded run; or its shards, wherever they are."
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder of the joined run, or an address; new.")
    ],
) -> None:
    """Join the shards of a run; the folder is that of a run which was never divided."""
    from camlucida.runs.merge import merge

    run = merge(shards, out)
    print(f"{run.counts['done']} of {sum(run.counts.values())} items done: {out}")
    finish(run.failures, run.notes)


runs_app = subcommands("runs", "List runs, or compact one.", default="list")


@runs_app.command("compact")
def compact_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    items: Annotated[
        int, typer.Option(min=1, help="Images of each new part, in memory at once.")
    ] = 4096,
) -> None:
    """Join the small parts of a long run into fewer files; tables and maps stay as they are."""
    from camlucida.runs.rewrite import compact

    done = compact(run, items)
    print(f"{done.before} parts before, {done.after} after: {run}")


@runs_app.command("list")
def list_command(
    folder: Annotated[
        Path, typer.Argument(help="Folder that holds runs, or a run; or an address.")
    ] = Path("runs"),
) -> None:
    """List runs: models, and numbers of items that are done, failed and pending. The word list may
    be left out."""
    from camlucida.runs import Run, find_runs

    rows: list[tuple[str, ...]] = []
    damaged: list[CamlucidaError] = []
    for path in find_runs(folder):
        try:
            run = Run.open(path)
        except CamlucidaError as error:
            damaged.append(error)
            continue
        names = ", ".join(model["name"] for model in run.about["models"])
        rows.append((str(path), run.about["name"], *map(str, run.counts.values()), names))
    if rows or damaged:
        print_table(("run", "cohort", "done", "failed", "pending", "models"), rows)
    else:
        print(f"no run in {folder}", file=sys.stderr)
    finish(damaged)


@app.command("show")
def show_command(
    run: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    names: Annotated[
        bool,
        typer.Option(
            "--names", help="The file behind each keyed name, as it is recorded with this user."
        ),
    ] = False,
) -> None:
    """Show a run: its models and methods, what is done, what failed and why,
    where the files are."""
    from camlucida.runs import Run
    from camlucida.runs.keyed import names_of

    opened = Run.open(run)
    if names:
        print_table(("name", "file"), names_of(opened.about))
        return
    if as_json:
        print(json.dumps(opened.summary(), indent=2, ensure_ascii=False))
        return
    for title, lines in _summary(opened).items():
        for i, line in enumerate(lines):
            print(f"{title if i == 0 else '':12}{line}")


def _summary(run: Run) -> dict[str, list[str]]:
    """Title → lines, for people."""
    summary = run.summary()
    models = summary["models"]
    return {
        "run": [summary["run"]],
        "cohort": [summary["cohort"]],
        "images": [str(summary["images"])],
        "models": list(map(_model_line, models)),
        "requests": list(map(_request_line, models)),
        "items": [f"{state}: {number}" for state, number in summary["items"].items()],
        "failures": list(map(str, run.failures)),
        "notes": list(map(str, run.notes)),
        "files": [
            f"maps, meta, predictions: {summary['parts']} parts each",
            *(f"{name}: {path}" for name, path in summary["files"].items()),
        ],
    }


def _model_line(model: dict[str, Any]) -> str:
    stated = {key: model[key] for key in ("seed", "fold", "weight")}
    details = [f", {key} {value}" for key, value in stated.items() if value not in (None, 1.0)]
    return f"{model['name']}: {model['card']}, weights {model['sha256'][:12]}{''.join(details)}"


def _request_line(model: dict[str, Any]) -> str:
    targets = model["targets"]
    names = "default of the task" if targets is None else ", ".join(map(str, targets))
    methods, layers = ", ".join(model["methods"]), ", ".join(model["layers"])
    return f"{model['name']}: targets {names}; methods {methods}; layers {layers}"
