"""``camlucida --import PACKAGE``: use what a package of the user's registers."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from camlucida.core.errors import UsageError


def import_packages(names: Sequence[str]) -> None:
    """Import packages that register methods, metrics, readers, rules or sections.

    The current folder is searched before the installed packages, as ``python -m`` does.

    Args:
        names: dotted names of packages or modules.

    Raises:
        UsageError: there is no such package, or its import fails.

    >>> import_packages(["json"])
    >>> import_packages(["no_such_package"])
    Traceback (most recent call last):
    camlucida.core.errors.UsageError: --import no_such_package: there is no such package...
    """
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        for name in names:
            _import_package(name)
    finally:
        sys.path.remove(folder)


def _import_package(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A missing import inside the package is another fault than a missing package.
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise UsageError(
                f"--import {name}: there is no such package",
                "run the command in the folder that holds it, or install it",
            ) from error
        raise UsageError(f"--import {name}: {error}") from error
    except Exception as error:
        raise UsageError(f"--import {name}: {type(error).__name__}: {error}") from error
