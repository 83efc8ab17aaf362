"""Heads that take further features beside those of the image."""

import pytest
import torch
import torchvision
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.models import load_model
from camlucida.models.recognise import recognise


class WithBranch(nn.Module):
    """Two clinical features through a small network, then a head over both."""

    def __init__(self):
        super().__init__()
        self.cnn = torchvision.models.resnet18()
        self.cnn.fc = nn.Identity()
        self.clinical = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(520, 16), nn.ReLU())
        self.classifier.append(nn.Linear(16, 3))

    def forward(self, image, clinical):
        """(B, 3, H, W), (B, 2) → (B, 3)."""
        return self.classifier(torch.cat([self.cnn(image), self.clinical(clinical)], 1))


class Raw(nn.Module):
    """Four features beside those of the image, as they are."""

    def __init__(self):
        super().__init__()
        self.encoder = torchvision.models.resnet18()
        self.encoder.fc = nn.Identity()
        self.fc = nn.Linear(516, 1)

    def forward(self, image, clinical):
        """(B, 3, H, W), (B, 4) → (B, 1)."""
        return self.fc(torch.cat([self.encoder(image), clinical], 1))


def outputs(net, path, features):
    """Of the network with these features, and of the model that is recognised in its file."""
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model = load_model(path, device="cpu")
    with torch.inference_mode():
        return net.eval()(image, torch.tensor([features]).expand(2, -1)), model.module(image), model


def codes(model):
    return [note.code for note in model.notes]


def test_features_through_a_branch_at_their_stated_mean(tmp_path):
    torch.manual_seed(0)
    net = WithBranch()
    means = [0.5, 61.5]
    content = {"model": net.state_dict(), "config": {"clinical_mean": means}}
    torch.save(content, tmp_path / "m.pth")
    theirs, ours, model = outputs(net, tmp_path / "m.pth", means)
    torch.testing.assert_close(ours, theirs)
    (note,) = (note for note in model.notes if note.code == "fusion.held")
    assert "held at 0.5, 61.5 FOR EVERY IMAGE" in str(note)
    assert "the checkpoint (config.clinical_mean)" in str(note)
    assert "fusion.order" in codes(model)
    assert "assumed.relu" in codes(model)


@pytest.mark.parametrize("stated", [None, [1.0, 2.0]])
def test_features_without_a_stated_mean_are_held_at_zero(tmp_path, stated):
    torch.manual_seed(0)
    net = Raw()
    # Two means for four features are those of something else.
    torch.save({"model": net.state_dict(), "args": {"aux_mean": stated}}, tmp_path / "m.pth")
    theirs, ours, model = outputs(net, tmp_path / "m.pth", [0.0] * 4)
    torch.testing.assert_close(ours, theirs)
    assert "fusion.held_at_zero" in codes(model)


def test_a_card_can_hold_other_values(tmp_path):
    torch.manual_seed(0)
    net = Raw()
    torch.save(net.state_dict(), tmp_path / "m.pth")
    card = recognise(tmp_path / "m.pth", task="regression").card
    values = [1.0, -2.0, 0.5, 3.0]
    model = load_model(card.model_copy(update={"args": {**card.args, "features": values}}))
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = net.eval()(image, torch.tensor([values]))
        torch.testing.assert_close(model.module.cpu()(image), expected)


def test_a_head_that_takes_less_than_the_image_is_not_guessed(tmp_path):
    net = Raw()
    net.fc = nn.Linear(100, 1)
    torch.save(net.state_dict(), tmp_path / "m.pth")
    with pytest.raises(ModelError, match="its head is not"):
        recognise(tmp_path / "m.pth", task="regression")
