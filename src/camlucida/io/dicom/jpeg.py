"""JPEG Lossless and 12-bit JPEG, decoded by imagecodecs in a child process.

One child serves all frames of a process. Where a damaged frame crashes it, or takes too long, that
frame is an error and the next one gets a new child.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import select
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.io.image import MAX_PIXELS

SECONDS = 60.0
"""Longest time for one frame."""

_CHILD = Path(__file__).with_name("jpeg_child.py")
_DAMAGED = "the file is damaged: copy or export it again"
_LONGEST_LINE = 1000
_LOCK = threading.Lock()
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Process → its child: a forked process must not share that of its parent."""


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
    with _LOCK:
        child = _child()
        try:
            reply, samples = _exchange(child, frame, time.monotonic() + seconds)
        except TimeoutError as error:
            _stop(child)
            what = f"{path}: its pixels were not decoded in {seconds:g} s"
            raise ImageError(what, _DAMAGED) from error
        except (OSError, EOFError, ValueError) as error:
            _stop(child)
            raise ImageError(f"{path}: its pixels crash the decoder", _DAMAGED) from error
        except BaseException:
            _stop(child)  # an interrupted reply must not be taken for that of the next frame
            raise
    if "error" in reply:
        raise ImageError(f"{path}: the decoder refuses its pixels ({reply['error']})", _DAMAGED)
    return np.frombuffer(samples, reply["dtype"]).reshape(reply["shape"])


def _child() -> subprocess.Popen[bytes]:
    child = _children.get(os.getpid())
    if child is None or child.poll() is not None:
        child = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        _children[os.getpid()] = child
    return child


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # bytes that it did not read
                continue
    _children.pop(os.getpid(), None)


@atexit.register
def _stop_own() -> None:
    child = _children.get(os.getpid())
    if child is not None:
        _stop(child)


def _exchange(
    child: subprocess.Popen[bytes], frame: bytes, deadline: float
) -> tuple[dict[str, Any], bytes]:
    """Send a frame, and read what the child replies."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(len(frame).to_bytes(8, "big") + frame)
    child.stdin.flush()
    pipe = child.stdout.fileno()
    reply = bytearray()
    while b"\n" not in reply:
        if len(reply) > _LONGEST_LINE:
            raise ValueError("not a reply")
        reply += _read(pipe, deadline)
    line, _, rest = bytes(reply).partition(b"\n")
    about: dict[str, Any] = json.loads(line)
    length = 0
    if "error" not in about:
        length = math.prod(about["shape"]) * np.dtype(about["dtype"]).itemsize
    if length > MAX_PIXELS * 8:
        raise ValueError("more pixels than the limit")
    samples = bytearray(rest)
    while len(samples) < length:
        samples += _read(pipe, deadline)
    return about, bytes(samples)


def _read(pipe: int, deadline: float) -> bytes:
    ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError
    data = os.read(pipe, 2**20)
    if not data:
        raise EOFError
    return data
