"""Tensors of a pickle, as views of the bytes that the file holds."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.io.pickles.machine import UNKNOWN, PickleDamage
from camlucida.io.pickles.stub import ClassName

Args = tuple[Any, ...]
Bytes = NDArray[np.uint8]

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
"""Class of a storage → type of its elements."""

_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}

_MAX_AXES = 64


@dataclass(frozen=True)
class Storage:
    """The memory that one or more tensors are views of.

    Attributes:
        raw: its bytes.
        dtype: of its elements.
        swapped: whether their byte order is not this machine's.
    """

    raw: Bytes
    dtype: torch.dtype
    swapped: bool = False
    _flat: dict[torch.dtype, Tensor] = field(default_factory=dict, repr=False)

    def elements(self, dtype: torch.dtype) -> Tensor:
        """As a flat tensor, the same for every view.

        Args:
            dtype: of the elements.
        """
        if dtype not in self._flat:
            self._flat[dtype] = self._read(dtype)
        return self._flat[dtype]

    def _read(self, dtype: torch.dtype) -> Tensor:
        size = dtype.itemsize
        raw = self.raw[: len(self.raw) // size * size]
        if self.swapped and size > 1:
            part = size // 2 if dtype.is_complex else size
            raw = raw.view(f"u{part}").byteswap().view(np.uint8)
        if len(raw) and raw.ctypes.data % size:
            raw = raw.copy()  # not every processor reads elements across its words
        return torch.from_numpy(raw).view(dtype)


def storage_dtype(cls: object) -> torch.dtype:
    """Type of the elements of a class of storages.

    Args:
        cls: as the pickle names it.

    Raises:
        PickleDamage: not a storage, or one of quantised values.

    >>> storage_dtype(ClassName("torch.FloatStorage"))
    torch.float32
    """
    name = cls.name if isinstance(cls, ClassName) else ""
    dtype = _STORAGES.get(name.rpartition(".")[2]) if name.startswith("torch.") else None
    if dtype is None:
        raise PickleDamage("it holds tensors of a kind that cannot be read (quantised?)")
    return dtype


def other_byte_order(order: str) -> bool:
    """Whether elements are stored in another byte order than this machine's.

    Args:
        order: "little" or "big".
    """
    return order != sys.byteorder


def construct(name: str, args: Args) -> Any:
    """A tensor, or what PyTorch pickles beside them.

    Args:
        name: dotted, of the function in the pickle.
        args: that it would be called with.

    Returns:
        :data:`~camlucida.io.pickles.machine.UNKNOWN` for all else.

    Raises:
        PickleDamage: a tensor that is not within its storage.
    """
    make = _MAKERS.get(name)
    if make is None:
        return UNKNOWN
    try:
        return make(args)
    except PickleDamage:
        raise
    except (ValueError, TypeError, OverflowError, IndexError, RuntimeError) as error:
        raise PickleDamage("its pickle has a damaged tensor") from error


def _rebuilt(args: Args) -> Any:
    storage = args[0]
    if not isinstance(storage, Storage):
        return UNKNOWN
    offset, size, stride = args[1:4]
    return view(storage, storage.dtype, offset, size, stride)


def _rebuilt_untyped(args: Args) -> Any:
    storage, dtype = args[0], _dtype(args[6])
    if not isinstance(storage, Storage) or dtype is None:
        return UNKNOWN
    offset, size, stride = args[1:4]
    return view(storage, dtype, offset, size, stride)


def view(
    storage: Storage, dtype: torch.dtype, offset: object, size: object, stride: object
) -> Tensor:
    """A tensor of a storage, every element of it inside.

    Args:
        storage: the memory.
        dtype: of the elements.
        offset, size, stride: in elements.

    Raises:
        PickleDamage: elements outside the storage, or far more of them than it has.
    """
    sizes, strides = _whole(size), _whole(stride)
    start = _whole((offset,))[0]
    elements = storage.elements(dtype)
    count = math.prod(sizes)
    if len(sizes) != len(strides):
        raise PickleDamage("its pickle has a damaged tensor")
    reach = sum((n - 1) * step for n, step in zip(sizes, strides))
    if count and start + reach >= len(elements):
        raise PickleDamage("its pickle has a tensor that is larger than its data")
    # An expanded tensor has a stride of 0; a huge one would fill the memory when it is copied.
    if count > max(len(elements), 2**20):
        raise PickleDamage("its pickle has a tensor that is larger than its data")
    if not count:
        return torch.empty(sizes, dtype=dtype)
    return torch.as_strided(elements, sizes, strides, start)


def _whole(values: object) -> tuple[int, ...]:
    """Numbers that can be sizes.

    Raises:
        PickleDamage: they cannot.
    """
    numbers = tuple(values) if isinstance(values, (tuple, list)) else ()
    if not isinstance(values, (tuple, list)) or len(numbers) > _MAX_AXES:
        raise PickleDamage("its pickle has a damaged tensor")
    if not all(isinstance(n, int) and 0 <= n < 2**48 for n in numbers):
        raise PickleDamage("its pickle has a damaged tensor")
    return numbers


def _dtype(value: object) -> torch.dtype | None:
    return _DTYPES.get(value.name) if isinstance(value, ClassName) else None


def _first(args: Args) -> Any:
    """The tensor that a parameter or subclass wraps."""
    return args[0] if args and isinstance(args[0], Tensor) else UNKNOWN


def _from_type(args: Args) -> Any:
    """A tensor with attributes, or of a subclass: the tensor by itself."""
    function, inner = args[0], args[2]
    if not isinstance(function, ClassName) or not isinstance(inner, tuple):
        return UNKNOWN
    if function.name == "torch._tensor._rebuild_from_type_v2":
        return UNKNOWN  # in itself, as deep as the file likes
    return construct(function.name, inner)


def _from_numpy(args: Args) -> Any:
    array = args[0]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        return UNKNOWN
    dtype = _dtype(args[1])
    tensor = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    return tensor if dtype is None else tensor.to(dtype)


def _device(args: Args) -> Any:
    return str(args[0]) if args and isinstance(args[0], str) else UNKNOWN


_MAKERS: dict[str, Callable[[Args], Any]] = {
    "torch._utils._rebuild_tensor": _rebuilt,
    "torch._utils._rebuild_tensor_v2": _rebuilt,
    "torch._utils._rebuild_tensor_v3": _rebuilt_untyped,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_device_tensor_from_numpy": _from_numpy,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.nn.parameter.Parameter": _first,
    "torch.nn.Parameter": _first,
    "torch.nn.parameter.Buffer": _first,
    "torch.device": _device,
}
