"""``camlucida serve``: the workbench in a browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from camlucida.cli.common import DeviceOption, app
from camlucida.core.errors import UsageError

PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of this machine.")]
HostOption = Annotated[
    str, typer.Option(help="Address of this machine; none that others can reach.")
]
BrowserOption = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder for given films, jobs and verdicts. Default: ~/.local/state/camlucida."
    ),
]


@app.command("serve")
def serve_command(
    items: Annotated[
        list[str] | None,
        typer.Argument(
            help="Runs, comparisons, folders that hold some, films, or volumes. Default: "
            "synthetic films of the package."
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            help="Model card, checkpoint, or folder of cards. Repeatable. Default: the models of "
            "the runs and those of the package.",
        ),
    ] = None,
    port: PortOption = 8321,
    host: HostOption = "127.0.0.1",
    browser: BrowserOption = True,
    state: StateOption = None,
    show_phi: Annotated[
        bool, typer.Option("--show-phi", help="Read and show patients' names and identifiers.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Open the workbench: explain films, test a map's claim by hand, see every case of a run."""
    check_web_extra()
    from camlucida.web.serve import default_state, serve, settings_of

    settings = settings_of(
        items or [],
        models or [],
        state or default_state(),
        host=host,
        port=port,
        device=device,
        show_phi=show_phi,
    )
    serve(settings, browser, print_address)


def check_web_extra() -> None:
    """Say what to install where the server's packages are missing.

    Raises:
        UsageError: they are.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise UsageError("the workbench needs FastAPI and uvicorn", "pip install 'camlucida[web]'")


def print_address(address: str) -> None:
    """Say where the server is.

    Args:
        address: that works once.
    """
    print("camlucida workbench, for research use only")
    print(f"open once: {address}")
    print("Ctrl+C ends it", flush=True)
