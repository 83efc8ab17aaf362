"""JPEG Lossless and 12-bit JPEG, decoded by imagecodecs in a child process.

One child serves all frames of a process. Where a damaged frame crashes it, or takes too long, that
frame is an error and the next one gets a new child.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.io.child import Child
from camlucida.io.image import MAX_PIXELS

SECONDS = 60.0
"""Longest time for one frame."""

MEMORY = 4 * 2**30
"""Bytes of address space that a decoder may take."""

_DAMAGED = "the file is damaged: copy or export it again"
_DECODER = Child(Path(__file__).with_name("jpeg_child.py"), memory=MEMORY)


def has_decoder() -> bool:
    """Whether imagecodecs is installed."""
    return find_spec("imagecodecs") is not None


def decode_jpeg(path: Path, frame: bytes, seconds: float = SECONDS) -> NDArray[Any]:
    """The samples of a JPEG frame of any process and up to 16 bits.

    Args:
        path: of the file, for messages.
        frame: the compressed frame.
        seconds: after which it is given up.

    Returns:
        (rows, columns) or (rows, columns, samples), unsigned; no colours are converted.

    Raises:
        ImageError: the decoder refuses the frame, crashes, or takes too long.
    """
    try:
        reply, samples = _DECODER.request(frame, seconds, _length)
    except TimeoutError as error:
        what = f"{path}: its pixels were not decoded in {seconds:g} s"
        raise ImageError(what, _DAMAGED) from error
    except (OSError, EOFError, ValueError) as error:
        raise ImageError(f"{path}: its pixels crash the decoder", _DAMAGED) from error
    if "error" in reply:
        raise ImageError(f"{path}: the decoder refuses its pixels ({reply['error']})", _DAMAGED)
    return np.frombuffer(samples, reply["dtype"]).reshape(reply["shape"])


def _length(reply: Mapping[str, Any]) -> int:
    """Bytes of the samples behind a reply."""
    if "error" in reply:
        return 0
    length: int = math.prod(reply["shape"]) * np.dtype(reply["dtype"]).itemsize
    if length > MAX_PIXELS * 8:
        raise ValueError("more pixels than the limit")
    return length
