"""Every example in a docstring runs, and prints what it says."""

from __future__ import annotations

import doctest
import gc
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import camlucida
from camlucida.core.messages import ENGLISH
from camlucida.core.registry import Registry
from tests.support.modules import import_all

SOURCE = Path(camlucida.__file__).parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _modules_with_examples() -> list[str]:
    """Dotted names of the modules whose text holds an example."""
    names = []
    for path in sorted(SOURCE.rglob("*.py")):
        if ">>> " in path.read_text("utf-8"):
            parts = path.relative_to(SOURCE.parent).with_suffix("").parts
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


@pytest.fixture(scope="module")
def tables() -> list[dict[str, Any]]:
    """Of every registry, and of the texts."""
    import_all()
    registries = [item for item in gc.get_objects() if type(item) is Registry]
    return [ENGLISH, *(registry._items for registry in registries)]


@pytest.fixture
def registrations(tables: list[dict[str, Any]]) -> Iterator[None]:
    """What an example registers or declares is taken back: other tests look at all there is.

    What the import of a module declares is not: a module is imported once.
    """
    before = [dict(table) for table in tables]
    yield
    for table, items in zip(tables, before, strict=True):
        table.clear()
        table.update(items)


@pytest.mark.usefixtures("registrations")
@pytest.mark.parametrize("name", _modules_with_examples())
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.failed == 0, f"{result.failed} examples differ; the captured output shows them"
    assert result.attempted, f"{name}: no example was found by doctest"
