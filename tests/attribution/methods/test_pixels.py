"""Maps of the image's pixels, against what follows from their definitions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.guided import GuidedReLUs
from camlucida.attribution.identical import identical_methods
from camlucida.core.errors import LayerError, NoEvidenceError, UsageError
from camlucida.core.noise import noisy
from camlucida.core.tensors import resize
from tests.support import nets

PIXELS = [
    *("input_x_gradient", "smoothgrad", "integrated_gradients", "expected_gradients"),
    *("guided_backprop", "fullgrad"),
]


class Rectified(nn.Module):
    """Convolution and normalisation with biases, ReLUs of both kinds, pooling, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 5, 3, padding=1)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.first(x)))
        return self.head(F.relu(self.second(x)).mean((2, 3)))


@pytest.fixture
def rectified() -> tuple[Rectified, Tensor]:
    net = nets.seeded(Rectified()).double()
    net.norm.running_mean += 0.3
    net.norm.running_var *= 1.7
    return net, nets.images(2, 2, 6, 7).double()


def gradient(net: nn.Module, images: Tensor, label: int = 1) -> Tensor:
    leaf = images.clone().requires_grad_()
    return torch.autograd.grad(net(leaf)[:, label].sum(), leaf)[0]


def raw(net: nn.Module, images: Tensor, method: str) -> Tensor:
    return torch.stack([e.raw for e in explain(net, images, 1, method)])


def test_input_x_gradient(rectified: tuple[Rectified, Tensor]) -> None:
    net, images = rectified
    expected = (images * gradient(net, images)).sum(1)
    torch.testing.assert_close(raw(net, images, "input_x_gradient"), expected)


def test_smoothgrad_is_the_mean_over_noisy_copies(rectified: tuple[Rectified, Tensor]) -> None:
    net, images = rectified
    copies = noisy(images[1], 25, 0.15)
    expected = sum(gradient(net, copy[None])[0] for copy in copies) / 25
    torch.testing.assert_close(raw(net, images, "smoothgrad")[1], expected.sum(0))


def test_integrated_gradients_by_a_fine_sum(rectified: tuple[Rectified, Tensor]) -> None:
    net, images = rectified
    points = [gradient(net, images * ((i + 0.5) / 2000)) for i in range(2000)]
    expected = (images * sum(points) / 2000).sum(1)
    result = raw(net, images, "integrated_gradients")
    # The gradient jumps where a ReLU opens, so both are estimates.
    assert (result - expected).abs().max() < 0.02 * expected.abs().max()


def test_integrated_gradients_add_up_to_the_difference_of_scores() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 2))
    net, image = nets.seeded(net).double(), nets.images(1, 1, 6, 6).double()
    (explanation,) = explain(net, image, 1, "integrated_gradients")
    difference = (net(image) - net(image * 0))[0, 1].detach()
    assert float(explanation.raw.sum()) == pytest.approx(float(difference), rel=1e-6)
    assert not explanation.scan.warnings


def test_integrated_gradients_say_where_they_do_not_add_up() -> None:
    class Step(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mean = x.mean((1, 2, 3), keepdim=True)
            return ((mean > 0.5) + 0.01 * mean)[:, :, 0, 0]

    (explanation,) = explain(
        Step(), torch.ones(1, 1, 4, 4), "output+", "integrated_gradients", task="regression"
    )
    (warning,) = explanation.scan.warnings
    assert warning.code == "caution.completeness"
    assert warning.values["difference"] == pytest.approx(1.01)


def guided_by_hand(net: Rectified, images: Tensor, label: int) -> Tensor:
    """Springenberg's rule, layer by layer backwards."""
    with torch.no_grad():
        first = net.norm(net.first(images))
        second = net.second(first.relu())
        back = net.head.weight[label][None, :, None, None] / second[0, 0].numel()
        back = (back.expand_as(second) * (second > 0)).clamp(min=0)
        back = F.conv_transpose2d(back, net.second.weight, padding=1)
        back = back.clamp(min=0) * (first > 0)
        scale = net.norm.weight / (net.norm.running_var + net.norm.eps).sqrt()
        return F.conv_transpose2d(back * scale[:, None, None], net.first.weight, padding=1)


def test_guided_backprop_as_in_the_paper(rectified: tuple[Rectified, Tensor]) -> None:
    net, images = rectified
    expected = guided_by_hand(net, images, 1).sum(1)
    torch.testing.assert_close(raw(net, images, "guided_backprop"), expected)


def test_guided_gradcam_is_the_product(rectified: tuple[Rectified, Tensor]) -> None:
    net, images = rectified
    pair = explain(net, images[:1], 1, ["gradcam", "guided_gradcam"], "second")
    enlarged = resize(pair[0].raw.relu()[None], (6, 7))[0]
    expected = enlarged * guided_by_hand(net, images[:1], 1)[0].sum(0)
    torch.testing.assert_close(pair[1].raw, expected)
    assert pair[1].layer == "second"


def test_guided_backprop_leaves_the_gradient_of_others_alone(
    rectified: tuple[Rectified, Tensor],
) -> None:
    net, images = rectified
    before = gradient(net, images)
    raw(net, images, "guided_backprop")
    assert torch.equal(gradient(net, images), before)
    with GuidedReLUs() as relus:
        net(images)
    assert relus.guided == 2


@pytest.mark.parametrize(
    ("part", "words"), [(nn.Tanh(), "runs no ReLU"), (nn.GELU(), "activates by gelu")]
)
def test_guided_backprop_refuses_a_network_without_relus(part: nn.Module, words: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), part, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(NoEvidenceError, match=words):
        explain(net, torch.ones(1, 1, 5, 5), 1, "guided_backprop")


def test_fullgrad_terms_add_up_to_the_score(rectified: tuple[Rectified, Tensor]) -> None:
    """The theorem of the paper; a wrong bias of the normalisation would show as a caution."""
    net, images = rectified
    for explanation in explain(net, images, [0, 1, 2], "fullgrad"):
        assert not explanation.scan.warnings
        assert float(explanation.raw.min()) >= 0


def test_fullgrad_of_a_bent_network_says_so() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(32, 2))
    (explanation,) = explain(nets.seeded(net), nets.images(1, 1, 6, 6), 0, "fullgrad")
    assert [warning.code for warning in explanation.scan.warnings] == ["caution.full_gradients"]


def test_fullgrad_by_hand() -> None:
    """One convolution of 1 × 1 pixel, y = mean of 2x + 3: |x g| over its range, and flat biases."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net[0].weight.data.fill_(2.0)
    net[0].bias.data.fill_(3.0)
    image = torch.tensor([[[[1.0, -2.0], [0.0, 4.0]]]])
    (explanation,) = explain(net, image, "output+", "fullgrad", task="regression")
    assert explanation.raw.tolist() == [[0.25, 0.5], [0.0, 1.0]]


def test_occlusion_of_a_linear_score_is_what_the_windows_hide() -> None:
    weight = nets.images(1, 1, 8, 8).double()

    class Linear(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * weight).sum((1, 2, 3))[:, None]

    (explanation,) = explain(
        Linear(), torch.ones(1, 1, 8, 8).double(), "output+", "occlusion", task="regression"
    )
    expected = torch.zeros(8, 8).double()
    count = torch.zeros(8, 8)
    for row in range(7):
        for column in range(7):
            window = slice(row, row + 2), slice(column, column + 2)
            expected[window] += weight[0, 0][window].sum()
            count[window] += 1
    torch.testing.assert_close(explanation.raw, expected / count)


def test_rise_finds_the_one_pixel_and_is_empty_without_any() -> None:
    class Pixel(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :, 9, 4] * self.weight

    net, image = Pixel(), torch.ones(1, 1, 14, 14)
    net.weight = 1.0
    (explanation,) = explain(net, image, "output+", "rise", task="regression")
    row, column = divmod(int(explanation.raw.argmax()), 14)
    assert max(abs(row - 9), abs(column - 4)) <= 1
    net.weight = 0.0
    (explanation,) = explain(net, image, "output+", "rise", task="regression")
    assert explanation.is_empty


# --- the engine -----------------------------------------------------------------------------------


def test_a_map_of_pixels_is_made_once_whatever_the_layers(
    rectified: tuple[Rectified, Tensor],
) -> None:
    net, images = rectified
    methods = ["gradcam", "input_x_gradient"]
    explanations = explain(net, images, 1, methods, ["first", "second"])
    names = [(e.method, e.layer, e.grid) for e in explanations[:3]]
    grid = (6, 7)
    assert names == [
        ("gradcam", "first", grid),
        ("gradcam", "second", grid),
        ("input_x_gradient", "(input)", grid),
    ]
    assert len(explanations) == 6


def test_maps_of_other_grids_are_not_identical() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 2, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    methods = ["gradcam", "finercam", "guided_gradcam", "input_x_gradient", "occlusion"]
    explanations = explain(nets.seeded(net), nets.images(1, 1, 4, 4), 1, methods, "0")
    assert {e.grid for e in explanations} == {(2, 2), (4, 4)}
    pairs = identical_methods(explanations)
    assert all("input_x_gradient" not in (pair.first, pair.second) for pair in pairs)


def test_results_can_be_requested_again_by_their_layer(rectified: tuple[Rectified, Tensor]) -> None:
    net, images = rectified
    layers = ["second", "(input)"]
    again = explain(net, images[:1], 1, ["gradcam", "input_x_gradient"], layers)
    assert [e.layer for e in again] == layers
    with pytest.raises(UsageError, match="gradcam makes its map at a layer"):
        explain(net, images, 1, "gradcam", "(input)")


@pytest.mark.parametrize("method", PIXELS)
def test_batch_is_singles_and_the_model_is_left_alone(
    rectified: tuple[Rectified, Tensor], method: str
) -> None:
    net, images = rectified
    net.train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        batch = raw(net, images, method)
    singles = torch.cat([raw(net, images[i : i + 1], method) for i in range(2)])
    torch.testing.assert_close(batch, singles)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_several_images_are_refused() -> None:
    class Views(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x.mean((2, 3)) + y.mean((2, 3))

    pair = torch.ones(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    with pytest.raises(LayerError, match="takes several images"):
        explain(Views(), pair, 1, "input_x_gradient")


def test_a_table_beside_the_image_is_held() -> None:
    class WithTable(nn.Module):
        def forward(self, x: Tensor, table: Tensor) -> Tensor:
            return x.mean((2, 3)) * table.sum(1, keepdim=True)

    inputs = torch.ones(2, 1, 2, 2), torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    maps = [e.raw for e in explain(WithTable(), inputs, "output+", "occlusion", task="regression")]
    torch.testing.assert_close(maps[1], 2 * maps[0])
