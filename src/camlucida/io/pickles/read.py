"""Files of ``torch.save`` (zip files and the older format) and of ``pickle.dump``, as data.

A file is mapped into memory, so that of all its tensors only those which are used are read.
"""

from __future__ import annotations

import io
import mmap
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from camlucida.io.pickles import machine, values
from camlucida.io.pickles.machine import UNKNOWN, Builders, PickleDamage
from camlucida.io.pickles.stub import Stub

Bytes = NDArray[np.uint8]

if TYPE_CHECKING:
    from camlucida.io.pickles.tensors import Storage

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_MAX_INDEX = 64 * 2**20
"""Bytes of the list of a zip file's members."""


@dataclass(frozen=True)
class PickledFile:
    """What a file holds.

    Attributes:
        content: plain containers, tensors, arrays, and stubs of all other objects.
        torchscript: whether the file is a program of TorchScript.
    """

    content: Any
    torchscript: bool = False


def read_pickled(path: str | Path) -> PickledFile:
    """Read a file of ``torch.save`` or ``pickle.dump`` as data; nothing in it is run.

    Args:
        path: a zip file of PyTorch, the format before it, or a plain pickle.

    Returns:
        Tensors are views of the mapped file, on the CPU.

    Raises:
        PickleDamage: no such file, or beyond the bounds.
        OSError: the system refuses the file.

    >>> import torch
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save({"weight": torch.ones(2)}, f"{folder}/a.pth")
    ...     read_pickled(f"{folder}/a.pth").content
    {'weight': tensor([1., 1.])}
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError as error:
            raise PickleDamage("it is empty") from error
    data = np.frombuffer(mapped, np.uint8)
    if mapped[:4] == b"PK\x03\x04":
        return _zip_file(path, data)
    return PickledFile(_stream(mapped, data, nested=False))


# Zip files.


def _zip_file(path: Path, data: Bytes) -> PickledFile:
    _check_index(data)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise PickleDamage("it is no whole zip file") from error
    main = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if len(main) != 1:
        raise PickleDamage("it is a zip file, but not one of torch.save (it has no data.pkl)")
    records = _Records(data, members, main[0].removesuffix("data.pkl"))
    pickled = records.raw("data.pkl").tobytes()
    builders = _builders(_zip_storages(records), nested=False)
    content = machine.load(io.BytesIO(pickled), builders)
    return PickledFile(content, torchscript=records.has("constants.pkl"))


def _check_index(data: Bytes) -> None:
    """The list of members must be small, for reading it takes many times its size.

    Raises:
        PickleDamage: there is none, or it is far larger than that of any checkpoint.
    """
    tail = data[-(22 + 2**16) :].tobytes()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise PickleDamage("it is no whole zip file")
    sizes = [struct.unpack_from("<I", tail, at + 12)[0]]
    if tail[max(at - 20, 0) : at].startswith(b"PK\x06\x07"):
        # In the longer form of large files, which has precedence, the size is elsewhere.
        start = struct.unpack_from("<Q", tail, at - 12)[0]
        record = data[start : start + 56].tobytes() if start < len(data) else b""
        if len(record) < 56:
            raise PickleDamage("it is no whole zip file")
        sizes = [struct.unpack_from("<Q", record, 40)[0]]
    if sizes[0] > _MAX_INDEX:
        raise PickleDamage("it is a zip file with far too many members")


class _Budget:
    """Bytes that storages may have together: more than the file has only where they overlap.

    Args:
        total: of the bytes.
    """

    def __init__(self, total: int) -> None:
        self._left = total

    def spend(self, size: int) -> None:
        """Take the bytes of one storage.

        Raises:
            PickleDamage: there are not as many left.
        """
        self._left -= size
        if self._left < 0:
            raise PickleDamage("its tensors lie across each other")


class _Records:
    """Members of a zip file, as they lie in it.

    Args:
        data: the whole file.
        members: by name.
        folder: that all names begin with.
    """

    def __init__(self, data: Bytes, members: Mapping[str, zipfile.ZipInfo], folder: str) -> None:
        self._data, self._members, self._folder = data, members, folder
        self.budget = _Budget(len(data))

    def has(self, name: str) -> bool:
        return f"{self._folder}{name}" in self._members

    def raw(self, name: str) -> Bytes:
        """The bytes of a member.

        Raises:
            PickleDamage: there is none, it is compressed, or it is cut short.
        """
        info = self._members.get(f"{self._folder}{name}")
        if info is None:
            raise PickleDamage(f"it is a zip file without its member {_shown(name)}")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise PickleDamage("it is a compressed zip file, which torch.save never writes")
        header = self._data[info.header_offset : info.header_offset + 30].tobytes()
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise PickleDamage("it is no whole zip file")
        # The lengths in the list of members may differ from these.
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        start = info.header_offset + 30 + name_length + extra_length
        content = self._data[start : start + info.file_size]
        if len(content) < info.file_size:
            raise PickleDamage("it is cut short")
        return content


def _zip_storages(records: _Records) -> Callable[[Any], Any]:
    """The storage of a persistent id, each made once."""
    from camlucida.io.pickles.tensors import Storage, other_byte_order, storage_dtype

    order = records.raw("byteorder")[:6].tobytes() if records.has("byteorder") else b"little"
    swapped = other_byte_order(order.decode("latin-1"))
    made: dict[str, Storage] = {}

    def storage(identity: Any) -> Any:
        reference = _reference(identity)
        if reference is None:
            return _no_storage(identity)
        cls, key, count = reference
        if key not in made:
            dtype = storage_dtype(cls)
            raw = records.raw(f"data/{key}")
            size = count * dtype.itemsize
            if len(raw) < size:
                raise PickleDamage(f"its member data/{_shown(key)} is cut short")
            made[key] = Storage(raw[:size], dtype, swapped)
            records.budget.spend(size)
        return made[key]

    return storage


def _reference(identity: Any) -> tuple[Any, str, int] | None:
    """Class, key and number of elements of a storage; None for any other persistent id."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        return None
    cls, key, _, count = identity[1:5]
    if not isinstance(key, str) or not isinstance(count, int) or not 0 <= count < 2**48:
        return None
    return cls, key, count


# The format before zip files, and plain pickles.


def _stream(file: BinaryIO | mmap.mmap, data: Bytes, nested: bool) -> Any:
    """A sequence of pickles: PyTorch's begins with a number of its own."""
    stream = cast(BinaryIO, file)
    first = machine.load(stream, _builders(_no_storage, nested))
    if type(first) is not int or first != _LEGACY_MAGIC:  # an array would compare its elements
        return first
    machine.load(stream, _builders(_no_storage, nested))  # version of the format
    about = machine.load(stream, _builders(_no_storage, nested))
    little = not isinstance(about, dict) or about.get("little_endian", True) is True
    start = stream.tell()
    # The storages lie behind the pickle, and their sizes depend on types that it names.
    wanted: dict[str, Any] = {}
    machine.load(stream, _builders(_listing(wanted), nested))
    keys = machine.load(stream, _builders(_no_storage, nested))
    positions = _positions(data, stream.tell(), keys, wanted)
    stream.seek(start)
    order = "little" if little else "big"
    return machine.load(stream, _builders(_legacy_storages(data, positions, order), nested))


def _no_storage(identity: Any) -> Any:
    """What a persistent id stands for that is not of a storage."""
    if isinstance(identity, tuple) and len(identity) > 1 and identity[0] == "module":
        return identity[1]  # a class, with its source
    return Stub("persistent id")


def _listing(wanted: dict[str, Any]) -> Callable[[Any], Any]:
    """Note the type of each storage."""
    from camlucida.io.pickles.tensors import storage_dtype

    def note(identity: Any) -> Any:
        reference = _reference(identity)
        if reference is not None:
            cls, key, _ = reference
            wanted[key] = storage_dtype(cls)
        return Stub("storage")

    return note


def _positions(
    data: Bytes, start: int, keys: object, wanted: Mapping[str, Any]
) -> dict[str, tuple[int, int, Any]]:
    """Key → beginning, end and type of each storage behind a pickle."""
    positions = {}
    for key in keys if isinstance(keys, list) else ():
        dtype = wanted.get(key) if isinstance(key, str) else None
        header = data[start : start + 8].tobytes()
        if dtype is None or len(header) < 8:
            raise PickleDamage("it is cut short or damaged")
        count = struct.unpack("<q", header)[0]
        end = start + 8 + count * dtype.itemsize
        if count < 0 or end > len(data):
            raise PickleDamage("it is cut short")
        positions[key] = (start + 8, end, dtype)
        start = end
    return positions


def _legacy_storages(
    data: Bytes, positions: Mapping[str, tuple[int, int, Any]], order: str
) -> Callable[[Any], Any]:
    from camlucida.io.pickles.tensors import Storage, other_byte_order

    swapped = other_byte_order(order)
    made: dict[tuple[int, int], Storage] = {}
    budget = _Budget(2 * len(data))

    def storage(identity: Any) -> Any:
        reference = _reference(identity)
        if reference is None:
            return _no_storage(identity)
        if reference[1] not in positions:
            raise PickleDamage("it is cut short or damaged")
        start, end, dtype = positions[reference[1]]
        parts = identity[5] if len(identity) > 5 else None
        if isinstance(parts, tuple) and len(parts) == 3:  # a part of a storage
            start, end = _part(start, end, dtype.itemsize, parts)
        if (start, end) not in made:
            budget.spend(end - start)
            made[start, end] = Storage(data[start:end], dtype, swapped)
        return made[start, end]

    return storage


def _part(start: int, end: int, size: int, parts: tuple[Any, ...]) -> tuple[int, int]:
    _, offset, count = parts
    whole = isinstance(offset, int) and isinstance(count, int) and offset >= 0 and count >= 0
    if not whole or start + (offset + count) * size > end:
        raise PickleDamage("its pickle has a tensor that is larger than its data")
    return start + offset * size, start + (offset + count) * size


# Values.

_NESTED = "torch.storage._load_from_bytes"
"""Of a tensor in a plain pickle: a file of ``torch.save`` in a string of bytes."""


def _builders(persistent: Callable[[Any], Any], nested: bool) -> Builders:
    def construct(name: str, args: tuple[Any, ...]) -> Any:
        if name == _NESTED:
            return UNKNOWN if nested else _from_bytes(args)
        made = values.construct(name, args)
        if made is UNKNOWN and name.startswith("torch."):
            from camlucida.io.pickles import tensors

            made = tensors.construct(name, args)
        return made

    return Builders(construct, values.set_state, persistent)


def _from_bytes(args: tuple[Any, ...]) -> Any:
    content = args[0] if args else None
    if not isinstance(content, bytes) or content.startswith(b"PK\x03\x04"):
        return UNKNOWN
    return _stream(io.BytesIO(content), np.frombuffer(bytearray(content), np.uint8), nested=True)


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[\w./]{1,40}", name, re.ASCII) else "of a damaged name"
