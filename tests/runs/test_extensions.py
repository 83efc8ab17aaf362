"""A method of another package is part of what makes a map."""

from __future__ import annotations

import sys

import pytest

from camlucida.attribution.methods import METHODS
from camlucida.runs.extensions import extension_digest

SOURCE = '''
from camlucida.attribution.methods import method

@method("outside", "Outside", "nobody 2026")
def outside(activations, gradients):
    """Sum of the activations."""
    return activations.sum(1)
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "outside_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from outside_package import method")
    (folder / "method.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    import outside_package  # noqa: F401

    yield folder
    METHODS._items.pop("outside")
    for name in ("outside_package", "outside_package.method"):
        sys.modules.pop(name)


def test_the_methods_of_the_package_add_nothing() -> None:
    assert extension_digest(list(METHODS)) == ""


def test_a_changed_file_of_another_package_changes_the_digest(package) -> None:
    before = extension_digest(["gradcam", "outside"])
    assert len(before) == 64
    assert extension_digest(["gradcam"]) == ""
    (package / "helper.py").write_text("SHARE = 2")
    assert extension_digest(["outside"]) != before
