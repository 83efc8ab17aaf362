"""An image after its forward pass gives the maps that a fresh explanation gives, at every layer."""

import pytest
import torch
from torch import nn

from camlucida.attribution.batches import scans_of
from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import explained_model
from camlucida.attribution.kept import GRADIENTS, KeptImage
from tests.support.nets import images, seeded

STAGES = ["0", "2", "4"]


@pytest.fixture
def net():
    """Three stages of different grids, in double precision."""
    stages = [nn.Conv2d(1, 3, 3, padding=1), nn.AvgPool2d(2), nn.Conv2d(3, 4, 3, padding=1)]
    head = [nn.ReLU(inplace=True), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 3)]
    return seeded(nn.Sequential(*stages, *head)).double().eval()


@pytest.fixture
def scan():
    return scans_of((images(1, 1, 16, 16).double(),))[0]


@pytest.fixture
def backwards(monkeypatch):
    """How many layers each backward pass served."""
    served = []
    real = torch.autograd.grad

    def counted(outputs, inputs, *args, **kwargs):
        served.append(len(inputs))
        return real(outputs, inputs, *args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return served


@pytest.mark.parametrize("method", ["gradcam", "layercam", "eigencam", "scorecam"])
def test_maps_of_a_kept_image_are_those_of_a_fresh_explanation(net, scan, method):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    kept = KeptImage.of(explained_model(net), scan)
    kept.keep(STAGES)
    for label in ("0", "2"):
        for layer in STAGES:
            (fresh,) = explain(net, scan, label, method=method, layer=layer)
            again = kept.explain(label, method, layer)
            torch.testing.assert_close(
                again.map(again.grid), fresh.map(fresh.grid), rtol=1e-9, atol=1e-12
            )
            assert (again.layer, again.score) == (fresh.layer, pytest.approx(fresh.score))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(value.requires_grad and value.grad is None for value in net.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


def test_one_backward_pass_serves_the_layers_behind(net, scan, backwards):
    kept = KeptImage.of(explained_model(net), scan, STAGES)
    kept.explain(0, "gradcam", "2")
    backwards.clear()
    kept.explain(0, "gradcam", "0")
    assert backwards == [1]  # that of the layer behind is known
    backwards.clear()
    kept.explain(1, "layercam", "0")
    assert backwards == [len(STAGES)]
    for layer in STAGES:
        kept.explain(1, "gradcam", layer)
    assert backwards == [len(STAGES)]


def test_layers_that_are_kept_cost_no_other_forward_pass(net, scan):
    calls = []
    net.register_forward_pre_hook(lambda module, args: calls.append(module))
    kept = KeptImage.of(explained_model(net), scan, STAGES)
    calls.clear()
    kept.keep(STAGES[::-1])
    for layer in STAGES:
        kept.explain(1, "gradcam", layer)
    assert not calls


def test_the_gradients_that_are_kept_are_bounded(scan):
    net = seeded(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(392, 70)))
    kept = KeptImage.of(explained_model(net.double().eval()), scan, ["0", "1"])
    for label in range(GRADIENTS // 2 + 3):
        kept.explain(label, "layercam", "0")
    assert len(kept.gradients) <= GRADIENTS


class Cropped(nn.Module):
    """Looks closer at the middle of what its stem makes."""

    def __init__(self):
        super().__init__()
        self.stem, self.body = (
            nn.Conv2d(1, 2, 1),
            nn.Sequential(nn.Conv2d(2, 2, 1), nn.AvgPool2d(3)),
        )
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        return self.head(self.body(self.stem(x)[..., 2:-2, 2:-2]).mean((2, 3)))


def test_a_note_on_one_layers_place_is_not_of_another(scan):
    kept = KeptImage.of(explained_model(seeded(Cropped()).double().eval()), scan, ["stem", "body"])
    notes = {layer: kept.explain(0, "gradcam", layer).scan.warnings for layer in kept.names}
    assert [note.code for note in notes["body"]] == ["misplaced.border"]
    assert not notes["stem"]
