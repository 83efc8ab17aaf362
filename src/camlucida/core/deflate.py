"""Compression of pixels: as small as zlib's quick levels, in a quarter of their time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 1
"""Of 0 to 3. The higher ones take longer and save a hundredth of a radiograph."""


def deflate(*parts: bytes | NDArray[np.uint8]) -> bytes:
    """Bytes, one part after the other, as one zlib stream (RFC 1950).

    Args:
        parts: bytes, or arrays in the order of their memory.

    >>> import zlib
    >>> zlib.decompress(deflate(b"film ", b"film film"))
    b'film film film'
    """
    from isal import isal_zlib

    packer = isal_zlib.compressobj(LEVEL)
    return b"".join([*(packer.compress(part) for part in parts), packer.flush()])
