"""Hostile and damaged pickles: nothing runs, and memory stays bounded."""

import io
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import zipfile

import pytest
import torch

from camlucida.io.pickles import PickleDamage, Stub, machine, plain, read_pickled


def content_or_line(file):
    """What a file holds, or the one line that refuses it."""
    try:
        content = read_pickled(file).content
    except PickleDamage as error:
        return str(error)
    plain(content)
    return content


def is_one_line(outcome):
    return not isinstance(outcome, str) or ("\n" not in outcome and len(outcome) < 200)


class Harm:
    """A pickle that calls a function when it is opened."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class HarmfulState:
    """A pickle that hands a state to ``__setstate__``."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return HarmfulState, (None,), self.state

    def __setstate__(self, state):
        pathlib.Path(state).write_text("owned")


@pytest.fixture
def owned(tmp_path, monkeypatch):
    """The file that every payload writes; a module that writes it when it is imported."""
    path = tmp_path / "owned.txt"
    (tmp_path / "harmful.py").write_text(f"open({str(path)!r}, 'w').write('owned')\ndef run(): 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return path


def text(value):
    """A short string in protocol 0."""
    return b"V" + value.encode() + b"\n"


def payloads(owned):
    code = f"open({str(owned)!r}, 'w').write('owned')"
    shell = f"echo owned > {owned}"
    path = pathlib.Path(owned)
    inner = io.BytesIO()
    torch.save(Harm(os.system, shell), inner, _use_new_zipfile_serialization=False)
    nested = inner.getvalue()
    again = Harm(torch.storage._load_from_bytes, nested)
    zipped = io.BytesIO()
    torch.save(Harm(os.system, shell), zipped)
    yield "reduce", pickle.dumps(Harm(os.system, shell))
    yield "reduce, protocol 0", pickle.dumps(Harm(os.system, shell), 0)
    yield "eval", pickle.dumps(Harm(eval, code))
    yield "exec", pickle.dumps(Harm(exec, code))
    yield "path", pickle.dumps(Harm(pathlib.Path.write_text, path, "owned"))
    yield "popen", pickle.dumps(Harm(subprocess.check_output, ["sh", "-c", shell]))
    yield "setstate", pickle.dumps(HarmfulState(str(owned)))
    yield "setstate, protocol 0", pickle.dumps(HarmfulState(str(owned)), 0)
    yield "import", b"charmful\nrun\n."
    yield "inst", b"(" + text(shell) + b"ios\nsystem\n."
    yield "obj", b"(cos\nsystem\n" + text(shell) + b"o."
    yield "newobj", b"\x80\x02cos\nsystem\n" + text(shell) + b"\x85\x81."
    yield "newobj_ex", b"\x80\x04cos\nsystem\n" + text(shell) + b"\x85}\x92."
    yield "call of a call", b"cbuiltins\ngetattr\n(cos\n_wrap_close\n" + text("x") + b"tR(tR."
    yield "extension code", b"\x80\x02\x82\x01(" + text(shell) + b"tR."
    yield "persistent id of an object", b"\x80\x02cos\nsystem\n(" + text(shell) + b"tRQ."
    yield "persistent id as text", b"Pos.system\n."
    yield "a tensor's file in a file", pickle.dumps(again)
    yield "twice", pickle.dumps(Harm(torch.storage._load_from_bytes, pickle.dumps(again)))
    yield (
        "a zip file in a file",
        pickle.dumps(Harm(torch.storage._load_from_bytes, zipped.getvalue())),
    )
    yield (
        "builder of parameters",
        pickle.dumps(Harm(torch._utils._rebuild_parameter, Harm(os.system, shell), False, {})),
    )
    yield (
        "builder of types",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN(" + text(shell) + b"tNtR.",
    )
    yield "numpy loads", pickle.dumps(Harm(__import__("numpy").load, str(owned)))


NAMES = [name for name, _ in payloads(pathlib.Path("x"))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["plain", "zip", "dictionary"])
def test_nothing_runs(tmp_path, owned, name, where):
    data = dict(payloads(owned))[name]
    file = tmp_path / "evil.pth"
    if where == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("evil/data.pkl", data)
            archive.writestr("evil/version", "3")
    elif where == "dictionary":
        body = data.removeprefix(b"\x80\x04").removesuffix(b".")
        file.write_bytes(b"\x80\x04}" + text("key") + body + b"s.")
    else:
        file.write_bytes(data)
    assert is_one_line(content_or_line(file))
    assert not owned.exists()
    assert "harmful" not in sys.modules


def test_a_call_is_a_stub_with_its_name(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Harm(os.system, "true"), 4))
    stub = read_pickled(tmp_path / "a.pkl").content
    assert isinstance(stub, Stub)
    assert (stub.name, stub.args) == (f"{os.system.__module__}.system", ("true",))


def tensor_file(path, size, stride, offset=0, count=4):
    """A file whose only tensor claims a size, stride and offset."""
    reference = b"((" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    reference += b"I%d\ntQ" % count
    numbers = [b"(" + b"".join(b"L%dL\n" % n for n in part) + b"t" for part in (size, stride)]
    data = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + reference
    data += b"L%dL\n" % offset + numbers[0] + numbers[1] + b"I00\n}tR."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/0", struct.pack("<4f", 1, 2, 3, 4))
    return path


def test_a_tensor_written_by_hand(tmp_path):
    content = content_or_line(tensor_file(tmp_path / "a.pth", (2, 2), (2, 1)))
    assert torch.equal(content, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


@pytest.mark.parametrize(
    ("size", "stride", "offset", "count"),
    [
        ((5,), (1,), 0, 4),
        ((2,), (1,), 3, 4),
        ((2,), (2**40,), 0, 4),
        ((2**40,), (0,), 0, 4),
        ((2**70,), (0,), 0, 4),
        ((2,), (-1,), 1, 4),
        ((-1,), (1,), 0, 4),
        ((2, 2), (1,), 0, 4),
        ((1,), (1,), 2**62, 4),
        ((1,) * 100, (1,) * 100, 0, 4),
        ((2,), (1,), 0, 2**40),
        ((2,), (1,), 0, -1),
        ((2,), (1,), -1, 4),
    ],
)
def test_a_tensor_outside_its_data(tmp_path, size, stride, offset, count):
    outcome = content_or_line(tensor_file(tmp_path / "a.pth", size, stride, offset, count))
    assert isinstance(outcome, (str, Stub))
    assert is_one_line(outcome)


def nested(opening, closing, depth=200_000):
    return b"\x80\x02" + opening * depth + closing * depth + b"."


BOMBS = {
    "lists": nested(b"](", b"e")[:-1] + b".",
    "tuples": b"\x80\x02)" + b"\x85" * 200_000 + b".",
    "dictionaries": b"\x80\x02" + b"}K\x01" * 100_000 + b"N" + b"s" * 100_000 + b".",
    "calls": b"\x80\x02cx\ny\nq\x000N" + b"\x85q\x010h\x00h\x01R" * 50_000 + b".",
    "lists of the same": b"\x80\x02]q\x00" + b"0](h\x00h\x00eq\x00" * 60 + b".",
    "keys of the same": b"\x80\x02Nq\x00" + b"0h\x00h\x00\x86q\x00" * 60 + b"0}h\x00Ns.",
    "a long string": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "a longer string": b"\x80\x04\x8e" + struct.pack("<Q", 2**64 - 1) + b"x.",
    "a long text": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "a long array": b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x.",
    "a long number": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
    "a number of many bits": b"\x80\x02\x8b" + struct.pack("<i", 5000) + b"\x7f" * 5000 + b".",
    "a number of many digits": b"L" + b"9" * 50_000 + b"L\n.",
    "a far memo": b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b".",
    "an unknown memo": b"\x80\x02j" + struct.pack("<I", 2**31) + b".",
    "a buffer": b"\x80\x05\x97.",
    "an unknown operation": b"\x80\x02\xff.",
    "no mark": b"\x80\x02t.",
    "an empty stack": b"\x80\x02R.",
    "nothing": b"\x80\x02.",
    "an array as large as you like": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(L1000000000000L\n"
        b"tcnumpy\ndtype\n(S'f8'\nI0\nI1\ntRI00\nS'x'\ntb."
    ),
    "a type as large as you like": b"cnumpy\ndtype\n(S'S9999999999'\nI0\nI1\ntR.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path, name):
    file = tmp_path / "bomb.pkl"
    file.write_bytes(BOMBS[name])
    assert is_one_line(content_or_line(file))


def test_operations_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "MAX_OPERATIONS", 1000)
    file = tmp_path / "long.pkl"
    file.write_bytes(b"\x80\x02" + b"}" * 2000 + b".")
    with pytest.raises(PickleDamage, match="more than 1,000 operations"):
        read_pickled(file)


def zip_of(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_zip_files_that_are_no_checkpoint(tmp_path):
    none, one = pickle.dumps(None), {"a/data.pkl": pickle.dumps(1)}
    with pytest.raises(PickleDamage, match=r"no data\.pkl"):
        read_pickled(zip_of(tmp_path / "a", {"readme.txt": b""}))
    with pytest.raises(PickleDamage, match=r"no data\.pkl"):
        read_pickled(zip_of(tmp_path / "a", {"a/data.pkl": none, "b/data.pkl": none}))
    with pytest.raises(PickleDamage, match="compressed"):
        read_pickled(zip_of(tmp_path / "a", {"a/data.pkl": bytes(10**6)}, zipfile.ZIP_DEFLATED))
    inner = zip_of(tmp_path / "inner", one).read_bytes()
    with pytest.raises(PickleDamage):
        read_pickled(zip_of(tmp_path / "a", {"a/data.pkl": inner}))


def test_a_zip_file_with_far_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.io.pickles.read._MAX_INDEX", 100)
    with pytest.raises(PickleDamage, match="far too many members"):
        read_pickled(zip_of(tmp_path / "a", {f"a/{i}": b"" for i in range(9)}))


def test_damaged_files(tmp_path):
    """Cut short, and with bytes changed: one line, or a content without the damaged part."""
    numbers = random.Random(0)
    content = {"state_dict": {"w": torch.ones(3, 4), "b": torch.zeros(2)}, "epoch": 3}
    file = tmp_path / "damaged.pth"
    for zipped in (True, False):
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
        whole = file.read_bytes()
        for _ in range(150):
            data = bytearray(whole[: numbers.randrange(1, len(whole) + 1)])
            for _ in range(numbers.randrange(4)):
                data[numbers.randrange(len(data))] = numbers.randrange(256)
            file.unlink()  # the last one may still be mapped
            file.write_bytes(data)
            assert is_one_line(content_or_line(file))


def test_an_empty_file(tmp_path):
    (tmp_path / "a.pkl").touch()
    with pytest.raises(PickleDamage, match="empty"):
        read_pickled(tmp_path / "a.pkl")
