"""One map of several layers, against what follows from the definition."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from camlucida import explain
from camlucida.attribution.layer_fusion import FUSIONS, fused
from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.core.messages import Message
from tests.support import nets
from tests.support.explanations import explanation
from tests.support.reference import cams

COARSE = explanation([[0.0, 4.0]], size=(2, 4))
FINE = explanation([[1.0, 0.0, 2.0, 0.5], [0.0, 0.0, 0.0, 2.0]], size=(2, 4))
SIGNED = explanation([[-1.0, 0.5]], relu=False, size=(2, 4))

ENLARGED = np.array([[0, 0.25, 0.75, 1]] * 2)
SCALED = np.array([[0.5, 0, 1, 0.25], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", (ENLARGED + SCALED) / 2),
        ("max", np.maximum(ENLARGED, SCALED)),
        ("product", ENLARGED * SCALED),
        ("layercam", np.maximum(np.tanh(2 * ENLARGED), np.tanh(2 * SCALED))),
    ],
)
def test_values_on_the_finest_grid(how, expected):
    for order in ([COARSE, FINE], [FINE, COARSE]):
        result = fused(order, how)
        np.testing.assert_allclose(result.raw, expected, atol=1e-6)
        assert result.provenance["unit"] == "none"
        assert result.provenance["fused"]["how"] == how
    assert result.layer == f"{how}({FINE.layer}, {COARSE.layer})"


def test_the_largest_magnitude_keeps_its_sign():
    other = replace(SIGNED, raw=torch.tensor([[0.2, 0.4]]))
    assert fused([SIGNED, other], "max").raw.tolist() == [[-1.0, 1.0]]
    assert fused([SIGNED, other], "mean").raw.tolist() == [[-0.25, 0.75]]


def test_the_relu_of_the_method_comes_first():
    both = replace(SIGNED, relu=True)
    assert fused([both, both], "mean").raw.tolist() == [[0.0, 1.0]]


def test_a_map_without_evidence_counts_as_zero():
    empty = replace(COARSE, raw=torch.zeros(1, 2), empty_reason=Message("empty.gradient"))
    assert fused([empty, COARSE], "mean").raw.tolist() == [[0.0, 0.5]]
    assert fused([empty, COARSE], "product").empty_reason == Message("empty.zero")


def test_what_cannot_be_fused():
    with pytest.raises(NoEvidenceError, match="a product of maps with both signs"):
        fused([SIGNED, SIGNED], "product")
    with pytest.raises(UsageError, match="one layer"):
        fused([FINE], "mean")
    with pytest.raises(UsageError, match="different images, targets or methods"):
        fused([FINE, replace(COARSE, target="another")], "mean")
    with pytest.raises(UsageError, match="unknown fusion 'men'"):
        fused([FINE, COARSE], "men")


@pytest.mark.parametrize("how", FUSIONS)
def test_layers_of_a_network(how):
    net, inputs = nets.seeded(nets.Cnn()), nets.images(2, 3, 12, 10)
    maps = explain(net, inputs, 1, "gradcam", ["stem", "features"])
    for pair in (maps[:2], maps[2:]):
        result = fused(pair, how)
        assert result.grid == pair[0].grid
        assert float(result.raw.max()) <= 1
        assert result.map().shape == (12, 10)


def test_refinecam_is_the_product_of_grad_cam_pp():
    net, inputs = nets.seeded(nets.Cnn()).double(), nets.images(1, 3, 12, 10).double()
    maps = explain(net, inputs, 1, "gradcam_pp", ["stem", "features"])
    expected = cams.refinecam([e.raw.numpy() for e in maps], maps[0].grid)
    assert expected.max() > 0
    np.testing.assert_allclose(fused(maps, "product").raw, expected, rtol=1e-6)
