import pytest

from camlucida.attribution.methods import METHODS
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


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("gradcam++", "gradcam_pp"),
        ("Grad-CAM++", "gradcam_pp"),
        ("GradCAMPlusPlus", "gradcam_pp"),
        ("grad-cam-plus-plus", "gradcam_pp"),
        ("grad_cam", "gradcam"),
        ("hires-cam", "hirescam"),
        ("HiResCAM", "hirescam"),
        ("XGradCAM", "xgradcam"),
        ("Eigen-CAM", "eigencam"),
        ("EigenGradCAM", "eigengradcam"),
        ("Score-CAM", "scorecam"),
        ("GradCAMElementWise", "gradcam_elementwise"),
    ],
)
def test_methods_are_found_by_other_spellings(spelling, name):
    assert METHODS.canonical(spelling) == name
    assert METHODS[spelling].name == name
    assert spelling not in METHODS


def test_other_registries_take_names_as_they_are(fruit):
    with pytest.raises(UsageError, match="did you mean apple"):
        fruit["Apple"]


@pytest.mark.parametrize("name", ["", "++", "cam cam", "グラッド"])
def test_what_is_no_spelling_is_refused(name):
    with pytest.raises(UsageError, match="unknown method"):
        METHODS.canonical(name)
