"""The code of registered functions that are not of this package: maps depend on it, too."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from camlucida.attribution.methods import METHODS
from camlucida.io import READERS

PACKAGE = "camlucida"


def extension_digest(methods: Sequence[str]) -> str:
    """Hash of the code of methods and readers that come from other packages.

    Args:
        methods: names of the requested methods. Readers count whichever they are, since the reader
            of an image is chosen by its content.

    Returns:
        64 hexadecimal digits; "" where everything is of this package.

    >>> extension_digest(["gradcam"])
    ''
    """
    texts = set(chain.from_iterable(map(_source_of, _outside(methods))))
    if not texts:
        return ""
    return hashlib.sha256(b"\0".join(sorted(texts))).hexdigest()


def extension_modules(methods: Sequence[str]) -> tuple[str, ...]:
    """Modules of other packages that a worker imports so that it has the same methods and readers.

    Args:
        methods: as of :func:`extension_digest`.

    Returns:
        Dotted names, sorted.

    >>> extension_modules(["gradcam"])
    ()
    """
    return tuple(sorted({_module(function) for function in _outside(methods)}))


def _outside(methods: Sequence[str]) -> list[Callable[..., Any]]:
    """The functions of methods and readers that are not of this package."""
    functions = [METHODS[name.partition(":")[0]].run for name in methods]
    functions += [reader.read for _, reader in READERS.items()]
    return [function for function in functions if _top_package(function) != PACKAGE]


def _module(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return function.__module__


def _top_package(function: Callable[..., Any]) -> str:
    return _module(function).partition(".")[0]


def _source_of(function: Callable[..., Any]) -> Iterator[bytes]:
    """Every file of the function's package; of a module, its file; in a notebook, the function."""
    module = sys.modules.get(_top_package(function))
    for folder in getattr(module, "__path__", []):
        for file in sorted(Path(folder).rglob("*.py")):
            yield file.read_bytes()
    if hasattr(module, "__path__"):
        return
    file_name = getattr(module, "__file__", None)
    if file_name is not None:
        yield Path(file_name).read_bytes()
        return
    try:
        yield inspect.getsource(function).encode()
    except OSError:  # typed into a console: there is no text of it
        yield function.__qualname__.encode()
