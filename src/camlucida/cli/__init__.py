"""The command line: thin commands over the package, one file a command.

Nothing heavy is imported before a command runs.
"""

# isort: skip_file
from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from camlucida import __version__
from camlucida.cli import explain  # noqa: F401, in the order of --help
from camlucida.cli import lists  # noqa: F401
from camlucida.cli import doctor  # noqa: F401
from camlucida.cli import evaluate  # noqa: F401
from camlucida.cli import predictions  # noqa: F401
from camlucida.cli import preprocessing  # noqa: F401
from camlucida.cli import chexlocalize  # noqa: F401
from camlucida.cli import runs  # noqa: F401
from camlucida.cli import report  # noqa: F401
from camlucida.cli import case  # noqa: F401
from camlucida.cli import passport  # noqa: F401
from camlucida.cli import log  # noqa: F401
from camlucida.cli import compare  # noqa: F401
from camlucida.cli import regression  # noqa: F401
from camlucida.cli import ensemble  # noqa: F401
from camlucida.cli import change  # noqa: F401
from camlucida.cli import segmentation  # noqa: F401
from camlucida.cli import report_pack  # noqa: F401
from camlucida.cli import benchmark  # noqa: F401
from camlucida.cli import serve  # noqa: F401
from camlucida.cli import reader_study  # noqa: F401
from camlucida.cli import demo  # noqa: F401
from camlucida.cli import import_project  # noqa: F401
from camlucida.cli import export  # noqa: F401
from camlucida.cli import watch  # noqa: F401
from camlucida.cli.common import SOME_FAILED, WRONG_REQUEST, app
from camlucida.cli.imports import import_packages
from camlucida.core.errors import CamlucidaError

__all__ = ["app", "main"]

_THRESHOLD = 10_000
"""New objects after which a process of the command line looks for garbage; Python's is 700."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. A typed error becomes one line and an exit code.

    Exit codes: 0, all is well; 1, an item failed and the rest went on; 2, the request is wrong;
    130, interrupted.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    if arguments is None:
        # PyTorch and its like import half a million objects that stay: to look through them again
        # and again for garbage takes half a second.
        gc.set_threshold(_THRESHOLD)
    try:
        app(args=list(arguments) if arguments is not None else None)
    except CamlucidaError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(WRONG_REQUEST)
    except RecursionError:
        print("error: the model, or a file, is nested too deeply to be read", file=sys.stderr)
        sys.exit(WRONG_REQUEST)
    except BrokenPipeError:
        sys.exit(SOME_FAILED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(WRONG_REQUEST)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"camlucida {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    packages: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="PACKAGE",
            help="Import a package that registers methods, metrics, readers, rules or sections. "
            "Repeatable.",
        ),
    ] = None,
) -> None:
    import_packages(packages or [])
