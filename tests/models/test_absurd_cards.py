"""Cards, cohorts and files of classifiers that no person writes are one line too."""

import pytest

from camlucida.core.errors import UsageError
from camlucida.datasets.classifiers import read_classifiers
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.models.card import read_card

ABSURD = {
    "lists in lists": "a = " + "[" * 50_000 + "]" * 50_000,
    "a few hundred lists": "a = " + "[" * 200 + "]" * 200,
    "tables in tables": "[" + ".".join(["a"] * 3_000) + "]\nb = 1",
    "a long key": ".".join(["a"] * 3_000) + " = 1",
    "a long number": "a = " + "9" * 5_000,
}


@pytest.mark.parametrize("read", [read_card, read_cohort_file, read_classifiers])
@pytest.mark.parametrize("text", ABSURD.values(), ids=ABSURD)
def test_an_absurd_file_is_one_line(tmp_path, read, text):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"a\.toml is not valid TOML") as error:
        read(path)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("size", ["1_000_000_000", "[224, 20_000]", "0", "-3"])
def test_an_absurd_size_is_one_line(tmp_path, size):
    path = tmp_path / "a.toml"
    path.write_text(f'factory = "net.py:build"\n[input]\nsize = {size}\n')
    with pytest.raises(UsageError, match=r"input.*size must be at"):
        read_card(path)
