"""``camlucida log``: the results of a run in a tracking server."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from camlucida.cli.common import RunArgument, app


@app.command("log")
def log_command(
    tool: Annotated[Literal["mlflow"], typer.Argument(help="Where to: mlflow.")],
    run: RunArgument,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            help="Tracking server or store, such as http://host:5000. Default: MLflow's own."
        ),
    ] = None,
    experiment: Annotated[
        str, typer.Option(help="Name of the experiment; made if missing.")
    ] = "camlucida",
) -> None:
    """Log each model of a run to MLflow: measurements with intervals and chance levels, report,
    passport and evaluation."""
    from camlucida.integrations.mlflow import log_run
    from camlucida.runs import Run

    opened = Run.open(run)
    for logged in log_run(opened, tracking_uri, experiment):
        if logged.metrics:
            files = f"{len(logged.artefacts)} files"
            print(f"{logged.model}: {tool} run {logged.run_id}, {logged.metrics} metrics, {files}")
        else:
            print(f"{logged.model}: {tool} run {logged.run_id} has these results already")
    if not (run / "report").is_dir():
        print(f"note: there is no report yet: camlucida report {run}", file=sys.stderr)
