"""What computed a result: the versions that every record states."""

from __future__ import annotations

import platform
from importlib.metadata import version

from camlucida import __version__


def versions() -> dict[str, str]:
    """The versions of camlucida, Python, torch and NumPy that are running.

    >>> sorted(versions())
    ['camlucida', 'numpy', 'python', 'torch']
    """
    return {
        "camlucida": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
    }
