"""A method of the user's own, ``package.module:function``, for one run."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camlucida.attribution.methods import METHODS, Method
from camlucida.attribution.methods.base import Kind
from camlucida.core.errors import CamlucidaError, UsageError, did_you_mean

SHAPES = "a method is f(activations, gradients) → (B, *grid) or f(probe) → (T, *grid): see docs/how-to/extending.md"


def own_method(path: str) -> Method:
    """The function at ``package.module:function`` (or a module beside the current folder) as a method of this name.

    A function of one argument is given a probe, one of two activations and gradients. Its answer is checked each time.

    Raises:
        UsageError: no such module or function, or a function of another shape.
    """
    where, colon, what = path.partition(":")
    if not (colon and where and what):
        raise UsageError(
            f"--method {path}",
            "every registered method is scored; one of your own is written module:function",
        )
    function = getattr(_module(path, where), what, None)
    if not callable(function):
        offered = [
            name
            for name, item in vars(sys.modules[where]).items()
            if inspect.isfunction(item) and name[0] != "_"
        ]
        raise UsageError(
            f"--method {path}: {where} has no function {what!r}", did_you_mean(what, offered)
        )
    kind = _kind(path, function)
    return Method(
        path,
        what,
        _checked(path, function, kind),
        kind,
        False,
        True,
        "score",
        "not stated",
        "your own",
    )


@contextmanager
def registered(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The names of the methods at ``paths``, which the registry knows meanwhile."""
    methods = {path: own_method(path) for path in dict.fromkeys(paths)}
    for name, method in methods.items():
        METHODS.add(name, method)
    try:
        yield tuple(methods)
    finally:
        for name in methods:
            del METHODS._items[name]


def _module(path: str, where: str) -> Any:
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name and where.startswith(error.name):
            raise UsageError(
                f"--method {path}: there is no module {where!r}",
                f"it is looked for in {folder} too",
            ) from error
        raise UsageError(f"--method {path}: {where} cannot be imported: {error}") from error
    except Exception as error:
        raise UsageError(
            f"--method {path}: {where} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.path.remove(folder)


def _kind(path: str, function: Callable[..., Any]) -> Kind:
    """By the number of arguments that must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"--method {path}: its arguments are not known ({error})", SHAPES
        ) from error
    needed = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    named = [p for p in parameters if p.default is p.empty and p.kind is p.KEYWORD_ONLY]
    if named or len(needed) not in (1, 2):
        raise UsageError(f"--method {path} takes {len(needed) + len(named)} arguments", SHAPES)
    return "probe" if len(needed) == 1 else "gradient"


def _checked(path: str, function: Callable[..., Any], kind: Kind) -> Callable[..., Tensor]:
    """The function, with each failure and each wrong answer in one line."""

    def run(*evidence: Any) -> Tensor:
        activations = evidence[0] if kind == "gradient" else evidence[0].activations
        maps = len(activations) if kind == "gradient" else len(evidence[0].scores)
        expected = (maps, *activations.shape[2:])
        try:
            found = function(*evidence)
        except CamlucidaError:
            raise
        except Exception as error:
            raise UsageError(f"--method {path} failed: {type(error).__name__}: {error}") from error
        if not isinstance(found, Tensor) or not found.is_floating_point():
            kind_found = (
                f"a tensor of {found.dtype}"
                if isinstance(found, Tensor)
                else f"a {type(found).__name__}"
            )
            raise UsageError(
                f"--method {path} returned {kind_found}",
                f"return a floating-point tensor of shape {expected}",
            )
        if tuple(found.shape) != expected:
            raise UsageError(
                f"--method {path} returned shape {tuple(found.shape)}",
                f"return {expected}: one map each, on the grid",
            )
        if not bool(torch.isfinite(found).all()):
            raise UsageError(f"--method {path} returned values that are not finite")
        return found.detach()

    run.__doc__ = function.__doc__ or f"{path}."
    return run
