"""Run-length codes of masks, as COCO writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import UsageError

MAX_PIXELS = 2**28
"""A larger mask is refused before it is allocated: two numbers in a file must not take the
machine's memory."""


def from_rle(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask (H, W) of a COCO run-length code.

    Runs alternate outside, inside, … down the columns. Compressed ``counts`` hold 6 bits a
    character from code 48 on: 5 of value (least first, the last one signed) and one for "more
    follows"; from the fourth run on a value is the difference to the run two before.

    Args:
        rle: ``{"size": [H, W], "counts": runs}``; ``counts`` is a list of lengths, or COCO's
            compressed text.

    Returns:
        (H, W) bool.

    Raises:
        UsageError: not a run-length code; runs that do not cover the mask; more than
            :data:`MAX_PIXELS` pixels.

    >>> from_rle({"size": [2, 2], "counts": [1, 2, 1]}).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    try:
        height, width = (int(n) for n in rle["size"])
        runs = _runs(rle["counts"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(
            f"not a run-length code: {type(error).__name__} {error}",
            'give {"size": [H, W], "counts": …}',
        ) from None
    pixels = height * width
    if height < 0 or width < 0 or pixels > MAX_PIXELS:
        raise UsageError(
            f"run-length code of {height}×{width} pixels", f"at most {MAX_PIXELS} pixels are read"
        )
    if min(runs, default=0) < 0 or sum(runs) != pixels:
        raise UsageError(
            f"run-length code covers {sum(runs)} pixels of {height}×{width} = {pixels}",
            "the file is damaged",
        )
    inside = np.arange(len(runs)) % 2 == 1
    # The runs go down the columns, so the array is read as (W, H) and turned.
    columns = np.repeat(inside, runs).reshape(width, height)
    return np.ascontiguousarray(columns.T)


def _runs(counts: Any) -> list[int]:
    if isinstance(counts, (str, bytes)):
        return _decompress(counts)
    return [int(n) for n in counts]


def to_rle(mask: ArrayLike) -> dict[str, Any]:
    """The uncompressed COCO run-length code of a mask.

    Args:
        mask: (H, W), inside where it is not 0.

    Returns:
        ``{"size": [H, W], "counts": runs}``; the runs alternate outside, inside, … down the
        columns.

    >>> to_rle([[False, True], [True, False]])
    {'size': [2, 2], 'counts': [1, 2, 1]}
    """
    array = np.asarray(mask) != 0
    flat = array.T.reshape(-1)
    edges = np.zeros(0, int)
    if flat.size:  # np.diff fails on an empty array
        changes = np.diff(flat, prepend=False)
        edges = np.flatnonzero(changes)
    runs = np.diff(edges, prepend=0, append=flat.size)
    return {"size": list(array.shape), "counts": runs.tolist()}


def _decompress(text: str | bytes) -> list[int]:
    codes = text if isinstance(text, bytes) else text.encode("ascii")
    runs: list[int] = []
    at = 0
    while at < len(codes):
        value = shift = 0
        more = True
        while more:
            code = codes[at] - 48
            if not 0 <= code < 64:
                raise ValueError(f"character {chr(codes[at])!r}")
            value |= (code & 31) << shift
            more = bool(code & 32)
            at += 1
            shift += 5
            if not more and code & 16:  # the sign bit
                value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
    return runs
