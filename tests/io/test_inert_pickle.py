import collections
import io
import os
import pickle

import numpy as np
import pytest
import torch

from camlucida.io.inert_pickle import InertPickleError, Stub, read_inert_pickle


class Calls:
    """Pickled as a call of ``function``."""

    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self):
        return self.function, self.arguments, self.state


class Listed(list):
    pass


@pytest.mark.parametrize("protocol", range(6))
def test_data_comes_out_as_it_went_in(protocol):
    content = {
        "map": torch.rand(1, 1, 3, 4),
        "strided": torch.rand(6)[::2],
        "parameter": torch.nn.Parameter(torch.rand(2)),
        "empty": torch.zeros(0, 3),
        "half": torch.ones(2, dtype=torch.float16),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "by columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "flags": np.array([True, False]),
        "big endian": np.arange(3, dtype=">i2"),
        "in a tuple": (1, np.ones(2)),
        "number": np.float32(3),
        "size": torch.Size((1, 2)),
        "ordered": collections.OrderedDict(a=1),
        "bytes": b"ab\xff",
    }
    result = read_inert_pickle(pickle.dumps(content, protocol))
    assert list(result) == list(content)
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(result[name], value), name
        elif name == "in a tuple":
            np.testing.assert_array_equal(result[name][1], value[1])
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(result[name], value, name)
        else:
            assert result[name] == value, name


def test_a_container_that_holds_itself_ends():
    content = {"array": np.ones(2)}
    content["self"] = content
    result = read_inert_pickle(pickle.dumps(content))
    assert result["self"] is result


def attacks(file):
    """Pickles that would make a file if they were loaded as usual."""
    command = f"touch {file}"
    yield pickle.dumps(Calls(os.system, command))
    yield pickle.dumps(Calls(eval, f"open({str(file)!r}, 'w')"))
    yield pickle.dumps(Calls(os.system, command), protocol=0)
    # __setstate__ and __new__ of classes, and the INST instruction of old protocols.
    yield pickle.dumps(Calls(Listed, [1], state={"append": os.system}))
    yield pickle.dumps(Listed([command]), protocol=2)
    yield f"(S'{command}'\nios\nsystem\n.".encode()
    # A call of what a call gave.
    yield f"cbuiltins\ngetattr\n(cos\npath\nVsystem\ntR(V{command}\ntR.".encode()
    for zipped in (True, False):
        inner = io.BytesIO()
        torch.save(Calls(os.system, command), inner, _use_new_zipfile_serialization=zipped)
        yield pickle.dumps(Calls(torch.storage._load_from_bytes, inner.getvalue()))


def test_nothing_of_the_file_runs(tmp_path):
    file = tmp_path / "made"
    harmful = list(attacks(file))
    assert len(harmful) == 9
    pickle.loads(harmful[0])
    assert file.exists()
    file.unlink()
    for number, data in enumerate(harmful):
        try:
            result = read_inert_pickle(data)
        except InertPickleError:
            continue
        assert isinstance(result, Stub), number
    assert not file.exists()


def test_persistent_ids_need_someone_who_knows_them():
    data = b"cbuiltins\nlist\n(V1\ntQ."
    with pytest.raises(InertPickleError):
        read_inert_pickle(data)
    assert read_inert_pickle(data, storages=lambda pid: pid) == ("1",)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (1000, 1000), (1, 1)),
        (0, (5,), (1,)),
        (-1, (2,), (1,)),
        (4, (1,), (1,)),
        (0, (2,), (-1,)),
    ],
)
def test_a_tensor_beyond_its_numbers_is_refused(offset, size, stride):
    inner = io.BytesIO()
    torch.save(torch.rand(4)._typed_storage(), inner, _use_new_zipfile_serialization=False)
    storage = Calls(torch.storage._load_from_bytes, inner.getvalue())
    rebuild = torch._utils._rebuild_tensor_v2
    with pytest.raises(InertPickleError):
        read_inert_pickle(pickle.dumps(Calls(rebuild, storage, offset, size, stride, False, {})))
    inside = Calls(rebuild, storage, 3, (1,), (1,), False, {})
    assert read_inert_pickle(pickle.dumps(inside)).shape == (1,)


def test_arrays_of_objects_and_damaged_files_are_refused():
    for content in (np.array([{}, None]), np.array(["text"]), np.zeros(2, "f4,i4")):
        with pytest.raises(InertPickleError):
            read_inert_pickle(pickle.dumps(content))
    whole = pickle.dumps({"map": torch.rand(2, 2), "array": np.ones(3)})
    for end in range(0, len(whole), 7):
        with pytest.raises(InertPickleError):
            read_inert_pickle(whole[:end])
