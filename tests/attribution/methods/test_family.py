"""The wider family, each method against a rewrite of its paper in float64."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import KernelPCA
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from camlucida import explain
from camlucida.attribution.batches import scans_of
from camlucida.attribution.explained_model import explained_model
from camlucida.attribution.kept import KeptImage
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import NoEvidenceError
from camlucida.core.messages import Message
from camlucida.core.noise import noisy
from tests.support import nets


def signed(*shape: int, seed: int = 0) -> Tensor:
    return nets.images(*shape, seed=seed).double()


class Bent(nn.Module):
    """features → GELU → mean → head: a score with a second derivative."""

    def __init__(self, labels: int = 5) -> None:
        super().__init__()
        self.features = nn.Conv2d(2, 4, 3, padding=1)
        self.head = nn.Linear(4, labels)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.gelu(self.features(x)).mean((2, 3)))


@pytest.fixture
def bent() -> tuple[nn.Module, Tensor]:
    return nets.seeded(Bent()).double(), signed(1, 2, 4, 5)


# --- activations and gradients --------------------------------------------------------------------


def fem_by_loops(activations: np.ndarray) -> np.ndarray:
    result = np.zeros(activations.shape[1:])
    for channel in activations:
        mean = channel.sum() / channel.size
        deviation = (((channel - mean) ** 2).sum() / channel.size) ** 0.5
        for cell in np.ndindex(*channel.shape):
            if channel[cell] > mean + 2 * deviation:
                result[cell] += mean
    return result


def test_fem_as_in_the_paper() -> None:
    activations = signed(2, 6, 5, 7)
    expected = np.stack([fem_by_loops(image) for image in activations.numpy()])
    assert np.count_nonzero(expected) > 3
    np.testing.assert_allclose(METHODS["fem"].run(activations), expected, atol=1e-12)


def test_fem_of_a_constant_channel_is_zero() -> None:
    activations = torch.full((1, 2, 5, 5), 0.1)
    activations[0, 1] += 1e-8 * nets.images(5, 5)
    assert not METHODS["fem"].run(activations).any()


def test_kpcacam_is_scikit_learns_kernel_pca_with_a_sign() -> None:
    activations = signed(1, 6, 4, 5) + torch.linspace(0, 2, 20).reshape(4, 5)
    cells = activations[0].flatten(1).T.numpy()
    pca = KernelPCA(n_components=1, kernel="sigmoid")
    expected = pca.fit_transform(cells - cells.mean(0))[:, 0]
    total = cells.sum(1)
    expected *= np.sign(np.corrcoef(expected, total)[0, 1])
    raw = METHODS["kpcacam"].run(activations)
    np.testing.assert_allclose(raw.flatten(), expected, atol=1e-10)
    assert METHODS["kpcacam"].caution(raw, activations) == [None]
    assert METHODS["kpcacam"].caution(raw.abs(), activations) == [Message("caution.orientation")]


def test_kpcacam_of_equal_cells_says_that_nothing_is_determined() -> None:
    activations = torch.ones(1, 3, 2, 2)
    assert METHODS["kpcacam"].run(activations).abs().max() < 1e-6


def test_kpcacam_refuses_a_kernel_too_large() -> None:
    with pytest.raises(NoEvidenceError, match="4,225 of them"):
        METHODS["kpcacam"].run(torch.zeros(1, 1, 65, 65))


def test_segeigencam_as_in_the_paper() -> None:
    activations, gradients = signed(1, 5, 3, 4), signed(1, 5, 3, 4, seed=1)
    evidence = (gradients.abs() * activations)[0].flatten(1).T.numpy()
    _, _, vectors = np.linalg.svd(evidence, full_matrices=False)
    expected = evidence @ vectors[0]
    if abs(expected.min()) > abs(expected.max()):
        expected = -expected
    raw = METHODS["segeigencam"].run(activations, gradients)
    np.testing.assert_allclose(raw.flatten(), expected, atol=1e-10)


def test_segeigencam_warns_of_even_signs() -> None:
    activations = torch.tensor([[[[1.0, -1.0, 0.0]]]])
    ones = torch.ones_like(activations)
    run, caution = METHODS["segeigencam"].run, METHODS["segeigencam"].caution
    even = run(activations, ones)
    assert caution(even, activations, ones) == [Message("caution.even_signs")]
    clear = torch.tensor([[[[-3.0, 1.0, 0.0]]]])
    assert caution(run(clear, ones), clear, ones) == [None]
    assert run(clear, ones).tolist() == [[[3.0, -1.0, 0.0]]]


# --- other gradients of the same pass -------------------------------------------------------------


def test_finercam_is_gradcam_of_the_difference(bent: tuple[nn.Module, Tensor]) -> None:
    net, image = bent
    logits = net(image)[0].tolist()
    nearest = sorted((abs(value - logits[2]), i) for i, value in enumerate(logits) if i != 2)
    similar = [i for _, i in nearest[:3]]
    raws = [e.raw for e in explain(net, image, [2, *similar], "gradcam", "features:pre")]
    expected = raws[0] - 0.6 * torch.stack(raws[1:]).mean(0)
    (explanation,) = explain(net, image, 2, "finercam", "features:pre")
    torch.testing.assert_close(explanation.raw, expected)


def test_finercam_refuses_a_model_of_one_value() -> None:
    net = nets.seeded(Bent(1)).double()
    with pytest.raises(NoEvidenceError, match="none for this target"):
        explain(net, signed(1, 2, 4, 5), "output+", "finercam", "features", task="regression")


def test_shapleycam_by_finite_differences(bent: tuple[nn.Module, Tensor]) -> None:
    net, image = bent
    with torch.no_grad():
        activations = net.features(image)

    def gradient(scale: float) -> Tensor:
        leaf = (activations * scale).requires_grad_()
        score = net.head(nn.functional.gelu(leaf).mean((2, 3)))[0, 1]
        return torch.autograd.grad(score, leaf)[0]

    product = (gradient(1 + 1e-5) - gradient(1 - 1e-5)) / 2e-5  # H A: along the activations
    weights = (gradient(1.0) - product / 2).mean((2, 3))
    expected = torch.einsum("bk,bkij->bij", weights, activations)
    (explanation,) = explain(net, image, 1, "shapleycam", "features:pre")
    torch.testing.assert_close(explanation.raw[None], expected, rtol=1e-6, atol=1e-8)


def test_shapleycam_behind_a_linear_head_is_gradcam() -> None:
    net, image = nets.seeded(nets.Cnn()).double(), signed(1, 3, 9, 7)
    pair = explain(net, image, 1, ["gradcam", "shapleycam"], "features")
    torch.testing.assert_close(pair[1].raw, pair[0].raw)


@pytest.mark.parametrize("method", ["finercam", "shapleycam"])
def test_the_pass_of_the_batch_serves_all_images_and_labels(method: str) -> None:
    net, inputs, calls = nets.seeded(Bent()).double(), signed(3, 2, 4, 5), []
    explain(net, inputs, 0, method, "features")  # what it is, is found out once a model
    net.register_forward_hook(lambda *_: calls.append(1))
    several = explain(net, inputs, [0, 3], method, "features")
    assert len(calls) == 1
    for image in range(3):
        alone = explain(net, inputs[image : image + 1], [0, 3], method, "features")
        for one, other in zip(several[2 * image :], alone):
            torch.testing.assert_close(one.raw, other.raw, rtol=1e-9, atol=1e-12)


def test_an_empty_map_is_explained_by_its_own_gradient() -> None:
    """A label without weights has no gradient, and is set apart from the others all the same."""
    net = nets.seeded(nets.Cnn()).double()
    net.head.weight.data[0] = 0
    pair = explain(net, signed(1, 3, 9, 7), 0, ["gradcam", "finercam"], "features")
    assert pair[0].empty_reason == Message("empty.gradient")
    assert pair[1].empty_reason != Message("empty.gradient")
    assert pair[1].raw.any()


@pytest.fixture
def vit() -> nn.Module:
    return nets.seeded(VisionTransformer(8, 4, 2, 2, 8, 12, num_classes=3)).double().eval()


def test_shapleycam_beside_other_methods_of_a_transformer(vit: nn.Module) -> None:
    """Fused attention has no second derivative, and the pass is shared."""
    images = signed(2, 3, 8, 8)
    methods = ["gradcam", "shapleycam", "legrad"]
    layer = "encoder.layers.encoder_layer_1.ln_1"
    together = explain(vit, images, [0, 2], methods, layer)
    for number, method in enumerate(methods):
        alone = explain(vit, images, [0, 2], method, layer)
        for one, other in zip(together[number::3], alone, strict=True):
            torch.testing.assert_close(one.raw, other.raw, rtol=1e-9, atol=1e-12)


def test_a_kept_pass_has_maps_of_other_gradients_too(vit: nn.Module) -> None:
    (scan,) = scans_of((signed(1, 3, 8, 8),))
    layer = "encoder.layers.encoder_layer_1.ln_1"
    kept = KeptImage.of(explained_model(vit), scan, [layer])
    for method in ("finercam", "gradcam", "shapleycam", "gradcam"):
        (fresh,) = explain(vit, scan, 1, method, layer)
        again = kept.explain(1, method, layer)
        torch.testing.assert_close(again.raw, fresh.raw, rtol=1e-9, atol=1e-12)


# --- more passes than one -------------------------------------------------------------------------


def test_smooth_gradcam_pp_as_in_the_paper(bent: tuple[nn.Module, Tensor]) -> None:
    net, image = bent
    with torch.no_grad():
        activations = net.features(image)[0].numpy()
    gradients = []
    for copy in noisy(image[0], 16, 0.15):
        leaf = net.features(copy[None]).detach().requires_grad_()
        score = net.head(nn.functional.gelu(leaf).mean((2, 3)))[0, 1]
        gradients.append(torch.autograd.grad(score, leaf)[0][0].numpy())
    first, second, third = (np.mean([g**n for g in gradients], 0) for n in (1, 2, 3))
    expected = np.zeros(activations.shape[1:])
    for k, channel in enumerate(activations):
        alpha = second[k] / (2 * second[k] + max(channel.sum(), 0) * np.maximum(third[k], 0))
        expected += (alpha * np.maximum(first[k], 0)).sum() * channel
    (explanation,) = explain(net, image, 1, "smooth_gradcam_pp", "features:pre")
    np.testing.assert_allclose(explanation.raw, expected, atol=1e-10)
    assert np.abs(expected).max() > 1e-3


def test_smooth_gradcam_pp_of_a_tiny_gradient_does_not_underflow() -> None:
    """The square of a gradient of 1e-30 is 0 in float32; its map is not."""
    net, image = nets.seeded(nets.Cnn()), nets.images(1, 3, 9, 7)
    plain = explain(net, image, 1, "smooth_gradcam_pp", "features")[0].raw
    net.head.weight.data *= 1e-30
    tiny = explain(net, image, 1, "smooth_gradcam_pp", "features")[0].raw
    assert plain.abs().max() > 0
    assert tiny.abs().max() > 0


def test_cautions_reach_the_record(bent: tuple[nn.Module, Tensor]) -> None:
    net, image = bent
    pair = explain(net, image, 1, ["segeigencam", "kpcacam", "fem"], "features:pre")
    assert [e.grid for e in pair] == [(4, 5)] * 3
