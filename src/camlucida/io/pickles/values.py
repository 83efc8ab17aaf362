"""Values of the standard library and of NumPy that a pickle may hold, each made by a checked rule.

No rule calls anything but the plain constructors of :mod:`datetime`, :mod:`pathlib` and NumPy, on
arguments of the types that pickling gives them.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.io.pickles.machine import UNKNOWN, PickleDamage
from camlucida.io.pickles.stub import ClassName

Args = tuple[Any, ...]

_PLAIN_KINDS = re.compile(r"[<>|=]?(?:[biufcSUmM?]\d{0,5}|bool)")


class Dtype:
    """A NumPy type that is being read; ``numpy`` is None where it is not of plain values.

    Args:
        code: ``f4`` and its like.
    """

    def __init__(self, code: object) -> None:
        text = code.decode("latin-1") if isinstance(code, bytes) else code
        plain = isinstance(text, str) and _PLAIN_KINDS.fullmatch(text)
        self.numpy: np.dtype[Any] | None = np.dtype(text) if plain else None  # type: ignore[call-overload]

    def set_state(self, state: object) -> None:
        """Take over the byte order; a type with fields is not plain.

        Args:
            state: as NumPy pickles it.
        """
        if not isinstance(state, tuple) or len(state) < 5 or self.numpy is None:
            return
        order, fields = state[1], state[2:5]
        if any(field is not None for field in fields):
            self.numpy = None
        elif order in ("<", ">"):
            self.numpy = self.numpy.newbyteorder(order)


def construct(name: str, args: Args) -> Any:
    """A value of the standard library or NumPy.

    Args:
        name: dotted, of the class or function in the pickle.
        args: that it would be called with.

    Returns:
        :data:`~camlucida.io.pickles.machine.UNKNOWN` for all else.

    Raises:
        PickleDamage: an array whose size is not that of its data.

    >>> construct("pathlib.PosixPath", ("/", "runs", "1"))
    '/runs/1'
    """
    make = _MAKERS.get(name.replace("numpy._core.", "numpy.core."))
    if make is None:
        return UNKNOWN
    try:
        return make(args)
    except PickleDamage:
        raise
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return UNKNOWN  # arguments that pickling never gives it


def set_state(value: object, state: object) -> bool:
    """Give an array or type its content.

    Args:
        value: that :func:`construct` made.
        state: as it is in the pickle.

    Returns:
        Whether the value took it.
    """
    if isinstance(value, Dtype):
        value.set_state(state)
    elif isinstance(value, np.ndarray):
        _fill(value, state)
    else:
        return False
    return True


def _fill(array: NDArray[Any], state: object) -> None:
    """Make an empty array the one in the pickle, in place: the memo holds it already."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise PickleDamage("its pickle has a damaged array")
    _, shape, dtype, fortran, data = state
    content = _bytes(data)
    if not isinstance(dtype, Dtype) or dtype.numpy is None or content is None:
        return  # objects in an array: it stays empty
    if len(content) != _count(shape) * dtype.numpy.itemsize:
        raise PickleDamage("its pickle has an array of another size than its data")
    filled: Any = array
    filled.__setstate__((1, shape, dtype.numpy, bool(fortran), content))


def _count(shape: object) -> int:
    """Elements of an array.

    Raises:
        PickleDamage: not a shape.
    """
    sizes = shape if isinstance(shape, tuple) else None
    if sizes is None or len(sizes) > 32 or not all(map(_is_size, sizes)):
        raise PickleDamage("its pickle has a damaged array")
    return math.prod(sizes)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 2**48


def _bytes(data: object) -> bytes | None:
    if isinstance(data, str):  # of Python 2
        return data.encode("latin-1")
    return bytes(data) if isinstance(data, (bytes, bytearray)) else None


def _scalar(args: Args) -> Any:
    dtype, data = args
    content = _bytes(data)
    if not isinstance(dtype, Dtype) or dtype.numpy is None or content is None:
        return UNKNOWN
    if len(content) != dtype.numpy.itemsize or not content:
        return UNKNOWN
    return np.frombuffer(content, dtype.numpy)[0]


def _from_buffer(args: Args) -> Any:
    """An array of protocol 5."""
    data, dtype, shape, order = args
    content = _bytes(data)
    if not isinstance(dtype, Dtype) or dtype.numpy is None or content is None:
        return UNKNOWN
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if len(content) != _count(sizes) * dtype.numpy.itemsize:
        raise PickleDamage("its pickle has an array of another size than its data")
    values = np.frombuffer(content, dtype.numpy)
    return values.reshape(sizes, order="F" if order == "F" else "C")


def _dictionary(args: Args) -> dict[Any, Any]:
    """Of pairs, as old pickles have them; the factory of a defaultdict is no content."""
    content = args[-1] if args else ()
    if isinstance(content, dict):
        return dict(content)
    pairs = content if isinstance(content, (list, tuple)) else ()
    items = {}
    for key, value in pairs:
        if not isinstance(key, (str, int, float, bytes)):
            raise ValueError("key")
        items[key] = value
    return items


def _set(args: Args) -> list[Any]:
    """Its elements: as a list, for they may be anything."""
    content = args[0] if args else []
    return list(content) if isinstance(content, (list, tuple, set)) else []


# Their constructors also take the ten, four and six bytes that pickling makes of them, which
# their types do not tell.
_DATETIME: Any = datetime.datetime
_DATE: Any = datetime.date
_TIME: Any = datetime.time


def _datetime(args: Args) -> Any:
    packed = _bytes(args[0])
    if packed is None:
        return _DATETIME(*map(int, args[:7]))
    zones = [part for part in args[1:] if isinstance(part, datetime.timezone)]
    return _DATETIME(packed, *zones)


def _date(args: Args) -> Any:
    packed = _bytes(args[0])
    return _DATE(*map(int, args[:3])) if packed is None else _DATE(packed)


def _time(args: Args) -> Any:
    packed = _bytes(args[0])
    return _TIME(*map(int, args[:4])) if packed is None else _TIME(packed)


def _delta(args: Args) -> datetime.timedelta:
    return datetime.timedelta(*map(int, args[:3]))


def _timezone(args: Args) -> datetime.timezone:
    delta = args[0]
    if not isinstance(delta, datetime.timedelta):
        raise TypeError("delta")
    return datetime.timezone(delta)


def _posix_path(args: Args) -> str:
    return str(PurePosixPath(*_texts(args)))


def _windows_path(args: Args) -> str:
    return str(PureWindowsPath(*_texts(args)))


def _texts(args: Args) -> Args:
    if not all(isinstance(part, str) for part in args):
        raise TypeError("path")
    return args


def _empty_array(args: Args) -> NDArray[Any] | object:
    """The array that NumPy fills by the state that follows; not of a subclass."""
    cls = args[0] if args else None
    return np.empty(0) if cls == ClassName("numpy.ndarray") else UNKNOWN


def _size(args: Args) -> Args:
    return tuple(args[0]) if args and isinstance(args[0], (tuple, list)) else ()


def _encoded(args: Args) -> Any:
    """Bytes, as the protocols before 3 have them."""
    text, encoding = args
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        return UNKNOWN
    return text.encode("latin-1")


def _byte_string(args: Args) -> Any:
    if not args:
        return b""
    if len(args) == 2:
        return _encoded(args)
    content = _bytes(args[0])
    return UNKNOWN if content is None else content


def _complex(args: Args) -> complex:
    return complex(*map(float, args[:2]))


_MAKERS: dict[str, Callable[[Args], Any]] = {
    "_codecs.encode": _encoded,
    "builtins.bytes": _byte_string,
    "__builtin__.bytes": _byte_string,
    "builtins.bytearray": _byte_string,
    "__builtin__.bytearray": _byte_string,
    "builtins.complex": _complex,
    "__builtin__.complex": _complex,
    "collections.OrderedDict": _dictionary,
    "collections.defaultdict": _dictionary,
    "collections.Counter": _dictionary,
    "builtins.dict": _dictionary,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.list": _set,
    "__builtin__.set": _set,
    "__builtin__.frozenset": _set,
    "datetime.datetime": _datetime,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.timedelta": _delta,
    "datetime.timezone": _timezone,
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.dtype": lambda args: Dtype(args[0]),
    "torch.Size": _size,
}
for _module in ("pathlib", "pathlib._local"):
    for _kind in ("Path", "PosixPath", "PurePath", "PurePosixPath"):
        _MAKERS[f"{_module}.{_kind}"] = _posix_path
    for _kind in ("WindowsPath", "PureWindowsPath"):
        _MAKERS[f"{_module}.{_kind}"] = _windows_path
