"""Checkpoints: every shape that training scripts save, and nothing that could run code."""

import hashlib
import os
import pathlib
import struct

import pytest
import safetensors.torch
import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.models.checkpoint import load_checkpoint, load_state, weights_sha256


class Net(nn.Module):
    def __init__(self, classes=2, width=3):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)


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


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def failure(module, path):
    with pytest.raises(ModelError) as error:
        load_checkpoint(module, path)
    assert "\n" not in str(error.value)
    assert "weights_only=False" not in str(error.value).replace("`", "")
    assert "still be loaded" not in str(error.value)
    return str(error.value)


FLAVOURS = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "optimizer": {"lr": 0.1}},
    "model_state_dict": lambda s: {"model_state_dict": s, "best": 0.9},
    "model": lambda s: {"model": s, "args": {"lr": 0.1}},
    "DataParallel": lambda s: prefixed(s, "module."),
    "Lightning": lambda s: {"state_dict": prefixed(s, "model."), "hyper_parameters": {"lr": 0.1}},
    "DataParallel in Lightning": lambda s: {"state_dict": prefixed(s, "model.module.")},
    "compiled": lambda s: prefixed(s, "_orig_mod."),
}


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavours(tmp_path, flavour, suffix):
    trained, fresh = Net(), Net()
    torch.save(FLAVOURS[flavour](trained.state_dict()), tmp_path / f"best{suffix}")
    assert weights_sha256(fresh) != weights_sha256(trained)
    load_checkpoint(fresh, tmp_path / f"best{suffix}")
    assert weights_sha256(fresh) == weights_sha256(trained)


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
    message = failure(Net(), tmp_path / "evil.pth")
    assert "evil.pth holds more than tensors" in message
    assert "refused by weights_only, because opening such a file can run any code" in message
    assert not (tmp_path / "owned.txt").exists()


def test_a_whole_model_is_refused_and_how_to_mend_it(tmp_path):
    torch.save(Net(), tmp_path / "whole.pth")
    message = failure(Net(), tmp_path / "whole.pth")
    assert (
        "whole.pth holds more than tensors (it names tests.models.test_checkpoint.Net)" in message
    )
    assert (
        "re-save it where it was trained: torch.save(model.state_dict(), 'weights.pth')" in message
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "net.pt")
    message = failure(nn.Linear(2, 2), tmp_path / "net.pt")
    assert "net.pt is a TorchScript program, not a state dict" in message


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


def test_a_loss_weight_beside_a_lightning_model_is_named(tmp_path):
    state = prefixed(Net().state_dict(), "model.") | {"criterion.pos_weight": torch.ones(2)}
    torch.save({"state_dict": state}, tmp_path / "best.ckpt")
    assert "(9 keys): 1 unexpected (criterion.pos_weight)" in failure(Net(), tmp_path / "best.ckpt")


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
