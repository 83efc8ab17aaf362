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
from camlucida.phantom.nets import small_regressor, small_resnet, small_unet

tv = pytest.importorskip("torchvision").models
timm = pytest.importorskip("timm")
smp = pytest.importorskip("segmentation_models_pytorch")


class Around(nn.Module):
    """What training scripts write.

    A backbone with its head replaced, or an identity there and a head beside it.
    """

    def __init__(self, backbone, at="fc", head=None, name="", own="backbone"):
        super().__init__()
        self.own, self.name = own, name
        self.add_module(own, backbone)
        setattr(backbone, at, nn.Identity() if name else head)
        if name:
            self.add_module(name, head)

    def forward(self, x):
        x = self._modules[self.own](x)
        return self._modules[self.name](x) if self.name else x


def mlp(n_in, n_out=1):
    return nn.Sequential(
        nn.Dropout(0.5), nn.Linear(n_in, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, n_out)
    )


def normed(n_in):
    return nn.Sequential(
        nn.Linear(n_in, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1)
    )


def set_head(model, at, head):
    setattr(model, at, head)
    return model


def timm_net(**args):
    return timm.create_model("efficientnet_b0", **args)


CLASSIFIERS = {
    "torchvision:resnet18": lambda: tv.resnet18(num_classes=3),
    "torchvision:resnet34": lambda: tv.resnet34(num_classes=1),
    "torchvision:resnet50": lambda: tv.resnet50(num_classes=1),
    "torchvision:densenet121": lambda: tv.densenet121(num_classes=14),
    "torchvision:efficientnet_b0": lambda: tv.efficientnet_b0(num_classes=4),
    "timm:efficientnet_b0": lambda: timm_net(num_classes=4),
    "camlucida.phantom.nets:small_resnet": lambda: small_resnet(num_classes=2),
}
WRAPPED = {
    "fc replaced by an MLP": lambda: set_head(tv.resnet18(), "fc", mlp(512)),
    "backbone.fc": lambda: Around(tv.resnet18(), head=nn.Linear(512, 1)),
    "backbone.fc, an MLP": lambda: Around(tv.resnet18(), head=mlp(512)),
    "head beside": lambda: Around(tv.resnet18(), head=nn.Linear(512, 1), name="head"),
    "regressor beside, normed": lambda: Around(tv.resnet18(), head=normed(512), name="regressor"),
    "another name": lambda: Around(tv.resnet18(), head=mlp(512), name="fc", own="model"),
    "efficientnet with a deeper head": lambda: set_head(
        tv.efficientnet_b0(), "classifier", mlp(1280)
    ),
    "efficientnet with a normed head": lambda: set_head(
        tv.efficientnet_b0(), "classifier", nn.Sequential(nn.BatchNorm1d(1280), nn.Linear(1280, 1))
    ),
    "timm, head beside": lambda: Around(timm_net(), "classifier", mlp(1280), "classifier"),
    "grey input": lambda: set_head(
        set_head(tv.resnet18(num_classes=2), "conv1", nn.Conv2d(1, 64, 7, 2, 3, bias=False)),
        "x",
        None,
    ),
    "a small net": lambda: Around(small_resnet(), head=nn.Linear(96, 1)),
}


def settled(model):
    """A model in eval mode whose batch norms are not those of a fresh network."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def codes(recognised):
    return [note.code for note in recognised.notes]


def same_output(model, card):
    loaded = load_model(card, device="cpu")
    x = torch.randn(2, card.input.channels, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.module(x), model(x))
    return loaded


@pytest.mark.parametrize("factory", CLASSIFIERS)
def test_a_plain_network_is_known_by_its_own_factory(tmp_path, factory):
    model = settled(CLASSIFIERS[factory]())
    torch.save(model.state_dict(), tmp_path / "best_model.pth")
    recognised = recognise(tmp_path, task="regression")
    card = recognised.card
    assert (card.factory, card.task, card.labels) == (factory, "regression", ())
    assert "assumed.preprocessing" in codes(recognised)
    same_output(model, card)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_network_with_another_head_computes_the_same(tmp_path, name):
    model = settled(WRAPPED[name]())
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    torch.save(
        {"epoch": 7, "model_state_dict": state, "optimizer": {"lr": 1e-4, "betas": (0.9, 0.999)}},
        tmp_path / "m.pt",
    )
    outputs = 2 if name == "grey input" else 1
    same_output(model, recognise(tmp_path / "m.pt", task="regression", outputs=outputs).card)


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "model.module."])
def test_what_a_wrapper_put_before_the_keys_is_not_part_of_the_network(tmp_path, prefix):
    state = {
        f"{prefix}{key}": value for key, value in tv.resnet18(num_classes=2).state_dict().items()
    }
    torch.save({"state_dict": state}, tmp_path / "m.ckpt")
    assert recognise(tmp_path / "m.ckpt", task="multiclass").card.factory == "torchvision:resnet18"


INCEPTIONS = {
    "inception_v3, another auxiliary head": (tv.inception_v3, {"num_classes": 5}, {"fc": 2048}),
    "inception_v3, none": (tv.inception_v3, {"num_classes": 3, "aux_logits": False}, {}),
    "googlenet": (tv.googlenet, {"num_classes": 3}, {}),
}


@pytest.mark.parametrize("name", INCEPTIONS)
def test_auxiliary_heads_are_loaded_and_not_explained(tmp_path, name):
    build, args, replaced = INCEPTIONS[name]
    model = build(init_weights=False, transform_input=True, **args)
    for at, width in replaced.items():
        set_head(model, at, nn.Linear(width, 3))
    torch.save(settled(model).state_dict(), tmp_path / "a.pth")
    recognised = recognise(tmp_path / "a.pth")
    assert recognised.outputs == 3
    assert "assumed.transform_input" in codes(recognised)
    named = load_model(f"torchvision:{build.__name__}", checkpoint=tmp_path / "a.pth", device="cpu")
    assert "assumed.transform_input" in codes(named)
    x = torch.randn(2, 3, 80, 80)
    with torch.no_grad():
        expected = model(x)
        assert expected.shape == (2, 3)
        assert torch.equal(named.module(x), expected)


def children(model, *tail):
    return nn.Sequential(*list(model.children())[:-1], *tail)


class Beside(nn.Module):
    def __init__(self, body, head, pool=False):
        super().__init__()
        self.features, self.pool, self.head = body, pool, head

    def forward(self, x):
        x = self.features(x)
        x = x.mean((2, 3), keepdim=True) if self.pool else x
        return self.head(x.flatten(1))


NUMBERED = {
    "a head beside": lambda: Beside(children(tv.resnet18()), nn.Linear(512, 2)),
    "without the pool": lambda: Beside(children(tv.resnet18())[:-1], mlp(512, 2), pool=True),
    "at the top": lambda: children(tv.resnet18(), nn.Flatten(), nn.Linear(512, 2)),
    "nested": lambda: nn.Sequential(children(tv.resnet18()), nn.Flatten(), nn.Linear(512, 2)),
    "efficientnet": lambda: Beside(children(tv.efficientnet_b0()), nn.Linear(1280, 2)),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_children_of_a_network_under_numbers(tmp_path, name):
    model = settled(NUMBERED[name]())
    torch.save(model.state_dict(), tmp_path / "a.pth")
    recognised = recognise(tmp_path / "a.pth")
    assert recognised.outputs == 2
    assert codes(recognised)[:2] == ["recognised.children", "assumed.mean"]
    loaded = load_model(recognised.card, device="cpu")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(loaded.module(x), model(x), atol=1e-5)


def test_densenet_under_numbers_lost_an_activation_and_is_not_guessed(tmp_path):
    model = Beside(children(tv.densenet121()), nn.Linear(1024, 2), pool=True)
    torch.save(model.state_dict(), tmp_path / "a.pth")
    with pytest.raises(ModelError, match="is no model that can be recognised"):
        recognise(tmp_path / "a.pth")


def test_resnet101_is_told_by_its_blocks(tmp_path):
    with torch.device("meta"):
        state = tv.resnet101(num_classes=2).state_dict()
    torch.save(
        {key: torch.zeros(value.shape, dtype=torch.int8) for key, value in state.items()},
        tmp_path / "m.pth",
    )
    assert recognise(tmp_path / "m.pth", task="multiclass").card.factory == "torchvision:resnet101"


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


@pytest.mark.parametrize("architecture", ["Unet", "UnetPlusPlus"])
@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-b1"])
def test_segmentation(tmp_path, architecture, encoder):
    model = settled(getattr(smp, architecture)(encoder, encoder_weights=None, classes=2))
    torch.save(
        {"state_dict": {f"model.{key}": value for key, value in model.state_dict().items()}},
        tmp_path / "m.ckpt",
    )
    card = recognise(tmp_path / "m.ckpt", task="segmentation").card
    assert (card.factory, card.args["encoder_name"], card.args["classes"]) == (
        f"smp:{architecture}",
        encoder,
        2,
    )
    same_output(model, card)


@pytest.mark.parametrize(
    ("build", "task"), [(small_regressor, "regression"), (small_unet, "segmentation")]
)
def test_the_networks_of_the_phantom_cohorts(tmp_path, build, task):
    model = settled(build(num_classes=1))
    torch.save(model.state_dict(), tmp_path / "best_model.pth")
    card = recognise(tmp_path, task=task, outputs=1).card
    assert card.input.range == (-1, 1)
    same_output(model, card)


def test_an_encoder_that_is_named(tmp_path):
    torch.save(smp.Unet("vgg11", encoder_weights=None).state_dict(), tmp_path / "m.pth")
    assert (
        recognise(tmp_path / "m.pth", task="segmentation", encoder="vgg11").card.args[
            "encoder_name"
        ]
        == "vgg11"
    )
    with pytest.raises(ModelError, match="vgg99"):
        recognise(tmp_path / "m.pth", task="segmentation", encoder="vgg99")


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


def test_a_head_of_other_layers_is_not_guessed(tmp_path):
    odd = tv.resnet18()
    odd.fc = nn.Sequential(nn.Conv1d(512, 8, 1), nn.Linear(8, 1))
    torch.save(odd.state_dict(), tmp_path / "m.pth")
    with pytest.raises(ModelError, match="no model that can be recognised"):
        recognise(tmp_path / "m.pth", task="regression")


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


@pytest.mark.parametrize("name", ["convnext_atto", "regnety_002", "vit_tiny_patch16_224"])
def test_networks_of_timm(tmp_path, name):
    model = settled(
        timm.create_model(name, num_classes=3, img_size=64)
        if "vit" in name
        else timm.create_model(name, num_classes=3)
    )
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "m.ckpt")
    recognised = recognise(tmp_path / "m.ckpt", task="multiclass")
    same = {f"timm:{name}", f"timm:{name.replace('vit', 'deit')}"}  # the same network
    assert recognised.card.factory in same
    assert recognised.outputs == 3
    same_output(model, recognised.card)


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
    from camlucida.models.alternatives import choose
    from camlucida.models.stated import Stated

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
