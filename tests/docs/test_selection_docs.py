"""docs/selection.md names every rule and every column."""

import re

import pytest

from camlucida.analysis.cases import attribution_table as heat
from camlucida.analysis.cases import case_table as table
from camlucida.analysis.selection import RULES
from tests.docs.test_docs import first_cells, page

PAGE = page("selection.md")


@pytest.mark.parametrize("name", [*RULES, *table.COLUMNS])
def test_every_rule_and_column_of_cases_is_documented(name):
    assert name in first_cells(PAGE)


@pytest.mark.parametrize("name", heat.COLUMNS)
def test_every_measure_of_heat_stands_in_its_table(name):
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert any(name in re.findall(r"`([^`]+)`", row) for row in rows)
