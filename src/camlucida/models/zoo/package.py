"""What the packages of models have in common: their import, and their errors."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn

from camlucida.core.errors import CamlucidaError, ModelError, did_you_mean

Args = Mapping[str, Any]
Defaults = dict[str, Any]

OWN_CHECKPOINT = (
    "give checkpoint = … in the card, or args = { pretrained = false } for random weights"
)


def _no_defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    return {}


def _no_facts(module: nn.Module) -> Defaults:
    return {}


@dataclass(frozen=True)
class Zoo:
    """One package of models.

    Attributes:
        build: (name, args, pretrained) → module. With ``pretrained`` false nothing is downloaded.
        defaults: (name, args, pretrained, module) → card fields; none, unless it is given.
        facts: module → what its output means, as card fields; {} for another package's module.
        inputs: (name, args, pretrained, module, keys that the card states) → fields of ``[input]``
            that are looked up only where they are needed; None for a package that has none.
    """

    build: Callable[[str, Args, bool], nn.Module]
    defaults: Callable[[str, Args, bool, nn.Module], Defaults] = _no_defaults
    facts: Callable[[nn.Module], Defaults] = _no_facts
    inputs: Callable[[str, Args, bool, nn.Module, frozenset[str]], Defaults] | None = None


@contextmanager
def guard(what: str, fix: str = "") -> Iterator[None]:
    """Run other people's code.

    Its prints go to stderr, its errors become a :class:`ModelError` that says ``what``.

    Args:
        what: failed, for the message.
        fix: how to mend it.

    Raises:
        ModelError: the body raised anything, or exited; an error of this package passes as it is.

    >>> with guard("net.py:build failed"):
    ...     int("x")
    Traceback (most recent call last):
        ...
    camlucida.core.errors.ModelError: net.py:build failed: ValueError: invalid literal for int() \
with base 10: 'x'
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except CamlucidaError:
        raise
    except (Exception, SystemExit) as error:  # a script beside the card may well call sys.exit
        text = " ".join(str(error).split())
        shortened = f"{text[:200]}…" if len(text) > 200 else text
        detail = f": {shortened}" if shortened else ""
        raise ModelError(f"{what}: {type(error).__name__}{detail}", fix) from error


def import_package(name: str, extra: str = "zoo") -> ModuleType:
    """Import a package of an extra.

    Undo what the import does to the process's warnings and ``sys.path``.

    Args:
        name: of the package, as it is imported.
        extra: that installs it.

    Raises:
        ModelError: it is not installed, or cannot be imported.

    >>> import_package("nothing")
    Traceback (most recent call last):
        ...
    camlucida.core.errors.ModelError: nothing is not installed (pip install "camlucida[zoo]")
    """
    path = list(sys.path)
    try:
        # torchxrayvision silences every warning of the process and puts two of its own folders
        # first on sys.path.
        with warnings.catch_warnings():
            # Deprecations between third parties are not the user's business.
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        what = f"{name} is not installed"
        if name in sys.modules:
            what = f"{name} cannot be imported: {error}"
        raise ModelError(what, f'pip install "camlucida[{extra}]"') from error
    finally:
        sys.path[:] = path


def check_name(kind: str, name: str, names: list[str]) -> None:
    """Check that a package has a model of this name.

    Args:
        kind: name of the package, for the message.
        name: of the model.
        names: of all its models.

    Raises:
        ModelError: it has none; the message names near matches.

    >>> check_name("torchvision", "resnet50", ["resnet18", "resnet50"])
    """
    if name not in names:
        raise ModelError(f"{kind} has no model {name!r}", did_you_mean(name, names))


def comes_from(module: nn.Module, *packages: str) -> bool:
    """Whether a module's class, or one that it inherits from, is of a package.

    Args:
        module: any.
        packages: dotted names.

    >>> comes_from(nn.ReLU(), "torch.nn"), comes_from(nn.ReLU(), "timm")
    (True, False)
    """
    names = [f"{cls.__module__}." for cls in type(module).__mro__]
    prefixes = tuple(f"{package}." for package in packages)
    return any(name.startswith(prefixes) for name in names)
