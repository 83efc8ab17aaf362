"""Classifiers of torchvision and timm, with whatever head and under whatever name."""

import re
from collections import OrderedDict
from copy import deepcopy

import pytest
import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.models import Card, load_model
from camlucida.models.recognise import recognise
from camlucida.phantom.nets import small_resnet
from tests.support.networks import (
    Around,
    Beside,
    children,
    codes,
    mlp,
    normed,
    same_output,
    set_head,
    settled,
    timm_net,
)

tv = pytest.importorskip("torchvision").models
timm = pytest.importorskip("timm")


def inside(name):
    """A linear layer in a module, under a name."""
    return nn.Sequential(OrderedDict({name: nn.Linear(512, 1)}))


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
    "head beside, in a module": lambda: Around(
        tv.resnet18(), head=nn.Sequential(OrderedDict(net=mlp(512))), name="head"
    ),
    "fc replaced by a module with the layer": lambda: set_head(tv.resnet18(), "fc", inside("proj")),
    "timm, head beside": lambda: Around(timm_net(), "classifier", mlp(1280), "classifier"),
    "grey input": lambda: set_head(
        set_head(tv.resnet18(num_classes=2), "conv1", nn.Conv2d(1, 64, 7, 2, 3, bias=False)),
        "x",
        None,
    ),
    "a small net": lambda: Around(small_resnet(), head=nn.Linear(96, 1)),
}


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
    factory, file = f"torchvision:{build.__name__}", str(tmp_path / "a.pth")
    named = load_model(factory, checkpoint=file, device="cpu")
    assert "assumed.transform_input" in codes(named)
    card = Card(
        factory=f"torchvision:{build.__name__}", checkpoint=str(tmp_path / "a.pth"), args=args
    )
    if not replaced:
        assert "assumed.no_transform_input" in codes(load_model(card, device="cpu"))
    x = torch.randn(2, 3, 80, 80)
    with torch.no_grad():
        expected = model(x)
        assert expected.shape == (2, 3)
        assert torch.equal(named.module(x), expected)


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


def test_a_network_of_two_heads_with_another_beside_it(tmp_path):
    whole = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=0)
    state = {f"net.{key}": tensor for key, tensor in whole.state_dict().items()}
    head = {"out.weight": torch.ones(2, 192), "out.bias": torch.zeros(2)}
    torch.save({**state, **head}, tmp_path / "m.pth")
    loaded = load_model(tmp_path / "m.pth", device="cpu")
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.allclose(loaded.module(x), whole.eval()(x) @ head["out.weight"].T, atol=1e-5)


RENAMED = {
    "classifier": nn.Linear(512, 3),
    "last_linear": mlp(512),
    "head": nn.Linear(512, 2, bias=False),
}


@pytest.mark.parametrize("name", RENAMED)
def test_a_head_of_another_name_in_the_network_itself(tmp_path, name):
    network, head = tv.resnet18(), RENAMED[name]
    network.fc = nn.Identity()
    settled(network)
    state = network.state_dict() | {f"{name}.{key}": v for key, v in head.state_dict().items()}
    torch.save(
        {"state_dict": {f"net.{key}": tensor for key, tensor in state.items()}}, tmp_path / "a.pth"
    )
    recognised = recognise(tmp_path / "a.pth")
    assert "assumed.mean" in codes(recognised)
    same_output(nn.Sequential(network, head.eval()), recognised.card)
    module = load_model(recognised.card, device="cpu").module
    copied = deepcopy(module)
    nn.init.zeros_(next(copied.get_submodule(name).parameters()))
    x = torch.randn(1, 3, 64, 64)
    assert not torch.equal(copied(x), module(x))


def test_densenet_with_a_head_of_another_name_is_not_guessed(tmp_path):
    with torch.device("meta"):
        state = tv.densenet121(num_classes=2).state_dict()
    state = {
        key.replace("classifier.", "fc."): torch.zeros(t.shape, dtype=t.dtype)
        for key, t in state.items()
    }
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="its body is that of densenet121"):
        recognise(tmp_path / "a.pth")


def test_an_encoder_and_a_head_in_one_module(tmp_path):
    network = Around(tv.resnet18(), head=nn.Linear(512, 1), name="head", own="encoder")
    settled(network)
    state = {f"student.{key}": tensor for key, tensor in network.state_dict().items()}
    torch.save(state, tmp_path / "a.pth")
    same_output(network, recognise(tmp_path / "a.pth").card)


def test_names_of_densenet_before_pytorch_0_4(tmp_path):
    network = settled(tv.densenet121(num_classes=2))
    old = {}
    for key, tensor in network.state_dict().items():
        name = re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key)
        old[f"module.densenet121.{name}".replace("classifier.", "classifier.0.")] = tensor
    torch.save({"state_dict": old}, tmp_path / "m.pth.tar")
    same_output(network, recognise(tmp_path / "m.pth.tar").card)


def test_a_network_that_reads_the_version_of_its_weights(tmp_path):
    network = settled(tv.mnasnet0_5(num_classes=2))
    torch.save(network.state_dict(), tmp_path / "m.pth")
    same_output(network, recognise(tmp_path / "m.pth").card)


def test_resnet101_is_told_by_its_blocks(tmp_path):
    with torch.device("meta"):
        state = tv.resnet101(num_classes=2).state_dict()
    torch.save(
        {key: torch.zeros(value.shape, dtype=torch.int8) for key, value in state.items()},
        tmp_path / "m.pth",
    )
    assert recognise(tmp_path / "m.pth", task="multiclass").card.factory == "torchvision:resnet101"


def test_a_head_of_other_layers_is_not_guessed(tmp_path):
    odd = tv.resnet18()
    odd.fc = nn.Sequential(nn.Conv1d(512, 8, 1), nn.Linear(8, 1))
    torch.save(odd.state_dict(), tmp_path / "m.pth")
    with pytest.raises(ModelError, match="no model that can be recognised"):
        recognise(tmp_path / "m.pth", task="regression")


@pytest.mark.parametrize("name", ["starnet_s050", "regnety_002", "vit_tiny_patch16_224"])
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
