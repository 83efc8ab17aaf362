"""The generator's version: it changes only with code that may change a film."""

from __future__ import annotations

import json

import pytest

from camlucida.phantom import cohort_cards, model_cards, trial_cards
from camlucida.phantom.cohorts.density import density_cards
from camlucida.phantom.version import (
    CHEST_FILES,
    COHORT_FILES,
    MAMMOGRAM_FILES,
    TRIAL_FILES,
    canonical_code,
    generator_version,
)

CODE = '''"""Docstring."""
import numpy as np

WIDTH: float = 2.0
"""Of a film."""

def area(side: float, *, scale: float = 1.0) -> float:
    """What."""
    square: float = side * side  # a comment
    return WIDTH * square * scale
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import numpy as np", "from scipy import ndimage"),
        ('"""Docstring."""', '"""Another."""'),
        ('    """What."""\n', ""),
        ("  # a comment", ""),
        ("square", "product"),
        ("square: float", "square"),
        (") -> float", ")"),
        ("side: float, *", "side, *"),
    ],
)
def test_what_cannot_change_a_film_is_left_out(old, new):
    assert canonical_code(CODE.replace(old, new)) == canonical_code(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("2.0", "2.1"), ("side * side", "side + side"), ("scale", "factor"), ("WIDTH", "HEIGHT")],
)
def test_what_may_change_a_film_counts(old, new):
    assert canonical_code(CODE.replace(old, new)) != canonical_code(CODE)


def test_variables_of_a_nested_function_are_local_too():
    code = (
        "def f(x):\n    {0} = x\n    def g(y):\n        {1} = y + {0}\n        return {1}\n    "
        "return g"
    )
    assert canonical_code(code.format("a", "b")) == canonical_code(code.format("c", "d"))
    assert canonical_code(code.format("a", "b")) != canonical_code(code.format("a", "a"))


@pytest.mark.parametrize(
    ("cards", "files"),
    [
        (model_cards, CHEST_FILES),
        (trial_cards, TRIAL_FILES),
        (cohort_cards, COHORT_FILES),
        (density_cards, MAMMOGRAM_FILES),
    ],
)
def test_packaged_models_were_trained_on_films_of_this_version(cards, files):
    folder = next(iter(cards().values())).parent
    records = json.loads((folder / "training.json").read_text("utf-8"))
    assert {record["generator_version"] for record in records.values()} == {
        generator_version(files)
    }
