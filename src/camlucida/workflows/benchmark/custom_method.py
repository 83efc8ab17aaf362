"""A method of the user's, ``package.module:function``, registered for one run."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from camlucida.attribution.methods import EVERY, METHODS, Method
from camlucida.attribution.methods.base import Kind
from camlucida.core.errors import CamlucidaError, UsageError, did_you_mean
from camlucida.workflows.benchmark.pixel_maps import over_cells

SHAPES = (
    "a method is f(activations, gradients) → (B, *grid) or f(probe) → (T, *grid): "
    "see docs/how-to/extending.md"
)


OWN = "your own"
"""In the place of the paper, of a method of the user's."""


def custom_method(path: str) -> Method:
    """The function at ``package.module:function`` as a method of that name.

    The module may lie beside the current folder. A function of one argument is given a probe, one
    of two activations and gradients. What it returns is checked at each call.

    Raises:
        UsageError: no such module or function, or a function of another shape.
    """
    module_name, colon, function_name = path.partition(":")
    if not (colon and module_name and function_name):
        raise UsageError(
            f"--method {path}",
            f"name a registered method ({', '.join(_scorable())}), all of them ({EVERY}), or your "
            "own as module:function",
        )
    module = _module(path, module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(
            f"--method {path}: {module_name} has no function {function_name!r}",
            did_you_mean(function_name, _functions(module)),
        )
    kind = _kind(path, function)
    return Method(
        name=path,
        title=function_name,
        run=_checked(path, function, kind),
        kind=kind,
        relu=False,
        class_specific=True,
        unit="score",
        cost="not stated",
        paper=OWN,
    )


@contextmanager
def registered(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The names of the methods at ``paths``; the registry holds them meanwhile.

    Those of pixels make maps of the layer's cells there.

    Args:
        paths: ``module:function``, names of registered methods, or :data:`EVERY`.

    Raises:
        UsageError: as of :func:`custom_method`, or a registered method needs attention.
    """
    expanded = [*_scorable(), *paths] if EVERY in paths else list(paths)
    own_or_known = (METHODS.canonical(name) if name in METHODS else name for name in expanded)
    names = tuple(dict.fromkeys(name for name in own_or_known if name != EVERY))
    before = dict(METHODS._items)
    for name in names:
        if name not in METHODS:
            METHODS.add(name, custom_method(name))
        elif METHODS[name].kind == "attention":
            raise UsageError(
                f"--method {name} is made of attention, and the benchmark's models have none",
                "evaluate it on a transformer by camlucida evaluate",
            )
        elif METHODS[name].kind in ("input", "probe"):
            METHODS._items[name] = over_cells(METHODS[name])
    try:
        yield names
    finally:
        METHODS._items = before


def _scorable() -> list[str]:
    """Every registered method but the baselines, and those that the models cannot have."""
    methods = [method for _, method in METHODS.items() if not method.paper.startswith("baseline")]
    return [method.name for method in methods if method.kind != "attention"]


def _functions(module: ModuleType) -> list[str]:
    """Names of the public functions of a module."""
    functions = inspect.getmembers(module, inspect.isfunction)
    return [name for name, _ in functions if not name.startswith("_")]


def _module(path: str, name: str) -> ModuleType:
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise UsageError(
                f"--method {path}: there is no module {name!r}",
                f"it is looked for in {folder} too",
            ) from error
        raise UsageError(f"--method {path}: {name} cannot be imported: {error}") from error
    except Exception as error:
        raise UsageError(
            f"--method {path}: {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.path.remove(folder)


def _kind(path: str, function: Callable[..., Any]) -> Kind:
    """The kind of a method, by the number of arguments that must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"--method {path}: its arguments are not known ({error})", SHAPES
        ) from error
    required = [p for p in parameters if p.default is p.empty]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in required if p.kind in positional]
    named = [p for p in required if p.kind is p.KEYWORD_ONLY]
    if named or len(needed) not in (1, 2):
        raise UsageError(f"--method {path} takes {len(needed) + len(named)} arguments", SHAPES)
    return "probe" if len(needed) == 1 else "gradient"


def _checked(path: str, function: Callable[..., Any], kind: Kind) -> Callable[..., Tensor]:
    """The function, with each failure and each wrong map in one line."""

    def run(*evidence: Any) -> Tensor:
        activations = evidence[0] if kind == "gradient" else evidence[0].activations
        maps = len(activations) if kind == "gradient" else len(evidence[0].scores)
        try:
            heat = function(*evidence)
        except CamlucidaError:
            raise
        except Exception as error:
            raise UsageError(f"--method {path} failed: {type(error).__name__}: {error}") from error
        _check_map(path, heat, (maps, *activations.shape[2:]))
        checked: Tensor = heat.detach()
        return checked

    run.__doc__ = function.__doc__ or f"{path}."
    return run


def _check_map(path: str, heat: object, expected: tuple[int, ...]) -> None:
    returned = f"a {type(heat).__name__}"
    if isinstance(heat, Tensor):
        returned = f"a tensor of {heat.dtype}"
    if not isinstance(heat, Tensor) or not heat.is_floating_point():
        raise UsageError(
            f"--method {path} returned {returned}",
            f"return a floating-point tensor of shape {expected}",
        )
    if tuple(heat.shape) != expected:
        raise UsageError(
            f"--method {path} returned shape {tuple(heat.shape)}",
            f"return {expected}: one map each, on the grid",
        )
    if not bool(torch.isfinite(heat).all()):
        raise UsageError(f"--method {path} returned values that are not finite")
