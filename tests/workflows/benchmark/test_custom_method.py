"""A method of the user's own: loaded by its path, checked at each call, forgotten after the run."""

from __future__ import annotations

import pytest
import torch

from camlucida import explain
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import UsageError
from camlucida.workflows.benchmark.arms import methods
from camlucida.workflows.benchmark.custom_method import custom_method, registered

CODE = """
import torch

def cam(activations, gradients):
    return (activations * gradients).sum(1)

def probed(probe):
    return probe.activations.mean(1).expand(len(probe.scores), *probe.activations.shape[2:]).clone()

def three(a, b, c): ...
def small(activations, gradients): return activations[:, 0, :1]
def whole(activations, gradients): return activations[:, 0].long()
def listed(activations, gradients): return [1.0]
def endless(activations, gradients): return activations[:, 0] / 0
def broken(activations, gradients): raise KeyError("x")
number = 3
"""


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "own_cams_for_test.py").write_text(CODE)
    (tmp_path / "own_broken_for_test.py").write_text("1 / 0")
    (tmp_path / "own_needy_for_test.py").write_text("import no_such_package_for_test")
    monkeypatch.chdir(tmp_path)


def net():
    torch.manual_seed(0)
    layers = (
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
    return torch.nn.Sequential(*layers)


def test_both_shapes_are_distinguished_and_work():
    assert custom_method("own_cams_for_test:cam").kind == "gradient"
    assert custom_method("own_cams_for_test:probed").kind == "probe"
    model, image = net(), torch.rand(1, 1, 8, 8)
    with registered(
        ["own_cams_for_test:cam", "own_cams_for_test:probed", "own_cams_for_test:cam"]
    ) as names:
        assert names == ("own_cams_for_test:cam", "own_cams_for_test:probed")
        custom, ours, probed = explain(
            model, image, target=0, method=[names[0], "hirescam", names[1]], layer="1"
        )
        assert torch.equal(custom.raw, ours.raw)
        assert probed.grid == (6, 6)
    assert not set(names) & set(METHODS)


def test_a_slow_method_or_one_with_an_extra_is_scored_where_it_is_named():
    assert not {"sscam", "iscam", "lrp", "relevancecam"} & set(methods())
    with registered(["sscam"]) as names:
        assert names == ("sscam",)
    assert "sscam" in METHODS
    with (
        pytest.raises(UsageError, match="the benchmark's models have none"),
        registered(["legrad"]),
    ):
        pass


def test_maps_of_pixels_are_means_over_the_cells_of_the_layer():
    model, image = net(), torch.rand(1, 1, 8, 8)
    (pixels,) = explain(model, image, target=0, method="input_x_gradient")
    with registered(["input_x_gradient"]):
        (cells,) = explain(model, image, target=0, method="input_x_gradient", layer="1")
    assert (cells.grid, cells.layer) == ((6, 6), "1")
    expected = torch.nn.functional.adaptive_avg_pool2d(pixels.raw[None], (6, 6))[0]
    torch.testing.assert_close(cells.raw, expected)
    assert METHODS["input_x_gradient"].kind == "input"


def test_all_is_every_method_that_the_models_can_have():
    with registered(["all"]) as names:
        assert {"sscam", "rise", "lrp", "kpcacam", "guided_gradcam", "refinecam"} < set(names)
        assert not {"legrad", "sobel"} & set(names)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gradcamm", "all of them (all), or your own as module:function"),
        ("no_module_for_test:f", "there is no module 'no_module_for_test'"),
        ("own_cams_for_test:cma", "has no function 'cma' (did you mean cam?)"),
        ("own_cams_for_test:number", "has no function 'number'"),
        ("own_cams_for_test:three", "takes 3 arguments"),
        ("own_broken_for_test:f", "cannot be imported: ZeroDivisionError"),
        ("own_needy_for_test:f", "cannot be imported: No module named 'no_such_package_for_test'"),
    ],
)
def test_a_wrong_path_is_one_line(path, words):
    with pytest.raises(UsageError) as error:
        custom_method(path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("small", "returned shape (1, 1, 6)"),
        ("whole", "returned a tensor of torch.int64"),
        ("listed", "returned a list"),
        ("endless", "not finite"),
        ("broken", "failed: KeyError: 'x'"),
    ],
)
def test_a_wrong_result_is_an_error_of_one_line(name, words):
    path = f"own_cams_for_test:{name}"
    with registered([path]), pytest.raises(UsageError) as error:
        explain(net(), torch.rand(1, 1, 8, 8) - 5, target=0, method=path, layer="0")
    assert words in str(error.value)
    assert path in str(error.value)
    assert path not in METHODS
