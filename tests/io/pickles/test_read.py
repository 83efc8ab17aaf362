"""Pickles as data: what training scripts save comes out, whatever wrote it."""

import argparse
import collections
import datetime
import enum
import pathlib
import pickle
import types

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.io.pickles import ClassName, Stub, as_list, as_mapping, plain, read_pickled

BASE = torch.arange(12.0)
ZONE = datetime.timezone(datetime.timedelta(hours=2))

TENSORS = {
    "plain": torch.randn(2, 3),
    "a view": BASE[2:].view(2, 5).t(),
    "of the same memory": BASE,
    "expanded": torch.ones(1).expand(4),
    "empty": torch.zeros(0, 3),
    "a number": torch.tensor(3),
    "half": torch.ones(3, dtype=torch.float16),
    "bfloat16": torch.ones(3, dtype=torch.bfloat16),
    "float64": torch.ones(3, dtype=torch.float64),
    "complex": torch.ones(2, dtype=torch.complex64) * 1j,
    "bool": torch.tensor([True, False]),
    "int8": torch.arange(5, dtype=torch.int8),
    "parameter": nn.Parameter(torch.ones(2)),
}
VALUES = {
    "dictionary": (collections.OrderedDict(a=1), {"a": 1}),
    "default dictionary": (collections.defaultdict(list, {"x": [1]}), {"x": [1]}),
    "counter": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "datetime": (datetime.datetime(2024, 5, 1, 12), datetime.datetime(2024, 5, 1, 12)),
    "zone": (
        datetime.datetime(2024, 5, 1, tzinfo=ZONE),
        datetime.datetime(2024, 5, 1, tzinfo=ZONE),
    ),
    "date": (datetime.date(2024, 5, 1), datetime.date(2024, 5, 1)),
    "time": (datetime.time(12, 5), datetime.time(12, 5)),
    "duration": (datetime.timedelta(1, 2), datetime.timedelta(1, 2)),
    "path": (pathlib.PurePosixPath("/runs/1"), "/runs/1"),
    "Windows path": (pathlib.PureWindowsPath("C:/runs/1"), "C:\\runs\\1"),
    "bytes": (b"\x00\xff", b"\x00\xff"),
    "complex": (1 + 2j, 1 + 2j),
    "size": (torch.Size([2, 3]), (2, 3)),
    "device": (torch.device("cpu"), "cpu"),
    "dtype": (torch.float32, None),
    "class": (nn.ReLU, ClassName("torch.nn.modules.activation.ReLU")),
}
ARRAYS = {
    "scalar": np.float32(2.5),
    "integer": np.int64(3),
    "truth": np.bool_(True),
    "array": np.arange(6).reshape(2, 3),
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">i4"),
    "text": np.array(["a", "bc"]),
}


class Colour(enum.Enum):
    RED = "red"


class Config(dict):
    """A dictionary with attributes, as training frameworks have them."""


class Names(list):
    pass


def saved(value, path, zipped=True):
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return read_pickled(path).content


def pickled(value, path, protocol):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return read_pickled(path).content


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors(tmp_path, zipped):
    content = saved(TENSORS, tmp_path / "a.pth", zipped)
    for name, tensor in TENSORS.items():
        assert torch.equal(content[name], tensor), name
        assert content[name].dtype == tensor.dtype
        assert content[name].stride() == tensor.stride()
        assert not content[name].requires_grad
    shared = content["a view"].data_ptr() - content["of the same memory"].data_ptr()
    assert shared == 2 * BASE.itemsize


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_tensors_in_a_plain_pickle(tmp_path, protocol):
    content = pickled({"map": TENSORS["a view"]}, tmp_path / "a.pkl", protocol)
    assert torch.equal(content["map"], TENSORS["a view"])


@pytest.mark.parametrize("order", ["big", "little"])
def test_byte_order(tmp_path, monkeypatch, order):
    values = {"a": torch.tensor([1.5, 2.5]), "c": torch.tensor([1 + 2j]), "i": torch.arange(3)}
    monkeypatch.setattr("camlucida.io.pickles.tensors.sys", types.SimpleNamespace(byteorder=order))
    content = saved(values, tmp_path / "a.pth")
    if (
        order == "big"
    ):  # a file of a little-endian machine there, as one of a big-endian one is here
        swapped = values["a"].numpy().byteswap()
        assert np.array_equal(content["a"].numpy(), swapped)
        assert np.array_equal(content["c"].numpy(), values["c"].numpy().byteswap())
    else:
        assert torch.equal(content["i"], values["i"])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", VALUES)
def test_values(tmp_path, name, protocol):
    value, expected = VALUES[name]
    content = pickled({"value": value}, tmp_path / "a.pkl", protocol)["value"]
    if expected is not None:
        assert content == expected


@pytest.mark.parametrize("zipped", [True, False])
def test_values_beside_tensors(tmp_path, zipped):
    content = saved({name: value for name, (value, _) in VALUES.items()}, tmp_path / "a", zipped)
    for name, (_, expected) in VALUES.items():
        if expected is not None:
            assert content[name] == expected


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("new_names", [True, False])
def test_arrays(tmp_path, name, protocol, new_names):
    data = pickle.dumps(ARRAYS[name], protocol=protocol)
    if new_names and protocol < 2:
        data = data.replace(b"numpy.core.", b"numpy._core.")
    elif not new_names and protocol < 2:
        data = data.replace(b"numpy._core.", b"numpy.core.")
    (tmp_path / "a.pkl").write_bytes(data)
    content = read_pickled(tmp_path / "a.pkl").content
    assert np.array_equal(content, ARRAYS[name])
    native = ARRAYS[name].dtype.newbyteorder("=")
    assert np.asarray(content).dtype.newbyteorder("=") == native


def test_an_array_of_objects_comes_out_empty(tmp_path):
    content = pickled(np.array([{"a": 1}], object), tmp_path / "a.pkl", 4)
    assert content.size == 0


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_objects_are_their_state(tmp_path, protocol):
    config = Config(size=256)
    config.name = "resnet18"
    values = {
        "namespace": argparse.Namespace(lr=0.1, size=(1, 2)),
        "dictionary": config,
        "list": Names(["a", "b"]),
        "enum": Colour.RED,
        "module": nn.Linear(2, 3),
    }
    content = pickled(values, tmp_path / "a.pkl", protocol)
    assert as_mapping(content["namespace"]) == {"lr": 0.1, "size": (1, 2)}
    assert as_mapping(content["dictionary"]) == {"size": 256}
    assert as_list(content["list"]) == ["a", "b"]
    assert plain(content["enum"]) == "red"
    module = content["module"]
    assert isinstance(module, Stub)
    assert module.name == "torch.nn.modules.linear.Linear"
    assert module.state["_parameters"]["weight"].shape == (3, 2)


def test_omegaconf_containers_are_data():
    leaf = Stub("omegaconf.nodes.AnyNode", state={"_val": 256, "_metadata": Stub("m")})
    inner = Stub("omegaconf.listconfig.ListConfig", state={"_content": [leaf, leaf]})
    outer = Stub("omegaconf.dictconfig.DictConfig", state={"_content": {"size": inner}})
    assert plain({"cfg": outer}) == {"cfg": {"size": [256, 256]}}


def test_plain_is_bounded():
    bomb = []
    for _ in range(60):
        bomb = [bomb, bomb]
    assert plain(bomb) is not None
    itself = {}
    itself["again"] = itself
    assert plain(itself) is not None
    assert plain({"weights": torch.zeros(10**6), "mean": torch.zeros(2)}) == {
        "weights": None,
        "mean": [0, 0],
    }


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_known_as_such(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 3)), tmp_path / "a.pt")
    file = read_pickled(tmp_path / "a.pt")
    assert file.torchscript
    assert file.content.state["weight"].shape == (3, 2)
