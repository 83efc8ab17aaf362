"""Pickles as data: plain values, arrays and tensors come out, and no code of the file runs.

A pickle names the functions that rebuild its objects, and ``pickle.load`` calls whatever it names.
Here every name is answered by a function of this file or by an inert :class:`Stub`, which keeps
what it is given and does nothing; no module is imported and nothing that the file names is called.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class InertPickleError(ValueError):
    """A pickle that is damaged, or that holds arrays or tensors that cannot be."""


class Stub:
    """An object of a class that is not known here: what the file says of it, as data.

    Attributes:
        name: module and class, as the file names them.
        contents: arguments, states and items, in the order in which the file gives them.
    """

    name = ""
    contents: list[Any]

    def __new__(cls, *arguments: Any, **named: Any) -> Stub:
        """Made by a call or by ``__new__`` alone, as the file has it."""
        stub = super().__new__(cls)
        stub.contents = [*arguments, *named.items()]
        return stub

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Nothing more to do."""

    def __call__(self, *arguments: Any) -> Stub:
        """The file calls an object it has built: that is an object, too."""
        return _stub(self.name)(*arguments)

    def __setstate__(self, state: Any) -> None:
        """Keep the state without acting on it."""
        self.contents.append(state)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep an item of a mapping."""
        self.contents.append((key, value))

    def append(self, value: Any) -> None:
        """Keep an item of a list."""
        self.contents.append(value)

    def extend(self, values: Any) -> None:
        """Keep items of a list."""
        self.contents.extend(values)

    def add(self, value: Any) -> None:
        """Keep an item of a set."""
        self.contents.append(value)

    def __repr__(self) -> str:
        return f"<inert {self.name}>"


class InertUnpickler(pickle.Unpickler):
    """Reads a pickle without calling anything that the file names.

    Args:
        data: of the pickle.
        storages: what stands for a persistent id, such as a tensor's storage beside the pickle;
            None refuses them.
    """

    def __init__(self, data: bytes, storages: Callable[[Any], Any] | None = None) -> None:
        super().__init__(io.BytesIO(data))
        self._storages = storages

    def find_class(self, module_name: str, global_name: str) -> Any:
        """A function of this file for the few names that are data, a stub for any other."""
        short = module_name.replace("numpy._core", "numpy.core")
        name = f"{short}.{global_name}"
        if name in _KNOWN:
            return _KNOWN[name]
        of_torch = vars(torch).get(global_name) if module_name == "torch" else None
        if isinstance(of_torch, torch.dtype):
            return of_torch
        return _stub(f"{module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> Any:
        """An object that is kept beside the pickle."""
        if self._storages is None:
            raise pickle.UnpicklingError("it refers to data outside the file")
        return self._storages(pid)


def read_inert_pickle(data: bytes, storages: Callable[[Any], Any] | None = None) -> Any:
    """The content of a pickle as plain values, NumPy arrays, CPU tensors and :class:`Stub`.

    Args:
        data: one pickle, as ``pickle.dump`` writes it.
        storages: as of :class:`InertUnpickler`.

    Raises:
        InertPickleError: a damaged pickle, or one whose arrays do not fit their data.

    >>> read_inert_pickle(pickle.dumps({"map": np.eye(2), "task": "Edema"}))["task"]
    'Edema'
    >>> class Attack:
    ...     def __reduce__(self):
    ...         return print, ("this is never printed",)
    >>> read_inert_pickle(pickle.dumps(Attack()))
    <inert builtins.print>
    """
    try:
        content = InertUnpickler(data, storages).load()
        return _resolved(content, {})
    except InertPickleError:
        raise
    except RecursionError as error:
        raise InertPickleError("it is nested too deeply") from error
    except Exception as error:  # damaged bytes fail anywhere in the unpickler, with any type
        raise InertPickleError(f"{type(error).__name__}") from error


# ---- names that are data ------------------------------------------------------------------------


class _Type:
    """A NumPy type under construction: its byte order comes after its name."""

    def __init__(self, name: Any, *_: Any) -> None:
        # Numbers and truth values only: objects, records and dates have no bytes to read.
        if not isinstance(name, str) or name[:1] not in "biufc?" or not name[1:].isdigit():
            raise InertPickleError("an array of another type than numbers")
        self.name = name
        self.order: Literal["<", ">"] = "<"

    def __setstate__(self, state: Any) -> None:
        self.order = ">" if state[1] == ">" else "<"

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.name).newbyteorder(self.order)


class _Array:
    """A NumPy array under construction."""

    def __init__(self, *_: Any) -> None:
        self.values: NDArray[Any] = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, of, by_columns, raw = state
        self.values = _array(raw, of, shape, "F" if by_columns else "C").values


def _array(raw: Any, of: Any, shape: Any, order: str = "C") -> _Array:
    """Checked by hand: the bytes must be there before an array of them is made."""
    if not isinstance(raw, (bytes, bytearray)) or not isinstance(of, _Type):
        raise InertPickleError("an array of another type than numbers")
    sides = tuple(int(side) for side in shape)
    count = 1
    for side in sides:
        count *= side
    if min(sides, default=0) < 0 or count * of.dtype.itemsize != len(raw) or order not in "CF":
        raise InertPickleError("an array that does not fit its data")
    array = _Array()
    flat = np.frombuffer(bytes(raw), of.dtype)
    array.values = flat.reshape(sides, order="F" if order == "F" else "C")
    return array


def _scalar(of: Any, raw: Any = b"") -> Any:
    return _array(raw, of, ()).values.item()


def _storage(data: bytes) -> Any:
    """A tensor's numbers, which PyTorch nests in the pickle as a file of its own."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """A view of a storage; PyTorch itself would enlarge one that is too small."""
    numbers = torch.tensor([], dtype=storage.dtype)
    # Every public way to the bytes of a typed storage warns that its class will go.
    untyped: torch.UntypedStorage = storage._untyped_storage
    first = int(offset)
    reach = [(int(length) - 1) * int(step) for length, step in zip(size, stride)]
    empty = any(int(length) == 0 for length in size)
    last = first + sum(reach)
    if first < 0 or min(map(int, stride), default=0) < 0 or len(size) != len(stride):
        raise InertPickleError("a tensor that does not fit its data")
    if not empty and last >= untyped.nbytes() // numbers.element_size():
        raise InertPickleError("a tensor that does not fit its data")
    return numbers.set_(untyped, first, tuple(map(int, size)), tuple(map(int, stride)))


def _parameter(values: Any, *_: Any) -> Any:
    return values


def _bytes(text: Any, encoding: str = "latin-1") -> bytes:
    """Bytes, which old protocols write as text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise InertPickleError("text that is no bytes")
    return text.encode("latin-1")


def _bytearray(content: Any = b"", *encoding: Any) -> bytes:
    if isinstance(content, str):
        return _bytes(content, *encoding)
    if not isinstance(content, (bytes, bytearray)):
        raise InertPickleError("bytes without content")
    return bytes(content)


def _items(content: Any = ()) -> list[Any]:
    return list(content) if isinstance(content, (list, tuple)) else []


def _shape(content: Any = ()) -> tuple[int, ...]:
    return tuple(int(side) for side in content)


def _device(*_: Any) -> str:
    return "cpu"


def _default_dict(*_: Any) -> dict[Any, Any]:
    return {}


_KNOWN: Mapping[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": _default_dict,
    "builtins.set": _items,
    "__builtin__.set": _items,
    "builtins.frozenset": _items,
    "__builtin__.frozenset": _items,
    "builtins.bytearray": _bytearray,
    "__builtin__.bytearray": _bytearray,
    "_codecs.encode": _bytes,
    "numpy.dtype": _Type,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _array,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.storage._load_from_bytes": _storage,
    "torch.Size": _shape,
    "torch.device": _device,
}
"""Module and name → what stands for it. None acts on anything outside of it."""


def _stub(name: str) -> type[Stub]:
    return type("Stub", (Stub,), {"name": name})


def _resolved(value: Any, done: dict[int, Any]) -> Any:
    """The value with arrays and types in the place of those under construction."""
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, _Type):
        return value.dtype
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, dict):
        # Into the same object: it may hold itself.
        done[id(value)] = value
        for key in list(value):
            value[key] = _resolved(value[key], done)
    elif isinstance(value, list):
        done[id(value)] = value
        value[:] = [_resolved(item, done) for item in value]
    elif isinstance(value, Stub):
        done[id(value)] = value
        value.contents[:] = [_resolved(item, done) for item in value.contents]
    elif type(value) is tuple:
        return tuple(_resolved(item, done) for item in value)
    return value
