"""Smoothed maps, and maps gathered over runs of the model, against float64 rewrites."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution import samples
from camlucida.attribution.capture import capture
from camlucida.attribution.methods import METHODS, VARIANTS
from camlucida.attribution.samples import SAMPLES, Sample
from camlucida.attribution.targets import Region
from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.models.state import frozen
from tests.support import nets

GATHERED = ["aug", "aug_flip", "dropout"]


@pytest.fixture
def cnn() -> tuple[nn.Module, Tensor]:
    return nets.seeded(nets.Cnn()).double(), nets.images(3, 3, 12, 10).double()


class Dropped(nn.Module):
    """Batch normalisation, dropout of channels and of features, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.channels, self.cells = nn.Dropout2d(0.5), nn.Dropout(0.3)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.channels(self.norm(self.features(x)).relu())
        return self.head(self.cells(x).mean((2, 3)))


@pytest.fixture
def dropped() -> tuple[nn.Module, Tensor]:
    return nets.seeded(Dropped()).double(), nets.images(3, 3, 12, 10).double()


def raw(net: nn.Module, inputs: Tensor, method: str, target: object = 1) -> Tensor:
    return torch.stack([e.raw for e in explain(net, inputs, target, method, "features")])


# --- eigen smoothing ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "layercam"])
def test_eigen_smoothing_by_a_decomposition(cnn: tuple[nn.Module, Tensor], method: str) -> None:
    net, inputs = cnn
    with frozen(net):
        forward = capture(net, (inputs,), ["features"])
        (gradients,) = forward.gradients(forward.logits[:, 1].sum(), False)
        activations = forward.layers[0].activations.detach()
    weights = {
        "gradcam": gradients.mean((2, 3), keepdim=True),
        "hirescam": gradients,
        "layercam": gradients.clamp(min=0),
    }
    parts = (weights[method] * activations).flatten(2).mT.numpy()
    result = raw(net, inputs, f"{method}:eigen").flatten(1).numpy()
    for part, found in zip(parts, result):
        _, _, rows = np.linalg.svd(part)
        expected = part @ rows[0]
        correlation = np.corrcoef(expected, part.sum(1))[0, 1]
        determined = abs(correlation) > 0.1
        expected = expected * np.sign(correlation) if determined else np.abs(expected)
        np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("method", ["eigencam", "eigengradcam", "kpcacam"])
def test_eigen_smoothing_of_what_is_no_sum_is_refused(
    cnn: tuple[nn.Module, Tensor], method: str
) -> None:
    with pytest.raises(NoEvidenceError, match=f"the map of {method} is no sum over channels"):
        raw(*cnn, f"{method}:eigen")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rise:eigen", "eigen smoothing is of a sum over the channels"),
        ("scorecam:dropout", "runs the model several times"),
        ("gradcam:aug:dropout", "is gathered already"),
        ("gradcam:blurred", "unknown variant of a method 'blurred'"),
        ("gradcan:aug", "did you mean gradcam"),
    ],
)
def test_a_variant_that_there_is_not_is_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        METHODS[name]


def test_names_of_variants() -> None:
    assert METHODS.canonical("Grad-CAM++:aug") == "gradcam_pp:aug"
    assert METHODS["gradcam:eigen:aug"].name == "gradcam:eigen:aug"
    assert "gradcam:aug" in METHODS
    assert "gradcam:blurred" not in METHODS
    assert all(":" not in name for name in METHODS)


# --- augmentation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradcam", "fem", "ablationcam", "input_x_gradient"])
def test_one_view_that_is_the_image_changes_nothing(
    cnn: tuple[nn.Module, Tensor], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SAMPLES, "aug", [Sample()])
    assert torch.equal(raw(*cnn, f"{method}:aug"), raw(*cnn, method))


@pytest.mark.parametrize("method", ["gradcam", "gradcam_pp", "hirescam:eigen", "eigencam"])
def test_views_are_mapped_back_and_averaged(cnn: tuple[nn.Module, Tensor], method: str) -> None:
    net, inputs = cnn
    maps = []
    for factor in (0.9, 1.0, 1.1):
        maps.append(raw(net, inputs * factor, method))
        maps.append(raw(net, (inputs * factor).flip(-1), method).flip(-1))
    stack = torch.stack(maps)
    mean = stack.sum(0) / 6
    deviation = ((stack - mean) ** 2).sum(0).div(5).sqrt()
    torch.testing.assert_close(raw(net, inputs, f"{method}:aug_flip"), mean)
    torch.testing.assert_close(raw(net, inputs, f"{method}:aug_flip_spread"), deviation)
    torch.testing.assert_close(raw(net, inputs, f"{method}:aug"), stack[::2].mean(0))


def test_every_view_explains_what_the_image_as_it_is_predicts() -> None:
    """A view may predict another label; it is not explained."""

    class Threshold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            mean = self.features(x).mean((1, 2, 3))
            return torch.stack([mean, 2 * mean - 0.95], 1)  # the second wins above 0.95

    (explanation,) = explain(Threshold(), torch.ones(1, 1, 4, 4), "predicted", "hirescam:aug")
    assert explanation.target == "1"
    assert explanation.score == pytest.approx(1.05)
    assert float(explanation.raw.sum()) == pytest.approx(2)  # (0.9 + 1 + 1.1) / 3 · 2


def test_a_region_is_mirrored_with_the_image() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 1))
    net, image = nets.seeded(net).double(), nets.images(1, 1, 6, 8).double()
    mask = torch.zeros(6, 8, dtype=torch.bool)
    mask[1:3, :3] = True
    target = Region(1, "region", mask, None)
    maps = {}
    for factor in (0.9, 1.0, 1.1):
        view = (image * factor).flip(-1)
        mirrored = replace(target, mask=mask.flip(-1))
        options = {"method": "hirescam", "layer": "0", "task": "segmentation"}
        maps[factor, False] = explain(net, image * factor, target, **options)[0].raw
        maps[factor, True] = explain(net, view, mirrored, **options)[0].raw.flip(-1)
    (found,) = explain(net, image, target, "hirescam:aug_flip", "0", task="segmentation")
    torch.testing.assert_close(found.raw, torch.stack(list(maps.values())).mean(0))


# --- dropout --------------------------------------------------------------------------------------


def test_dropout_by_hand(dropped: tuple[nn.Module, Tensor]) -> None:
    net, inputs = dropped
    maps = []
    for seed in range(samples.RUNS):
        of_images = []
        for image in inputs:
            torch.manual_seed(seed)
            features = net.norm(net.features(image[None])).relu().detach()
            channels = nn.functional.dropout2d(torch.ones_like(features), 0.5)
            cells = nn.functional.dropout(torch.ones_like(features), 0.3)
            gradient = (channels * cells * net.head.weight[1][:, None, None]) / 120
            of_images.append((gradient.mean((2, 3), keepdim=True) * features).sum(1)[0])
        maps.append(torch.stack(of_images))
    stack = torch.stack(maps).detach()
    result = {
        name: torch.stack([e.raw for e in explain(net, inputs, 1, name, "norm")])
        for name in ("gradcam:dropout", "gradcam:dropout_spread")
    }
    torch.testing.assert_close(result["gradcam:dropout"], stack.mean(0))
    torch.testing.assert_close(result["gradcam:dropout_spread"], stack.std(0))


def test_dropout_alone_is_switched_on_and_everything_is_restored(
    dropped: tuple[nn.Module, Tensor],
) -> None:
    net, inputs = dropped
    net.train()
    net.cells.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes, state = [part.training for part in net.modules()], torch.get_rng_state()
    seen = set()
    net.norm.register_forward_hook(lambda module, args, out: seen.add(module.training))
    raw(net, inputs, "gradcam:dropout")
    assert seen == {False}
    assert [part.training for part in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())


def test_a_model_without_dropout_is_refused(cnn: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(NoEvidenceError, match="maps over dropout need a model with dropout"):
        raw(*cnn, "gradcam:dropout")


class Aside(Dropped):
    """A layer beside the way to the score."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.aside(x)
        return super().forward(x)


def test_what_dropout_changes_is_no_dependence_on_a_layer() -> None:
    net, inputs = nets.seeded(Aside()).double(), nets.images(2, 3, 12, 10).double()
    for name in ("eigencam", "eigencam:dropout", "eigencam:dropout_spread", "eigencam:aug"):
        for e in explain(net, inputs, 1, name, "aside"):
            assert not e.raw.any()
            assert e.empty_reason is not None
            assert e.empty_reason.code == "empty.independent"
    with pytest.raises(NoEvidenceError, match="the score of 1 does not depend on layer aside"):
        explain(net, inputs, 1, "gradcam:dropout", "aside")


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name.startswith(tuple(GATHERED))])
def test_a_batch_gives_the_maps_of_single_images(
    dropped: tuple[nn.Module, Tensor], variant: str
) -> None:
    net, inputs = dropped
    name = f"hirescam:{variant}"
    together = raw(net, inputs, name)
    assert together.flatten(1).any(1).all()
    for i, image in enumerate(inputs):
        torch.testing.assert_close(raw(net, image[None], name)[0], together[i])
    assert explain(net, inputs, 1, name, "features")[0].relu is False


def test_variants_stand_beside_the_methods_themselves(dropped: tuple[nn.Module, Tensor]) -> None:
    net, inputs = dropped
    names = ["gradcam", "gradcam:aug", "eigencam:aug_spread", "gradcam:eigen", "gradcam:dropout"]
    together = explain(net, inputs, [0, 2], names, ["features", "norm"])
    assert len(together) == 3 * 2 * 5 * 2
    for name in names:
        alone = explain(net, inputs, [0, 2], name, ["features", "norm"])
        same = [e for e in together if e.method == name]
        assert [e.layer for e in alone] == [e.layer for e in same]
        assert all(torch.allclose(a.raw, b.raw) for a, b in zip(alone, same))
