"""docs/reference/inputs.md: every test that it names exists."""

import re

import pytest

from tests.support.paths import REPOSITORY

TEXT = (REPOSITORY / "docs/reference/inputs.md").read_text("utf-8")
NAMES = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


def test_every_row_names_a_test():
    rows = [line for line in TEXT.splitlines() if re.match(r"\| (?!what |-)", line)]
    assert len(rows) == len(NAMES) > 50


@pytest.mark.parametrize(("file", "test"), NAMES)
def test_what_a_row_names_exists(file, test):
    assert f"\ndef {test}(" in (REPOSITORY / file).read_text("utf-8")
