"""DICOM's lookup tables: for the palette, and for rescale and window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.io.image import HeaderError


def table(
    descriptor: Sequence[int], data: Any, little_endian: bool
) -> tuple[NDArray[np.int64], int, int]:
    """(entries, first value mapped, bits an entry) of a lookup table's descriptor and data.

    Args:
        descriptor: number of entries (0 for 2¹⁶), first value mapped, bits an entry.
        data: the entries, as bytes or numbers.
        little_endian: byte order of ``data``.

    Raises:
        ValueError: there are no entries, or entries of no bits or more than 16.

    >>> entries, first, bits = table([2, 10, 8], bytes([0, 255]), little_endian=True)
    >>> entries.tolist(), first, bits
    ([0, 255], 10, 8)
    """
    count, first, bits = (int(value) for value in descriptor)
    count = count or 2**16
    if isinstance(data, bytes):
        packed = len(data) < 2 * count  # 8-bit entries, two to a word
        word = "<u2" if little_endian else ">u2"
        whole_words = data[: len(data) // 2 * 2]
        data = np.frombuffer(whole_words, "u1" if packed else word)
    entries = np.atleast_1d(np.asarray(data)).astype(np.int64)[:count]
    if not len(entries) or not 1 <= bits <= 16:
        raise HeaderError(f"a lookup table of {len(entries)} entries of {bits} bits")
    return entries, first, bits


def look_up(values: NDArray[Any], entries: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    """``entries[value - first]``.

    Values before the first and after the last take the nearest entry.

    Args:
        values: of any shape.
        entries: (N,), N ≥ 1.
        first: the value that the first entry stands for.

    >>> look_up(np.array([9, 11, 99]), np.array([0, 5, 7]), 10).tolist()
    [0, 5, 7]
    """
    position = np.rint(values) - first
    index = np.clip(position, 0, len(entries) - 1).astype(np.int64)
    mapped: NDArray[np.int64] = entries[index]
    return mapped
