"""Where a method is not defined as in its paper, the map stays sane and the record says so."""

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.methods import METHODS, eigencam
from camlucida.core.messages import Message
from camlucida.core.tensors import unsigned_component
from tests.support import nets

gradcam_pp = METHODS["gradcam_pp"].run


def _signed(total: float) -> Tensor:
    """One channel of four cells with this sum, its largest cell 1."""
    return torch.tensor([[[[1.0, total - 1.0], [0.0, 0.0]]]], dtype=torch.float64)


@pytest.mark.parametrize("total", [-1.9, -1.999999, -2.0, -2.000001, -2.1, -50.0])
def test_gradcam_pp_neither_blows_up_nor_flips_at_the_pole(total: float) -> None:
    activations = _signed(total)
    gradients = torch.ones_like(activations)
    maps = gradcam_pp(activations, gradients)
    # α = ½ in four cells, the paper's largest.
    torch.testing.assert_close(maps[0, 0, 0], torch.tensor(2.0, dtype=torch.float64))
    (caution,) = METHODS["gradcam_pp"].caution(maps, activations, gradients)
    assert caution == Message("caution.pole", {"channels": 1, "total": 1})


def test_gradcam_pp_of_rectified_activations_is_the_paper_s() -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.rand(2, 5, 3, 4, generator=generator)
    gradients = torch.randn(2, 5, 3, 4, generator=generator)
    total = activations.sum((2, 3), keepdim=True)
    alpha = gradients**2 / (2 * gradients**2 + gradients**3 * total)
    weights = (alpha * gradients.relu()).sum((2, 3), keepdim=True)
    expected = (weights * activations).sum(1)
    maps = gradcam_pp(activations, gradients)
    torch.testing.assert_close(maps, expected)
    assert METHODS["gradcam_pp"].caution(maps, activations, gradients) == [None, None]


def test_gradcam_pp_depends_on_the_unit_of_the_score() -> None:
    activations = torch.tensor([[[[4.0, 0.0]], [[0.0, 1.0]]]])
    gradients = torch.tensor([[[[1.0, 1.0]], [[1.0, 1.0]]]])
    low, high = (gradcam_pp(activations, unit * gradients) for unit in (1e-3, 1e3))
    ratios = [float(raw[0, 0, 0] / raw[0, 0, 1]) for raw in (low, high)]
    assert ratios == pytest.approx([4, 1], rel=0.01)


@pytest.mark.parametrize("name", ["eigencam", "eigengradcam"])
def test_a_component_of_no_determined_sign_is_unsigned_and_says_so(name: str) -> None:
    odd = torch.tensor([[[[2.0, -2.0, 0.5]], [[-2.0, 2.0, -0.5]]]])
    ones = torch.ones_like(odd)
    for features in (odd, -odd):
        raw = METHODS[name].run(features, ones)
        torch.testing.assert_close(raw, 2**0.5 * odd[:, 0].abs())
        assert METHODS[name].caution(raw, features, ones) == [Message("caution.orientation")]


@pytest.mark.parametrize("name", ["eigencam", "kpcacam"])
def test_rounding_does_not_choose_the_sign_behind_a_layer_norm_without_weights(name: str) -> None:
    """Its channels have the mean 0 in every cell: what their sum varies by is rounding."""
    tokens = nets.images(1, 64, 32)
    tokens[:, 20:30] += 3 * nets.images(1, 1, 32, seed=1)
    normalised = nn.functional.layer_norm(tokens, (32,)).mT.reshape(1, 32, 8, 8)
    for channels in (torch.arange(32), torch.arange(32).flip(0), torch.randperm(32)):
        features = normalised[:, channels]
        raw = METHODS[name].run(features)
        assert bool((raw >= 0).all())
        ones = torch.ones_like(features)
        assert METHODS[name].caution(raw, features, ones) == [Message("caution.orientation")]


@pytest.mark.parametrize("name", ["eigencam", "eigengradcam"])
def test_the_component_is_computed_once_for_a_map_and_its_caution(name, monkeypatch) -> None:
    computed: list[int] = []

    def counted(features: Tensor, orient: Tensor) -> tuple[Tensor, Tensor]:
        computed.append(len(features))
        return unsigned_component(features, orient)

    monkeypatch.setattr(eigencam, "unsigned_component", counted)
    net = nn.Sequential(nn.Conv2d(1, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    explain(net, torch.rand(2, 1, 4, 4), 1, name, layer="0")
    assert computed == [2]


def test_equal_singular_values_have_no_first_component() -> None:
    features = torch.tensor([[[[3.0, 0.0]], [[0.0, 3.0]]]])
    maps, determined = unsigned_component(features, features.sum(1))
    assert not determined.any()
    assert (maps >= 0).all()


def test_activations_after_a_relu_have_a_determined_sign() -> None:
    """Also where the map correlates negatively with the sum of the channels."""
    strong = torch.tensor([5.0, 5.0, 5.2, 5.0])
    weak = torch.tensor([1.0, 1.0, 0.0, 1.0])
    features = torch.stack([strong, weak]).reshape(1, 2, 2, 2)
    maps, determined = unsigned_component(features, features.sum(1))
    assert determined.all()
    assert (maps > 0).all()


def test_the_record_of_the_map_carries_the_caution() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[:, :1].mean((2, 3)) * x.new_tensor([[400.0, -1.0]])

    x = torch.tensor([[[[2.0, -2.0], [-1.5, 0.5]], [[-2.0, 2.0], [1.5, -0.5]]]])
    pair = explain(Odd(), x, 0, ["eigencam", "gradcam_pp", "gradcam"], layer="layer")
    codes = [[warning.code for warning in e.scan.warnings] for e in pair]
    assert codes == [["caution.orientation"], ["caution.pole"], []]


class _Normalised(nn.Module):
    """Cells that a LayerNorm over channels takes before they are pooled."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.norm, self.head = (
            nn.Conv2d(3, 16, 4, 4),
            nn.LayerNorm(16),
            nn.Linear(16, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, 2)."""
        cells = self.norm(100 * self.layer(x).movedim(1, -1))
        return self.head(cells.tanh().mean((1, 2)))


def test_hirescam_before_a_layer_norm_is_rounding_and_says_so() -> None:
    """No scale of a cell passes a LayerNorm, so that Σ g A = 0 in each: Euler's theorem."""
    x = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    net = _Normalised().eval()
    for e in explain(net, x, 1, "hirescam", layer="layer"):
        assert [warning.code for warning in e.scan.warnings] == ["caution.cancels"]
        assert float(e.raw.abs().max()) < 1e-5
    for e in explain(net, x, 1, ["hirescam", "gradcam"], layer="norm"):
        assert not e.scan.warnings
        assert float(e.raw.abs().max()) > 1e-3
    assert not explain(net, x, 1, "gradcam", layer="layer")[0].scan.warnings


class Behind(nn.Module):
    """A convolution, what takes the mean over places away, and a head."""

    def __init__(self, normal: nn.Module) -> None:
        super().__init__()
        self.conv, self.normal = nn.Conv2d(1, 5, 3, padding=1), normal
        self.act, self.head = nn.LeakyReLU(), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.normal(self.conv(x))).flatten(2).square().mean(2))


class SoftmaxOverPlaces(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).softmax(2).view_as(x)


@pytest.mark.parametrize(
    ("normal", "method", "code"),
    [
        (nn.InstanceNorm2d(5), "gradcam", ["caution.weights"]),
        (nn.InstanceNorm2d(5, affine=True), "xgradcam", ["caution.weights"]),
        (nn.InstanceNorm2d(5), "gradcam:aug", ["caution.weights"]),
        (nn.InstanceNorm2d(5), "gradcam_elementwise", []),
        (SoftmaxOverPlaces(), "gradcam", ["caution.weights"]),
        (nn.BatchNorm2d(5), "gradcam", []),
        (nn.GroupNorm(1, 5), "gradcam", []),
        (nn.Identity(), "xgradcam", []),
    ],
)
def test_weights_before_what_no_constant_passes_are_rounding(normal, method, code) -> None:
    model = nets.seeded(Behind(normal))
    for e in explain(model, nets.images(2, 1, 12, 12), 0, method, "conv"):
        assert [warning.code for warning in e.scan.warnings] == code
    for e in explain(model, nets.images(2, 1, 12, 12), 0, method, "act"):
        assert not e.scan.warnings
