"""Networks of the same keys and shapes, and which of them is meant."""

import pytest
import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.alternatives import choose
from camlucida.models.recognise import recognise
from camlucida.models.stated import Stated
from tests.support.networks import codes, same_output, settled

timm = pytest.importorskip("timm")


def test_what_the_file_names_decides_between_networks_of_the_same_shapes(tmp_path):
    model = settled(timm.create_model("tf_mobilenetv3_small_100", num_classes=2))
    torch.save(
        {"arch": "tf_mobilenetv3_small_100", "state_dict": model.state_dict()}, tmp_path / "m.pth"
    )
    recognised = recognise(tmp_path / "m.pth", task="multiclass")
    assert recognised.card.factory == "timm:tf_mobilenetv3_small_100"
    assert "alternatives.differ" not in codes(recognised)
    assert "stated.architecture" in codes(recognised)
    same_output(model, recognised.card)


def test_networks_that_differ_and_of_which_none_is_usual_are_refused():
    def build(name):
        padding = nn.Conv2d(1, 1, 3, padding=int(name[-1]))
        return nn.Sequential(padding, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    state = build("net0").state_dict()
    with pytest.raises(ModelError, match=r"those of net0, net1, which compute different outputs"):
        choose(["net0", "net1"], build, state, (1, 8, 8), Stated())
    assert choose(["net0", "other0"], build, state, (1, 8, 8), Stated()).name == "net0"
    choice = choose(["net0", "tf_net0_1"], build, state, (1, 8, 8), Stated())
    assert choice.name == "net0"
    assert choice.notes == (
        Message("alternatives.differ", {"network": "net0", "others": ["tf_net0_1"]}),
    )
