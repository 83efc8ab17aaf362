"""Numbers as text in JSON: a film with its samples, and cells of a map."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.deflate import deflate
from camlucida.core.film_units import FilmUnits
from camlucida.core.png import png_rows

Samples = NDArray[np.uint8] | NDArray[np.uint16]


def encode_samples(samples: Samples) -> str:
    """The samples of a film, without loss, as base64 of a zlib stream.

    Of 8 bits the stream is that of a PNG file, so that a film that is also written as one is
    compressed once: rows that begin with the number of their filter, 2, and hold differences from
    the row above.
    Of 16 bits each sample is its difference from the one on its left (from 0 in the first column),
    modulo 2^16; small magnitudes first (0, −1, 1, −2, … are 0, 1, 2, 3, …); first all low bytes,
    then all high bytes, of which a radiograph has few different ones.

    Args:
        samples: (H, W) or (H, W, 3) of 8 bits, or (H, W) of 16 bits.

    >>> import zlib
    >>> list(zlib.decompress(base64.b64decode(encode_samples(np.array([[7, 7, 9]], np.uint16)))))
    [14, 0, 4, 0, 0, 0]
    """
    if samples.dtype == np.uint8:
        return _base64(png_rows(samples.astype(np.uint8, copy=False)))
    differences = samples.copy()
    differences[:, 1:] -= samples[:, :-1]  # modulo 2^16, as unsigned integers are
    steps = differences.view(np.int16)
    codes = ((steps << 1) ^ (steps >> 15)).view(np.uint16)
    low = (codes & 0xFF).astype(np.uint8)
    high = (codes >> 8).astype(np.uint8)
    return _base64(deflate(low, high))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def encode_floats(values: ArrayLike) -> str:
    """Numbers as little-endian float32 in base64, the last axis first.

    Args:
        values: of any shape.

    >>> encode_floats([1.0, -2.0])
    'AACAPwAAAMA='
    """
    return _base64(np.asarray(values, "<f4").tobytes())


def film_data(
    samples: Samples,
    name: str,
    window: tuple[float, float] | None = None,
    invert: bool = False,
    rows: bytes | None = None,
    units: FilmUnits | None = None,
) -> dict[str, Any]:
    """The film of the viewer.

    Args:
        samples: (H, W) or (H, W, 3) of 8 bits, or (H, W) of 16 bits.
        name: of the image.
        window: samples that are black and white; all that the bits can hold if None.
        invert: whether low samples are light.
        rows: of 8 bits, :func:`camlucida.core.png.png_rows` of the samples, where they are there
            already.
        units: what the file calls a sample; None: the sample itself.

    >>> film_data(np.zeros((2, 3), np.uint16), "blank")["window"]
    [0, 65535]
    >>> film_data(np.full((2, 3), 16, np.uint16), "CT", units=FilmUnits(-1024, 1, "HU"))["units"]
    {'first': -1024, 'step': 1, 'name': 'HU', 'linear': False, 'range': [16, 16]}
    """
    height, width = samples.shape[:2]
    bits = 8 * samples.dtype.itemsize
    data = {
        "id": name,
        "width": width,
        "height": height,
        "channels": 3 if samples.ndim == 3 else 1,
        "bits": bits,
        "data": encode_samples(samples) if rows is None else _base64(rows),
        "window": list(window or (0, 2**bits - 1)),
        "invert": invert,
    }
    if units is not None:
        occurring = [int(samples.min()), int(samples.max())]
        data["units"] = {**asdict(units), "range": occurring}
    return data
