import pytest

from camlucida.core.errors import UsageError
from camlucida.core.registry import Registry


@pytest.fixture
def fruit() -> Registry[int]:
    fruit: Registry[int] = Registry("fruit")
    fruit.add("apple", 1)
    fruit.add("pear", 2)
    return fruit


def test_behaves_as_a_table_in_order_of_registration(fruit):
    assert (list(fruit), len(fruit), fruit["pear"], "pear" in fruit, "plum" in fruit) == (
        ["apple", "pear"],
        2,
        2,
        True,
        False,
    )
    assert fruit.items() == [("apple", 1), ("pear", 2)]


def test_a_near_miss_is_named(fruit):
    with pytest.raises(UsageError, match=r"unknown fruit 'aple' \(did you mean apple\?\)"):
        fruit["aple"]


def test_what_is_nowhere_near_gets_the_list(fruit):
    with pytest.raises(UsageError, match="known: apple, pear"):
        fruit["xyz"]


def test_a_name_is_taken_once(fruit):
    with pytest.raises(ValueError, match="registered twice"):
        fruit.add("pear", 3)
    assert fruit["pear"] == 2
