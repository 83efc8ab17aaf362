"""Numbers as text in JSON: a film with its samples, and cells of a map."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.io.deflate import deflate

Samples = NDArray[np.uint8] | NDArray[np.uint16]


def encode_samples(samples: Samples) -> str:
    """The samples of a film, without loss.

    Each is its difference from the sample of the same channel on its left (from 0 in the first
    column), modulo 2^bits; small magnitudes first (0, −1, 1, −2, … are 0, 1, 2, 3, …); of 16 bits
    first all low bytes, then all high bytes; then zlib, base64. Of a radiograph this is as small
    as a PNG.

    Args:
        samples: (H, W) or (H, W, 3), 8 or 16 bits.

    >>> import zlib
    >>> list(zlib.decompress(base64.b64decode(encode_samples(np.array([[7, 7, 9]], np.uint8)))))
    [14, 0, 4]
    """
    signed = np.dtype(np.int8 if samples.dtype == np.uint8 else np.int16)
    differences = samples.copy()
    differences[:, 1:] -= samples[:, :-1]  # modulo 2^bits, as unsigned integers are
    steps = differences.view(signed)
    sign = steps >> (8 * signed.itemsize - 1)
    codes = ((steps << 1) ^ sign).view(samples.dtype)
    low = (codes & 0xFF).astype(np.uint8).tobytes()
    high = (codes >> 8).astype(np.uint8).tobytes() if signed.itemsize == 2 else b""
    return base64.b64encode(deflate(low, high)).decode("ascii")


def encode_floats(values: ArrayLike) -> str:
    """Numbers as little-endian float32 in base64, the last axis first.

    Args:
        values: of any shape.

    >>> encode_floats([1.0, -2.0])
    'AACAPwAAAMA='
    """
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode("ascii")


def film_data(
    samples: Samples,
    name: str,
    window: tuple[float, float] | None = None,
    invert: bool = False,
) -> dict[str, Any]:
    """The film of the viewer.

    Args:
        samples: (H, W) or (H, W, 3) of 8 bits, or (H, W) of 16 bits.
        name: of the image.
        window: samples that are black and white; all that the bits can hold if None.
        invert: whether low samples are light.

    >>> film_data(np.zeros((2, 3), np.uint16), "blank")["window"]
    [0, 65535]
    """
    height, width = samples.shape[:2]
    bits = 8 * samples.dtype.itemsize
    return {
        "id": name,
        "width": width,
        "height": height,
        "channels": 3 if samples.ndim == 3 else 1,
        "bits": bits,
        "data": encode_samples(samples),
        "window": list(window or (0, 2**bits - 1)),
        "invert": invert,
    }
