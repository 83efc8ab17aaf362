"""RefineCAM: which layers it multiplies, and their product."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.core.errors import NoEvidenceError
from camlucida.figures.overlay import caption
from tests.support import nets
from tests.support.reference import cams


class Staged(nn.Module):
    """A stem and four stages of two convolutions, each of half the cells an axis, and a head."""

    def __init__(self, channels: int = 1, dims: int = 2) -> None:
        super().__init__()
        conv = nn.Conv3d if dims == 3 else nn.Conv2d
        self.stem = conv(channels, 4, 3, padding=1)
        stages = []
        for _ in range(4):
            first = conv(4, 4, 3, stride=2, padding=1)
            stages.append(nn.Sequential(first, nn.ReLU(), conv(4, 4, 3, padding=1), nn.ReLU()))
        self.stages = nn.ModuleList(stages)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.flatten(2).mean(2))


LAYERS = ["stages.0", "stages.1", "stages.2", "stages.3"]


@pytest.fixture(scope="module")
def staged() -> tuple[Staged, Tensor]:
    return nets.seeded(Staged()).double(), nets.images(2, 1, 32, 48).double()


def test_refinecam_is_the_product_of_grad_cam_pp(staged: tuple[Staged, Tensor]) -> None:
    net, images = staged
    targets = [0, 2]
    refined = explain(net, images, targets, "refinecam")
    single = explain(net, images, targets, "gradcam_pp", LAYERS)
    seen = 0
    for number, each in enumerate(refined):
        maps = [e.raw.numpy() for e in single[4 * number : 4 * number + 4]]
        assert each.grid == maps[0].shape == (16, 24)
        if all(values.max() > 0 for values in maps):
            seen += 1
            expected = cams.refinecam(maps, each.grid)
            assert expected.max() > 0
            np.testing.assert_allclose(each.raw, expected, rtol=1e-6, atol=1e-12)
        else:
            assert not each.raw.any()
    assert seen > 1


def test_the_stages_are_chosen_and_named(staged: tuple[Staged, Tensor]) -> None:
    net, images = staged
    (explanation,) = explain(net, images[:1], 0, "refinecam", layer="stem")
    assert explanation.layer == "(input)"
    assert explanation.provenance["fused"] == {"how": "product", "layers": LAYERS}
    shown = f"product({', '.join(LAYERS)})"
    assert explanation.shown_layer == shown
    assert shown in caption(explanation)


def test_a_batch_is_its_images(staged: tuple[Staged, Tensor]) -> None:
    net, images = staged
    both = explain(net, images, 1, "refinecam")
    alone = explain(net, images[1:], 1, "refinecam")[0]
    torch.testing.assert_close(both[1].raw, alone.raw)


def test_volumes() -> None:
    net = nets.seeded(Staged(dims=3))
    (explanation,) = explain(net, nets.images(1, 1, 16, 16, 32), 0, "refinecam")
    assert explanation.grid == (8, 8, 16)


def test_a_layer_without_evidence_makes_the_map_empty(staged: tuple[Staged, Tensor]) -> None:
    net, images = staged
    with torch.no_grad():
        net.stages[3][2].bias -= 1e9
    try:
        (explanation,) = explain(net, images[:1], 0, "refinecam")
    finally:
        with torch.no_grad():
            net.stages[3][2].bias += 1e9
    assert not explanation.raw.any()
    assert str(explanation.empty_reason)


def test_one_grid_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(NoEvidenceError, match=r"this network has one \(choose gradcam_pp\)"):
        explain(net, nets.images(1, 1, 6, 6), 0, "refinecam")


class Frozen(Staged):
    """Its first stages run without a graph, as a frozen encoder does."""

    def __init__(self, block: type, count: int) -> None:
        super().__init__()
        self.block, self.count = block, count

    def forward(self, x: Tensor) -> Tensor:
        with self.block():
            x = self.stem(x)
            for stage in self.stages[: self.count]:
                x = stage(x)
            x = 1.5 * x
        for stage in self.stages[self.count :]:
            x = stage(x.clone())
        return self.head(x.flatten(2).mean(2))


@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_earlier_layers_without_a_gradient_are_refused(block: type, count: int) -> None:
    """They would be left out of the product, which is then another method's."""
    net, images = nets.seeded(Frozen(block, count)), nets.images(2, 1, 32, 48)
    with pytest.raises(NoEvidenceError, match=r"does not reach layer stages\.\d, on which"):
        explain(net, images, 1, "refinecam")
    with pytest.raises(NoEvidenceError, match=r"or choose gradcam_pp, whose map is of one layer"):
        explain(net, images, 1, "refinecam")
    with pytest.raises(NoEvidenceError, match=r"does not reach layer stages\.0, on which"):
        explain(net, images, 1, "gradcam", ["stages.0", "stages.3"])


def test_a_frozen_stem_takes_no_part() -> None:
    net = nets.seeded(Frozen(torch.no_grad, 0))
    (explanation,) = explain(net, nets.images(1, 1, 32, 48), 1, "refinecam")
    assert explanation.provenance["fused"]["layers"] == LAYERS


def test_a_layer_beside_the_way_of_the_score_is_no_part_of_the_product() -> None:
    class Aside(Staged):
        def forward(self, x: Tensor) -> Tensor:
            self.stages[0](self.stem(x))
            for stage in self.stages[1:]:
                x = stage(x.expand(-1, 4, -1, -1))
            return self.head(x.flatten(2).mean(2))

    (explanation,) = explain(nets.seeded(Aside()), nets.images(1, 1, 32, 48), 1, "refinecam")
    assert explanation.provenance["fused"]["layers"] == LAYERS[1:]


def test_a_constant_score_is_refused_as_by_others() -> None:
    class Constant(Staged):
        def forward(self, x: Tensor) -> Tensor:
            return 0 * super().forward(x).detach() + 1

    net = nets.seeded(Constant())
    for method in ("refinecam", "gradcam"):
        with pytest.raises(NoEvidenceError, match=r"of 1 does not depend on layer stages"):
            explain(net, nets.images(1, 1, 32, 48), 1, method)
