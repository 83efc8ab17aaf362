"""LRP and Relevance-CAM, against the rules written as loops in float64."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlucida import explain
from camlucida.core.errors import NoEvidenceError, UsageError
from tests.support import nets

pytest.importorskip("zennit", reason="the extra lrp")

LABEL = 1


class Two(nn.Module):
    """features → ReLU → convolution → ReLU → pooling (a bare function, or a module) → head."""

    def __init__(self, bare: bool = True) -> None:
        super().__init__()
        self.features = nn.Conv2d(2, 3, 3, padding=1)
        self.act = nn.ReLU()
        self.second = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.bare = bare

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.second(self.act(self.features(x))))
        pooled = F.adaptive_avg_pool2d(x, 1) if self.bare else self.pool(x)
        return self.head(pooled.flatten(1))


@pytest.fixture
def two() -> tuple[Two, Tensor]:
    return nets.seeded(Two()).double(), nets.images(1, 2, 6, 5).double()


def relevance_by_hand(net: Two, image: Tensor, start: Tensor) -> Tensor:
    """(K, *grid) of ``act``: ε of the head, shares of the mean, z⁺ of the convolution."""
    with torch.no_grad():
        activations = net.act(net.features(image))
        last = net.second(activations).relu()
        pooled = last.mean((2, 3))
        contributions = pooled[0] * net.head.weight  # (labels, K)
        shares = contributions / contributions.sum(1, keepdim=True)
        of_pooled = (start[:, None] * shares).sum(0)
        shares_of_cells = last[0] / last[0].sum((1, 2), keepdim=True).clamp(min=1e-12)
        of_last = of_pooled[:, None, None] * shares_of_cells
        positive = net.second.weight.clamp(min=0)
        received = F.conv2d(activations, positive, padding=1)
        ratio = of_last / received.clamp(min=1e-12)
        return (activations * F.conv_transpose2d(ratio, positive, padding=1))[0]


def test_lrp_by_hand(two: tuple[Two, Tensor]) -> None:
    net, image = two
    score = float(net(image)[0, LABEL].detach())
    start = torch.zeros(3).double()
    start[LABEL] = score
    expected = relevance_by_hand(net, image, start).sum(0)
    (explanation,) = explain(net, image, LABEL, "lrp", "act")
    torch.testing.assert_close(explanation.raw, expected, rtol=1e-3, atol=1e-4)
    assert float(explanation.raw.sum()) == pytest.approx(score, rel=1e-3)


def test_relevancecam_by_hand(two: tuple[Two, Tensor]) -> None:
    net, image = two
    score = float(net(image)[0, LABEL].detach())
    start = torch.full((3,), -score / 2).double()
    start[LABEL] = score
    relevance = relevance_by_hand(net, image, start)
    with torch.no_grad():
        activations = net.act(net.features(image))[0]
    expected = torch.einsum("k,kij->ij", relevance.sum((1, 2)), activations)
    (explanation,) = explain(net, image, LABEL, "relevancecam", "act")
    torch.testing.assert_close(explanation.raw, expected, rtol=1e-3, atol=1e-4)


def test_a_bare_pooling_is_ruled_like_a_module(two: tuple[Two, Tensor]) -> None:
    net, image = two
    (bare,) = explain(net, image, LABEL, "lrp", "second")
    net.bare = False
    (module,) = explain(net, image, LABEL, "lrp", "second")
    torch.testing.assert_close(bare.raw, module.raw)
    assert bare.raw.std() > 0.1 * bare.raw.abs().mean()  # by the plain gradient it would be flat


@pytest.mark.parametrize("in_place", [False, True])
def test_a_residual_sum_shares_the_relevance(in_place: bool) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(1, 3, 3, padding=1)
            self.conv = nn.Conv2d(3, 3, 1)
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.features(x).relu()
            y = self.conv(x).relu()
            if in_place:
                y += x
            else:
                y = y + x
            return self.head(y.mean((2, 3)))

    net = nets.seeded(Block()).double()
    (explanation,) = explain(net, nets.images(1, 1, 5, 5).double(), LABEL, "lrp", "features")
    assert float(explanation.raw.sum()) == pytest.approx(explanation.score, rel=0.05)


def test_a_sum_for_its_effect_alone_is_refused() -> None:
    class Effect(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(1, 3, 3)
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.features(x).relu()
            y = self.conv(x)
            y.add_(x)
            return y.mean((2, 3))

    net = nets.seeded(Effect()).double()
    with pytest.raises(NoEvidenceError, match="gives another score"):
        explain(net, nets.images(1, 1, 5, 5).double(), LABEL, "lrp", "features")


def test_gates_are_refused_in_one_line() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(1, 3, 3)
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.features(x).relu()
            return self.head((x * x.mean((2, 3), keepdim=True).sigmoid()).mean((2, 3)))

    net = nets.seeded(Gated()).double()
    for name in ("lrp", "relevancecam"):
        with pytest.raises(
            NoEvidenceError, match="multiplies or normalises activations by each other"
        ):
            explain(net, nets.images(1, 1, 5, 5).double(), LABEL, name, "features")


def test_relevancecam_needs_other_labels() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(NoEvidenceError, match="there are none for this target"):
        explain(net, torch.rand(1, 1, 3, 3), "output+", "relevancecam", "0", task="regression")


def test_a_region_of_a_segmentation() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    net = nets.seeded(net).double()
    net[2].bias.data.zero_()
    net[2].weight.data[1].abs_()
    net[2].weight.data[0] = -net[2].weight.data[1]
    (e,) = explain(net, nets.images(1, 1, 6, 6).double(), 1, "lrp", "0", task="segmentation")
    assert float(e.raw.sum()) == pytest.approx(e.score, rel=0.05)


def test_the_model_is_left_as_it_was(two: tuple[Two, Tensor]) -> None:
    net, image = two
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pictures = [explain(net, image, LABEL, "lrp", "act")[0].raw for _ in range(2)]
    assert torch.equal(*pictures)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_without_zennit_one_line_says_what_to_install(
    two: tuple[Two, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zennit.composites", None)
    with pytest.raises(UsageError, match=r"camlucida\[lrp\]"):
        explain(*two, LABEL, "lrp", "act")
