import pytest

from camlucida.core import errors
from camlucida.core.errors import CamlucidaError, did_you_mean

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CamlucidaError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_one_line_of_what_and_how_to_mend(kind):
    error = kind("the   image\nis torn", "use\n  glue")
    assert (str(error), error.what, error.fix) == (
        "the image is torn (use glue)",
        "the image is torn",
        "use glue",
    )
    assert str(kind("the image is torn")) == "the image is torn"


@pytest.mark.parametrize(
    ("requested", "names", "expected"),
    [
        ("gradcma", ["gradcam", "eigencam"], "did you mean gradcam?"),
        ("GRADCAM", ["gradcam"], "did you mean gradcam?"),
        ("effusion", ["Pleural Effusion", "Mass"], "did you mean Pleural Effusion?"),
        ("x", ["aaa", "bbb"], "known: aaa, bbb"),
        ("x", [], "none are known"),
        (
            "zz",
            [f"n{i}" for i in range(20)],
            "known: n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, … (20 in all)",
        ),
    ],
)
def test_did_you_mean(requested, names, expected):
    assert did_you_mean(requested, names) == expected
