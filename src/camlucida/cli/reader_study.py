"""``camlucida reader-study``: readers read films alone, with maps, and with maps and numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camlucida.cli.common import app, fetched_run
from camlucida.cli.serve import (
    BrowserOption,
    HostOption,
    PortOption,
    StateOption,
    check_web_extra,
    print_address,
)
from camlucida.core.errors import UsageError

if TYPE_CHECKING:
    from camlucida.web.settings import Settings


@app.command("reader-study")
def reader_study_command(
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder or address of the run whose films and maps are read.", callback=fetched_run
        ),
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Condition of the cases, such as method=gradcam or split=test. Repeatable. A film "
            "may have one map of a finding."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order and of the arms.")] = 0,
    sessions: Annotated[
        int,
        typer.Option(
            min=1, max=3, help="Times that a reader reads each case, each in another arm."
        ),
    ] = 3,
    washout: Annotated[
        float, typer.Option(min=0, help="Days between the end of a session and the next.")
    ] = 28,
    port: PortOption = 8321,
    host: HostOption = "127.0.0.1",
    browser: BrowserOption = True,
    state: StateOption = None,
) -> None:
    """Run a reader study: films alone, with the map, with map and numbers; the arms compared."""
    check_web_extra()
    from camlucida.runs.read import is_run
    from camlucida.web.serve import default_state, serve, settings_of
    from camlucida.web.settings import StudyPlan

    if not is_run(run):
        raise UsageError(f"{run} is no run", "give the folder that camlucida run wrote")
    settings = settings_of(
        [str(run)],
        [],
        state or default_state(),
        host=host,
        port=port,
        device="cpu",
        show_phi=False,
    )
    plan = StudyPlan(next(iter(settings.runs)), tuple(where or ()), seed, sessions, washout)
    settings = replace(settings, study=plan)
    _print_plan(settings)
    serve(settings, browser, print_address)


def _print_plan(settings: Settings) -> None:
    """Refuse a plan that cannot be followed, and say what it is."""
    from camlucida.web.workbench import Workbench

    workbench = Workbench(settings)
    try:
        assert workbench.study is not None
        plan = workbench.study.describe()
    finally:
        workbench.close()
    unknown = plan["cases"] - plan["diseased"] - plan["healthy"]
    print(
        f"{plan['cases']} cases: {plan['diseased']} with the finding, {plan['healthy']} without, "
        f"{unknown} unknown"
    )
    print(f"arms: {', '.join(plan['arms'])}; a third of the cases in each, seed {plan['seed']}")
    if plan["sessions"] > 1:
        print(f"{plan['sessions']} sessions a reader, {plan['washout']:g} days apart")
