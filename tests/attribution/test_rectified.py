"""Layers before their ReLU are explained as the network uses them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camlucida import explain
from camlucida.attribution.capture import capture
from camlucida.attribution.rectified import positive_part
from camlucida.figures.records import record
from camlucida.models.state import frozen

METHODS = (
    "gradcam",
    "gradcam_pp",
    "xgradcam",
    "layercam",
    "hirescam",
    "eigencam",
    "ablationcam",
    "scorecam",
    "cam",
)


def _relu_in_place(x: Tensor) -> Tensor:
    F.relu(x, inplace=True)
    return x


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu in place, result unused": _relu_in_place,
    "torch.relu": torch.relu,
    "x.relu()": lambda x: x.relu(),
    "x.relu_()": lambda x: x.relu_(),
    "x.clamp(min=0)": lambda x: x.clamp(min=0),
    "torch.clamp": lambda x: torch.clamp(x, 0),
    "x.clamp_min(0)": lambda x: x.clamp_min(0),
    "F.threshold": lambda x: F.threshold(x, 0, 0),
    "twice": lambda x: F.relu(x) / 2 + F.relu(x) / 2,
    # Of no ReLU that a call would show: seen by the gradient.
    "torch.maximum": lambda x: torch.maximum(x, torch.zeros(())),
    "x * (x > 0)": lambda x: x * (x > 0),
    "torch.where": lambda x: torch.where(x > 0, x, 0.0),
    "(x + |x|) / 2": lambda x: (x + x.abs()) / 2,
    "x[x < 0] = 0": lambda x: torch.index_put(x, (x < 0,), torch.zeros(())),
    "channels last": lambda x: x.movedim(1, -1).relu().movedim(-1, 1),
}


class Net(nn.Module):
    """A convolution, a ReLU that is no module, and a head without a mean over the grid."""

    def __init__(self, relu: Callable[[Tensor], Tensor], head: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.relu = relu
        self.mix = nn.Conv2d(6, 4, 3) if head else nn.Identity()
        self.fc = nn.Linear(4 if head else 6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(self.relu(self.norm(self.conv(x))))
        return self.fc(x.mean((2, 3)))


def _images() -> Tensor:
    return torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", RELUS)
def test_the_map_is_that_of_a_relu_module_in_its_position(name: str) -> None:
    module, function = Net(nn.ReLU()), Net(RELUS[name])
    expected = explain(module, _images(), [0, 1], METHODS, layer="relu")
    maps = explain(function, _images(), [0, 1], METHODS, layer="norm")
    for one, other in zip(expected, maps):
        torch.testing.assert_close(other.raw, one.raw, rtol=0, atol=1e-6)
        assert other.layer == "norm"
        assert other.provenance["activation"] == "relu"
        assert "activation" not in one.provenance


@pytest.mark.parametrize("name", ["F.relu", "F.relu in place"])
def test_the_gradient_is_that_of_the_rectified_activation(name: str) -> None:
    methods = [method for method in METHODS if method != "cam"]
    expected = explain(Net(nn.ReLU(), True), _images(), 1, methods, layer="relu")
    maps = explain(Net(RELUS[name], True), _images(), 1, methods, layer="norm")
    for one, other in zip(expected, maps):
        torch.testing.assert_close(other.raw, one.raw, rtol=0, atol=1e-6)


def test_grad_cam_by_hand() -> None:
    net = Net(F.relu, head=True).eval()
    kept: list[Tensor] = []

    def relu(x: Tensor) -> Tensor:
        kept.append(F.relu(x).detach().requires_grad_())
        return kept[0]

    (e,) = explain(net, _images()[:1], 1, layer="norm")
    net.relu = relu
    score = net(_images()[:1])[0, 1]
    (gradient,) = torch.autograd.grad(score, kept[0])
    by_hand = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)[0].detach()
    torch.testing.assert_close(e.raw, by_hand, rtol=0, atol=1e-6)


def test_pre_gives_the_layer_as_it_is() -> None:
    net = Net(F.relu)
    raw, used = explain(net, _images()[:1], 0, "eigencam", ["norm:pre", "norm"])
    assert (raw.layer, used.layer) == ("norm:pre", "norm")
    assert "activation" not in raw.provenance
    assert (used.raw >= 0).all()
    records = [record(e, {}) for e in (raw, used)]
    assert [entry["activation"] for entry in records] == [None, "relu"]
    assert records[1]["activation_note"].code == "activation.rectified"
    identity = Net(nn.Identity())
    (expected,) = explain(identity, _images()[:1], 0, "eigencam", "norm")
    torch.testing.assert_close(raw.raw.abs(), expected.raw.abs())


@pytest.mark.parametrize(
    "function",
    [F.gelu, F.silu, F.leaky_relu, F.elu, lambda x: x.clamp(min=-1), lambda x: x + F.relu(x)],
)
def test_another_function_or_a_second_use_leaves_the_layer_as_it_is(
    function: Callable[[Tensor], Tensor],
) -> None:
    (e,) = explain(Net(function), _images()[:1], 0, layer="norm")
    assert "activation" not in e.provenance


def test_a_pooling_before_the_relu_is_no_hindrance() -> None:
    net = Net(lambda x: F.relu(F.max_pool2d(x, 2)), head=True)
    (used, raw) = explain(net, _images()[:1], 1, "eigencam", ["norm", "norm:pre"])
    assert (used.provenance["activation"], raw.provenance.get("activation")) == ("relu", None)
    other = Net(lambda x: F.max_pool2d(F.relu(x), 2), head=True)  # the same function
    methods = [method for method in METHODS if method != "cam"]
    pairs = zip(
        explain(net, _images(), 1, methods, "norm"), explain(other, _images(), 1, methods, "norm")
    )
    for one, two in pairs:
        torch.testing.assert_close(one.raw, two.raw, rtol=0, atol=1e-6)


def test_the_largest_cell_of_each_channel_is_no_positive_part() -> None:
    """Its gradient is 0 wherever the layer is negative, by chance of the image."""
    net = Net(lambda x: x.amax((2, 3), keepdim=True))
    (e,) = explain(net, _images()[:1], 0, layer="norm")
    assert "activation" not in e.provenance


def test_a_residual_sum_is_a_use_of_its_own() -> None:
    class Residual(Net):
        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            y = self.norm(x)
            y += x
            return self.fc(F.relu(y, inplace=True).mean((2, 3)))

    (e,) = explain(Residual(F.relu), _images()[:1], 0, layer="norm")
    assert "activation" not in e.provenance


def test_an_upper_bound_is_part_of_the_activation() -> None:
    (e,) = explain(Net(F.relu6), _images()[:1], 0, layer="norm")
    (expected,) = explain(Net(nn.ReLU6()), _images()[:1], 0, layer="relu")
    assert e.provenance["activation"] == "relu6"
    torch.testing.assert_close(e.raw, expected.raw)


def test_a_container_hands_on_what_its_last_module_returned() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6))
            self.fc = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(F.relu(self.features(x), inplace=True).mean((2, 3)))

    layers = ["features", "features.1", "auto", "features.1:pre"]
    net = Nested()
    whole, last, auto, raw = explain(net, _images()[:1], 0, "eigencam", layers)
    torch.testing.assert_close(whole.raw, last.raw)
    torch.testing.assert_close(auto.raw, last.raw)
    assert [e.provenance.get("activation") for e in (whole, last, auto, raw)] == [
        *["relu"] * 3,
        None,
    ]
    (alone,) = explain(net, _images()[:1], 0, "eigencam", "features.1")
    torch.testing.assert_close(alone.raw, last.raw)


def test_the_model_computes_what_it_always_does() -> None:
    net = Net(RELUS["F.relu in place, result unused"]).eval()
    with frozen(net):
        forward = capture(net, (_images(),), ["norm"])
    with torch.no_grad():
        torch.testing.assert_close(forward.output.output, net(_images()), rtol=0, atol=0)


def test_densenet_is_explained_after_its_functional_relu() -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    net = torchvision.models.DenseNet(4, (1, 1, 1, 1), 8, num_classes=3).eval()
    image = torch.randn(1, 3, 64, 64)
    pair = explain(net, image, 0, ["gradcam", "eigencam"])
    assert {e.layer for e in pair} == {"features.norm5"}
    assert {str(e.provenance["activation_note"]) for e in pair} == {
        "features.norm5 is explained after its relu, as the network uses it "
        "(features.norm5:pre explains it before)"
    }
    with torch.no_grad():
        activations = F.relu(net.features(image))[0]
    weights = net.classifier.weight[0].detach() / activations[0].numel()
    expected = torch.einsum("k,kij->ij", weights, activations)
    torch.testing.assert_close(pair[0].raw, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_what_stands_for_zero_is_small_and_no_subnormal_number_behind_a_small_scale(dtype) -> None:
    """With subnormal numbers a convolution takes a hundred times as long."""
    kept, onward = positive_part(torch.tensor([[[-1.0, 0.0, 2.0]]], dtype=dtype))
    assert kept.activations.tolist() == [[[0, 0, 2]]]
    zeros = onward[..., :2]
    assert onward[..., 2] == 2
    assert 0 < zeros.min() <= zeros.max() < 1e-4
    if dtype is not torch.float16:  # whose smallest normal number is not small
        assert (zeros * 1e-6).min() >= torch.finfo(dtype).tiny


class OwnMode(Net):
    """Its layers run within a function mode, which ends before the head."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.device("cpu"):
            x = self.norm(self.conv(x))
        return self.fc(self.mix(self.relu(x)).mean((2, 3)))


def test_a_model_with_a_function_mode_of_its_own() -> None:
    expected, net = Net(F.relu), OwnMode(F.relu)
    for _ in range(2):
        (alone,) = explain(net, _images()[:1], 0, "gradcam", "norm")
        (other,) = explain(expected, _images()[:1], 0, "gradcam", "norm")
        torch.testing.assert_close(alone.raw, other.raw)
        assert alone.provenance["activation"] == other.provenance["activation"] == "relu"
    assert torch.overrides._get_current_function_mode_stack() == []
