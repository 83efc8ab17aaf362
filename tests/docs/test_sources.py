"""docs/sources.md: every command, option and function that it names exists."""

import importlib
import re

import pytest

from tests.docs.test_docs import commands
from tests.support.paths import REPOSITORY

ITEMS = {"000": 7, "001": 13, "002": 7, "003": 7, "004": 7}
TEXT = (REPOSITORY / "docs/sources.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| \d{3}\.", line)
]


def test_every_item_has_a_row():
    expected = [f"{source}.{k}" for source, last in ITEMS.items() for k in range(1, last + 1)]
    assert [row[0] for row in ROWS] == expected


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_a_row_names_exists(row):
    _, _, here, state = row
    words, _, missing = state.partition(":")
    assert words in ("done", "partly", "not yet")
    assert bool(missing) == (words == "partly")
    assert bool(here) == (words != "not yet")
    for code in re.findall(r"`([^`]+)`", here):
        if code.startswith("camlucida."):
            module, _, name = code.rpartition(".")
            assert callable(getattr(importlib.import_module(module), name))
        if code.startswith("tests/"):
            assert (REPOSITORY / code).is_file(), code
        if code.startswith("camlucida "):
            _, command, *options = code.split()
            assert set(options) <= set(commands()[command]), code
