"""Checkpoints: every shape that training scripts save, and nothing that could run code."""

import hashlib
import os
import pathlib
import pickle
import struct

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.checkpoint import load_checkpoint, load_state, weights_sha256
from tests.support.checkpoints import SHAPES, Net, prefixed, scaled


class Wrapped(nn.Module):
    """A net whose own keys begin with ``model.``."""

    def __init__(self):
        super().__init__()
        self.model = Net()


class Payload:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.write_text, (pathlib.Path(self.path), "owned")


class Shell:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"echo owned > {self.path}",)


def failure(module, path):
    with pytest.raises(ModelError) as error:
        load_checkpoint(module, path)
    assert "\n" not in str(error.value)
    assert "weights_only=False" not in str(error.value).replace("`", "")
    assert "still be loaded" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_loaded(tmp_path, name):
    trained, fresh = settled(Net()), Net()
    torch.save(SHAPES[name](trained.state_dict()), tmp_path / "best.pth")
    notes = load_checkpoint(fresh, tmp_path / "best.pth")
    for key, value in trained.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            stored = value.half() if name == "half" and value.is_floating_point() else value
            assert torch.equal(fresh.state_dict()[key], stored.to(value.dtype)), key
    assert [note.code for note in notes] == [f"checkpoint.{code}" for code in NOTES.get(name, ())]


NOTES = {
    "ema": ["averaged"],
    "ema_state_dict": ["averaged"],
    "any prefix": ["prefix"],
    "any long prefix": ["prefix"],
    "metrics in the module": ["left_out"],
    "counters": ["left_out"],
    "an averaged model": ["left_out"],
    "stored twice": ["twice"],
    "a part stored twice": ["copies"],
    "averaged beside": ["averaged_beside"],
    "averaged beside, timm": ["averaged_beside"],
    "averaged in the module": ["averaged_beside"],
    "another network beside": ["others"],
}
"""Shape → what is said of it."""


def settled(net):
    """With running statistics that no fresh network has."""
    torch.manual_seed(0)
    net.norm.running_mean.normal_()
    net.norm.num_batches_tracked.fill_(7)
    return net


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_the_key_chooses(tmp_path, whole, zipped):
    raw = Net().state_dict()
    content = (
        {"model": raw, "model_ema": scaled(raw)}
        if whole
        else {**prefixed(raw, "model."), **prefixed(scaled(raw), "model_ema.")}
    )
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    fresh = Net()
    notes = load_checkpoint(fresh, tmp_path / "a.pth", "model_ema")
    assert torch.equal(fresh.fc.weight, raw["fc.weight"] * 0.5)
    assert "checkpoint.chosen" in [note.code for note in notes] or not whole
    with pytest.raises(ModelError, match="no network at 'teacher'"):
        load_checkpoint(fresh, tmp_path / "a.pth", "teacher")


@pytest.mark.parametrize("order", ["<", ">"])
def test_weights_as_arrays(tmp_path, order):
    trained, fresh = settled(Net()), Net()
    arrays = {}
    for key, value in trained.state_dict().items():
        array = value.numpy()
        arrays[key] = array.astype(array.dtype.newbyteorder(order))
    content = {"model": arrays, "confusion": np.ones((3, 3)), "author": "third party"}
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(content))
    assert load_checkpoint(fresh, tmp_path / "model.pkl") == ()
    for key, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key


def test_several_networks_are_listed(tmp_path):
    raw = Net().state_dict()
    torch.save({"fold_0": raw, "fold_1": scaled(raw)}, tmp_path / "a.pth")
    message = failure(Net(), tmp_path / "a.pth")
    assert "a.pth holds several networks: 'fold_0', 'fold_1'" in message
    assert "checkpoint_key" in message
    fresh = Net()
    load_checkpoint(fresh, tmp_path / "a.pth", "fold_1")
    assert torch.equal(fresh.fc.weight, raw["fc.weight"] * 0.5)


def test_parts_that_are_saved_apart(tmp_path):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = Net(), nn.Linear(2, 2)

    trained, fresh = Both(), Both()
    parts = {"backbone": trained.backbone.state_dict(), "head": trained.head.state_dict()}
    torch.save(parts, tmp_path / "a.pth")
    load_checkpoint(fresh, tmp_path / "a.pth")
    assert weights_sha256(fresh) == weights_sha256(trained)


def test_a_part_of_a_larger_network_is_not_taken_for_it(tmp_path):
    state = {**prefixed(Net().state_dict(), "encoder."), "decoder.weight": torch.ones(2, 2)}
    torch.save(state, tmp_path / "a.pth")
    message = failure(Net(), tmp_path / "a.pth")
    assert "1 unexpected (decoder.weight)" in message
    assert 'checkpoint_key = "encoder" takes this part of the file alone' in message
    notes = load_checkpoint(Net(), tmp_path / "a.pth", "encoder")
    assert "checkpoint.left_out" in [note.code for note in notes]


def test_the_old_file_format(tmp_path):
    trained, fresh = Net(), Net()
    torch.save(trained.state_dict(), tmp_path / "best.pth", _use_new_zipfile_serialization=False)
    load_checkpoint(fresh, tmp_path / "best.pth")
    assert weights_sha256(fresh) == weights_sha256(trained)


@pytest.mark.parametrize("name", ["best.safetensors", "misnamed.pth"])
def test_safetensors(tmp_path, name):
    trained, fresh = Net(), Net()
    safetensors.torch.save_file(trained.state_dict(), tmp_path / name)
    load_checkpoint(fresh, tmp_path / name)
    assert weights_sha256(fresh) == weights_sha256(trained)


def test_a_prefix_that_is_the_models_own_stays(tmp_path):
    trained, fresh = Wrapped(), Wrapped()
    torch.save(trained.state_dict(), tmp_path / "best.pth")
    load_checkpoint(fresh, tmp_path / "best.pth")
    torch.save(
        trained.model.state_dict(), tmp_path / "inner.pth"
    )  # and it is put on where that matches exactly
    load_checkpoint(fresh, tmp_path / "inner.pth")
    assert weights_sha256(fresh) == weights_sha256(trained)


def test_an_empty_buffer_is_the_files_where_it_has_one(tmp_path):
    trained, fresh, without = Net(), Net(), Net()
    for net in (trained, fresh, without):
        net.register_buffer("points", None)
    torch.save(trained.state_dict(), tmp_path / "without.pth")
    load_checkpoint(without, tmp_path / "without.pth")
    assert without.points is None
    trained.points = torch.tensor([0.1, 0.2])
    torch.save(trained.state_dict(), tmp_path / "best.pth")
    load_checkpoint(fresh, tmp_path / "best.pth")
    assert torch.equal(fresh.points, trained.points)
    assert torch.equal(fresh.fc.weight, trained.fc.weight)


@pytest.mark.parametrize("payload", [Payload, Shell])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_malicious_pickle_does_not_run(tmp_path, payload, nested, zipped):
    harm = payload(str(tmp_path / "owned.txt"))
    content = {"state_dict": Net().state_dict(), "extra": harm} if nested else harm
    torch.save(content, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    if nested:
        load_checkpoint(Net(), tmp_path / "evil.pth")
    else:
        message = failure(Net(), tmp_path / "evil.pth")
        assert "evil.pth holds an object (" in message
        assert "nothing of it was run" in message
        assert "torch.save(model.state_dict(), 'weights.pth')" in message
    assert not (tmp_path / "owned.txt").exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_a_whole_model_is_read_as_data(tmp_path, zipped):
    trained, fresh = settled(Net()), Net()
    whole = {"model": trained, "epoch": 3}
    torch.save(whole, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    (note,) = load_checkpoint(fresh, tmp_path / "whole.pth")
    assert weights_sha256(fresh) == weights_sha256(trained)
    assert str(note) == (
        "the file holds a whole module (tests.support.checkpoints.Net); its weights were read as "
        "data, and none of its code was run"
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_read_as_data(tmp_path):
    trained, fresh = settled(Net()), Net()
    torch.jit.save(torch.jit.script(trained), tmp_path / "net.pt")
    (note,) = load_checkpoint(fresh, tmp_path / "net.pt")
    assert weights_sha256(fresh) == weights_sha256(trained)
    assert note == Message("checkpoint.torchscript")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "bad.pth is empty"),
        (b"\n<!DOCTYPE html><html>", "bad.pth is a web page, not a checkpoint"),
        (b"<html><body>404", "bad.pth is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
            "is a Git LFS pointer, not the checkpoint (fetch",
        ),
        (b"garbage, nothing else " * 20, "bad.pth is not a readable checkpoint"),
        (b"\x80\x02" + bytes(range(256)), "bad.pth is not a readable checkpoint"),
        (b"PK\x03\x04" + bytes(300), "bad.pth is not a readable checkpoint"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path, content, expected):
    (tmp_path / "bad.pth").write_bytes(content)
    assert expected in failure(Net(), tmp_path / "bad.pth")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("card.toml", "card.toml is a model card, not a checkpoint (give it as --model"),
        ("config.yaml", "config.yaml is a text file, not a checkpoint"),
        ("val_predictions.csv", "is a text file, not a checkpoint"),
    ],
)
def test_files_that_lie_beside_checkpoints(tmp_path, name, expected):
    (tmp_path / name).write_text("factory = 'net.py:build'")
    assert expected in failure(Net(), tmp_path / name)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_file_cut_short(tmp_path, name, share):
    save = safetensors.torch.save_file if name.endswith("safetensors") else torch.save
    save(Net().state_dict(), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    message = failure(Net(), tmp_path / name)
    assert name in message
    assert "it may be cut short or damaged" in message


def test_no_such_file(tmp_path):
    (tmp_path / "best_model.pth").write_bytes(b"x")
    assert "did you mean best_model.pth?" in failure(Net(), tmp_path / "bestmodel.pth")
    assert "there is no folder" in failure(Net(), tmp_path / "no" / "best.pth")
    assert "is a folder, not a file" in failure(Net(), tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"epoch": 3, "optimizer": {"lr": 0.1}},
            "holds no state dict: its keys are epoch, optimizer",
        ),
        ({}, "holds no state dict: its keys are nothing"),
        ([1, 2], "holds a list, not a state dict"),
        (torch.zeros(2), "holds a Tensor, not a state dict"),
    ],
)
def test_no_state_dict_in_the_file(tmp_path, content, expected):
    torch.save(content, tmp_path / "best.pth")
    assert expected in failure(Net(), tmp_path / "best.pth")


def test_other_shapes_are_listed_and_nothing_is_loaded(tmp_path):
    fresh = Net(classes=5)
    before = weights_sha256(fresh)
    torch.save(Net(classes=2).state_dict(), tmp_path / "best.pth")
    message = failure(fresh, tmp_path / "best.pth")
    assert (
        "2 of 9 shapes differ: fc.weight: file (2, 3) vs model (5, 3); fc.bias: file (2) vs "
        "model (5)" in message
    )
    assert weights_sha256(fresh) == before


def test_other_keys_are_listed_and_nothing_is_loaded(tmp_path):
    fresh = Net()
    before = weights_sha256(fresh)
    state = prefixed(Net().state_dict(), "module.")
    del state["module.fc.bias"]
    state |= {f"module.head.{i}": torch.zeros(1) for i in range(7)}
    torch.save(state, tmp_path / "best.pth")
    message = failure(fresh, tmp_path / "best.pth")
    assert (
        "1 missing (fc.bias), 7 unexpected (head.0, head.1, head.2, head.3, head.4, …); nothing "
        "was loaded" in message
    )
    assert weights_sha256(fresh) == before


def test_load_state_keeps_the_files_names(tmp_path):
    torch.save(prefixed(Net().state_dict(), "module."), tmp_path / "best.pth")
    assert "module.fc.bias" in load_state(str(tmp_path / "best.pth"))


def test_the_hash_is_of_the_weights_alone():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    two.load_state_dict(one.state_dict())
    assert weights_sha256(one) == weights_sha256(two)
    two.weight.data[0, 0] += 1
    assert weights_sha256(one) != weights_sha256(two)
    assert weights_sha256(one) != weights_sha256(nn.Sequential(one))  # other names
    assert weights_sha256(one.half()) != weights_sha256(one.bfloat16())  # other types


def test_the_hash_of_a_known_module():
    module = nn.Linear(2, 1)
    module.weight.data = torch.tensor([[1.0, 2.0]])
    module.bias.data = torch.tensor([3.0])
    written = (
        b"bias|torch.float32|(1,)|"
        + struct.pack("<f", 3)
        + b"weight|torch.float32|(1, 2)|"
        + struct.pack("<2f", 1, 2)
    )
    assert weights_sha256(module) == hashlib.sha256(written).hexdigest()
