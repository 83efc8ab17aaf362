"""The modules of a model, walked once while it is explained."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from torch import nn


@dataclass(frozen=True)
class _Walk:
    named: Sequence[tuple[str, nn.Module]]

    @cached_property
    def parts(self) -> int:
        return hash(tuple((path, type(module)) for path, module in self.named))


_WALKS: weakref.WeakKeyDictionary[nn.Module, _Walk] = weakref.WeakKeyDictionary()


@contextmanager
def walked(model: nn.Module) -> Iterator[Sequence[tuple[str, nn.Module]]]:
    """Inside, :func:`named_modules` and :func:`parts_hash` walk the model no more.

    On a large model each walk costs as much as a layer. Its modules must stay the same inside.

    Args:
        model: any module.
    """
    if model in _WALKS:
        yield _WALKS[model].named
        return
    _WALKS[model] = _walk(model)
    try:
        yield _WALKS[model].named
    finally:
        del _WALKS[model]


def named_modules(model: nn.Module) -> Sequence[tuple[str, nn.Module]]:
    """Path and module of each module, the model itself first, under "".

    Args:
        model: any module.

    >>> [path for path, _ in named_modules(nn.Sequential(nn.ReLU()))]
    ['', '0']
    """
    walk = _WALKS.get(model)
    return (_walk(model) if walk is None else walk).named


def parts_hash(model: nn.Module) -> int:
    """A number that changes with the paths and types of the model's modules.

    Args:
        model: any module.

    >>> parts_hash(nn.Sequential(nn.ReLU())) == parts_hash(nn.Sequential(nn.GELU()))
    False
    """
    walk = _WALKS.get(model)
    return (_walk(model) if walk is None else walk).parts


def _walk(model: nn.Module) -> _Walk:
    """As ``model.named_modules()``, which passes each module through a generator a level."""
    named: list[tuple[str, nn.Module]] = []
    _visit(model, "", named, set())
    return _Walk(named)


def _visit(
    module: nn.Module, path: str, named: list[tuple[str, nn.Module]], seen: set[nn.Module]
) -> None:
    seen.add(module)
    named.append((path, module))
    children = module._modules
    if children:
        start = f"{path}." if path else ""
        for name, child in children.items():
            if child is not None and child not in seen:
                _visit(child, start + name, named, seen)
