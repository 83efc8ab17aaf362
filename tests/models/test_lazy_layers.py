"""Networks whose layers learn their sizes from the first image."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.models.load import load_model

NET = """
from torch import nn

def build():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
"""


@pytest.fixture
def card(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    path = tmp_path / "card.toml"
    path.write_text('factory = "net.py:build"\n[input]\nsize = [12, 10]\n')
    return path


def test_the_sizes_are_those_of_the_card(card) -> None:
    module = load_model(card).module
    assert [type(part) for part in module] == [nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear]
    assert module[3].in_features == 4 * 10 * 8


def test_a_checkpoint_fills_them(card, tmp_path) -> None:
    trained = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(320, 2))
    torch.save(trained.state_dict(), tmp_path / "best.pth")
    loaded = load_model(card, checkpoint=tmp_path / "best.pth")
    assert loaded.notes == ()
    assert type(loaded.module[3]) is nn.Linear
    image = torch.rand(1, 3, 12, 10)
    torch.testing.assert_close(loaded.module(image), trained.eval()(image))


def test_weights_for_another_size_of_image(card, tmp_path) -> None:
    trained = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    torch.save(trained.state_dict(), tmp_path / "best.pth")
    with pytest.raises(ModelError, match=r"image of 3 × 12 × 10: .*state the size"):
        load_model(card, checkpoint=tmp_path / "best.pth")
