"""Weights that nothing was loaded into."""

from __future__ import annotations

import torch
from torch import nn

from camlucida.models.drawn import DrawnWeights
from camlucida.models.load import load_model

NET = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))

def loaded():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.append(nn.Linear(4, 2))
    net.load_state_dict({name: torch.ones_like(each) for name, each in net.state_dict().items()})
    return net
"""


class Initialised(nn.Module):
    """As networks of timm and older code set their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3)
        self.second = nn.Linear(2, 2)
        nn.init.trunc_normal_(self.first.weight, std=0.02)
        self.second.weight.data.normal_(0, 0.1)


def test_numbers_drawn_in_any_way_are_found() -> None:
    with DrawnWeights() as drawn:
        network = Initialised()
    assert drawn.still(network) == ["first.weight", "second.weight"]


def test_a_fresh_head_on_loaded_weights_is_named() -> None:
    stored = Initialised()
    with DrawnWeights() as drawn:
        network = Initialised()
        network.load_state_dict(stored.state_dict(), strict=False)
        network.second = nn.Linear(2, 3)
    note = drawn.note(network)
    assert note is not None
    assert note.values == {"count": 1, "total": 2, "names": "second.weight"}


def test_weights_that_are_assigned_or_constant_are_not_random() -> None:
    stored = Initialised().state_dict()
    with DrawnWeights() as drawn:
        network = Initialised()
        network.load_state_dict(stored, assign=True)
        fixed = nn.Conv2d(1, 1, 3)
        nn.init.constant_(fixed.weight, 1 / 9)
    assert drawn.note(network) is None
    assert drawn.note(fixed) is None


def test_what_has_no_numbers_yet() -> None:
    with DrawnWeights() as drawn:
        network = nn.Sequential(nn.LazyConv2d(2, 3), nn.Conv2d(1, 1, 3, device="meta"))
        network.register_parameter("sparse", nn.Parameter(torch.eye(3).to_sparse()))
    assert drawn.still(network) == ["0.weight"]


def test_a_model_without_a_checkpoint_says_so(tmp_path) -> None:
    (tmp_path / "net.py").write_text(NET)
    card = tmp_path / "card.toml"
    card.write_text('factory = "net.py:build"\n')
    (note,) = load_model(card).notes
    assert str(note).startswith("2 of the network's 2 weights are random numbers")
    card.write_text('factory = "net.py:loaded"\n')
    assert load_model(card).notes == ()
