"""Checkpoints without a card.

Real networks of three packages, saved as training scripts save them, and told apart.
"""

import argparse

import pytest
import torch
from torch import nn

from camlucida.core.errors import ModelError, UsageError
from camlucida.core.messages import Message
from camlucida.models import InputSpec, load_model
from camlucida.models.recognise import find_checkpoint, recognise
from camlucida.phantom.nets import small_regressor, small_unet
from tests.support.networks import Around, mlp, same_output, set_head, settled, timm_net

tv = pytest.importorskip("torchvision").models
timm = pytest.importorskip("timm")


def test_what_a_state_dict_cannot_say_is_said(tmp_path):
    torch.save(Around(tv.resnet18(), head=mlp(512), name="head").state_dict(), tmp_path / "m.pth")
    notes = recognise(tmp_path / "m.pth", task="regression").notes
    network = Message("recognised.under", {"network": "resnet18", "name": "backbone"})
    size = {"height": 224, "width": 224, "channels": 3}
    assert notes == (
        Message("recognised.head_beside", {"network": network, "head": "head", "outputs": 1}),
        Message("alternatives.differ", {"network": "resnet18", "others": ["resnetblur18"]}),
        Message("assumed.relu", {"layers": ["head.2"]}),
        Message("assumed.dropout", {"layers": ["head.0", "head.3"]}),
        Message("assumed.activation"),
        Message("assumed.preprocessing", {**size, "scale": Message("assumed.imagenet")}),
    )
    assert str(notes[0]).endswith(
        "resnet18 under 'backbone' with its head 'head' beside it, 1 output"
    )
    torch.save(timm_net(num_classes=4).state_dict(), tmp_path / "m.pth")
    notes = recognise(tmp_path / "m.pth", task="multiclass").notes
    (others,) = (note.values["others"] for note in notes if note.code == "alternatives.differ")
    assert "tf_efficientnet_b0" in others


@pytest.mark.parametrize(
    ("build", "task"), [(small_regressor, "regression"), (small_unet, "segmentation")]
)
def test_the_networks_of_the_phantom_cohorts(tmp_path, build, task):
    model = settled(build(num_classes=1))
    torch.save(model.state_dict(), tmp_path / "best_model.pth")
    card = recognise(tmp_path, task=task, outputs=1).card
    assert card.input.range == (-1, 1)
    same_output(model, card)


def test_a_model_that_is_named_wins(tmp_path):
    model = settled(timm.create_model("tf_efficientnet_b0", num_classes=4))
    torch.save(model.state_dict(), tmp_path / "m.pth")
    card = recognise(tmp_path / "m.pth", task="multiclass", model="timm:tf_efficientnet_b0").card
    assert card.factory == "timm:tf_efficientnet_b0"
    same_output(model, card)
    (tmp_path / "net.py").write_text(
        "from torchvision.models import resnet18\ndef build(): return resnet18(num_classes=2)\n"
    )
    (tmp_path / "card.toml").write_text(
        'factory = "net.py:build"\ntask = "multiclass"\nlabels = ["a", "b"]\n'
    )
    torch.save(tv.resnet18(num_classes=2).state_dict(), tmp_path / "r.pth")
    card = recognise(tmp_path / "r.pth", task="multiclass", model=tmp_path / "card.toml").card
    assert load_model(card, device="cpu").card.labels == ("a", "b")
    with pytest.raises(UsageError, match="is a multiclass model"):
        recognise(tmp_path / "r.pth", task="regression", model=tmp_path / "card.toml")


def test_a_size_that_is_given(tmp_path):
    torch.save(tv.resnet18(num_classes=1).state_dict(), tmp_path / "m.pth")
    recognised = recognise(tmp_path / "m.pth", task="regression", size=512)
    assert recognised.card.input.height_width == (512, 512)
    values = {"height": 512, "width": 512, "channels": 3, "scale": Message("assumed.imagenet")}
    assert recognised.notes[-1] == Message("assumed.preprocessing_but_size", values)
    named = recognise(tmp_path / "m.pth", task="regression", size=96, model="torchvision:resnet18")
    assert load_model(named.card, device="cpu").card.input.size == 96


@pytest.mark.parametrize("size", [None, 512])
def test_an_input_that_is_known_replaces_the_whole_assumption(tmp_path, size):
    torch.save(tv.resnet18(num_classes=1).state_dict(), tmp_path / "m.pth")
    spec = InputSpec(size=64, range=(-1, 1))
    assumed = recognise(tmp_path / "m.pth", task="regression", size=size)
    stated = assumed.with_input(spec, "summary.json")
    note = Message("recognised.preprocessing", {"source": "summary.json"})
    assert stated.card.input == spec
    assert stated.notes == (*assumed.notes[:-1], note)
    named = recognise(tmp_path / "m.pth", task="regression", model="torchvision:resnet18")
    assert named.with_input(spec, "summary.json").notes == (note,)


def test_a_network_that_is_not_known(tmp_path):
    torch.save(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 1)).state_dict(), tmp_path / "m.pth")
    with pytest.raises(ModelError) as error:
        recognise(tmp_path / "m.pth", task="regression")
    assert "its 4 keys begin with 0.weight (2, 1, 3, 3), 0.bias (2,), 1.weight (1, 4)" in str(
        error.value
    )
    assert "give --model CARD" in str(error.value)


def test_number_of_outputs(tmp_path):
    torch.save(tv.resnet18(num_classes=1000).state_dict(), tmp_path / "m.pth")
    with pytest.raises(ModelError, match="has 1000 outputs, not 1"):
        recognise(tmp_path / "m.pth", task="regression", outputs=1)


def test_folders(tmp_path):
    with pytest.raises(ModelError, match="there is no checkpoint in it"):
        find_checkpoint(tmp_path)
    (tmp_path / "last.pth").touch()
    with pytest.raises(
        ModelError, match=r"has no best_model.pth or best_model.pt \(name the file: last.pth\)"
    ):
        find_checkpoint(tmp_path)
    (tmp_path / "best_model.pt").touch()
    assert find_checkpoint(tmp_path) == tmp_path / "best_model.pt"


@pytest.mark.parametrize("keep", ["backbone.", ""])
def test_tensors_under_two_names(tmp_path, keep):
    model = settled(tv.resnet18(num_classes=2))
    state = model.state_dict()
    twice = {**state, **{f"backbone.{key}": value for key, value in state.items()}}
    if keep:
        twice = {key: value for key, value in twice.items() if key != "fc.weight"}
        del twice["fc.bias"]
    torch.save({"model_state": twice}, tmp_path / "m.pth")
    card = recognise(tmp_path / "m.pth", task="multiclass").card
    backbone = card.args["backbone"] if keep else card.factory
    assert backbone == "torchvision:resnet18"
    same_output(model, card)


def test_features_under_two_names_are_those_of_the_whole_network(tmp_path):
    """Of a network whose features have a second name: its layers are found under both names."""
    whole = {f"backbone.{k}": v for k, v in tv.mobilenet_v2(num_classes=3).state_dict().items()}
    features = {k.removeprefix("backbone."): v for k, v in whole.items() if ".features." in k}
    torch.save({**whole, **features}, tmp_path / "m.pth")
    args = recognise(tmp_path / "m.pth", task="multiclass").card.args
    assert (args["under"], args["at"]) == ("backbone", "classifier.1")


def test_averaged_weights_and_metrics_beside(tmp_path):
    model = settled(tv.resnet18(num_classes=2))
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    averaged = {f"ema_model.{k.removeprefix('model.')}": v * 0 for k, v in state.items()}
    metrics = {"val_auc.thresholds": torch.ones(5)}
    torch.save({"state_dict": {**state, **averaged, **metrics}}, tmp_path / "m.ckpt")
    same_output(model, recognise(tmp_path / "m.ckpt", task="multiclass").card)


def test_a_checkpoint_alone_is_a_model(tmp_path):
    model = settled(tv.resnet18(num_classes=3))
    torch.save(
        {
            "model": model.state_dict(),
            "args": argparse.Namespace(img_size=96, mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2]),
            "class_names": ["a", "b", "c"],
        },
        tmp_path / "best.pth",
    )
    loaded = load_model(tmp_path / "best.pth", device="cpu")
    assert (loaded.name, loaded.card.labels) == ("best", ("a", "b", "c"))
    assert loaded.card.input.height_width == (96, 96)
    assert loaded.card.input.mean == (0.5, 0.5, 0.5)
    lines = list(map(str, loaded.notes))
    assert "image size 96: read from the checkpoint (args.img_size)" in lines
    assert not [note for note in loaded.notes if note.code.startswith("assumed.prep")]


def test_a_named_network_takes_what_the_checkpoint_states(tmp_path):
    """Outputs, size and head of the file; a card's statements stay."""
    torch.save(
        {"model": tv.resnet18(num_classes=3).state_dict(), "config": {"image_size": [96, 64]}},
        tmp_path / "best.pth",
    )
    loaded = load_model("torchvision:resnet18", checkpoint=tmp_path / "best.pth", device="cpu")
    assert loaded.card.input.height_width == (96, 64)
    assert loaded.card.args == {"num_classes": 3}
    (tmp_path / "card.toml").write_text(
        'factory = "torchvision:resnet18"\ncheckpoint = "best.pth"\n[input]\nsize = 32\n'
    )
    loaded = load_model(tmp_path / "card.toml", device="cpu")
    assert loaded.card.input.size == 32
    assert "stated.size" not in [note.code for note in loaded.notes]
    odd = set_head(tv.resnet18(), "fc", mlp(512, 4))
    torch.save(odd.state_dict(), tmp_path / "odd.pth")
    loaded = load_model("torchvision:resnet18", checkpoint=tmp_path / "odd.pth", device="cpu")
    assert "assumed.relu" in [note.code for note in loaded.notes]


def test_a_body_that_two_packages_have_is_named_once(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        state = torchvision.models.resnet18(num_classes=3).state_dict()
    named = {key.replace("fc.", "head.fc."): torch.zeros(t.shape) for key, t in state.items()}
    named["second.fc.weight"] = torch.zeros(1, 512)
    torch.save(named, tmp_path / "best.pth")
    with pytest.raises(ModelError, match="that of resnet18, resnetblur18, its head is not"):
        recognise(tmp_path / "best.pth")
