"""Decodes JPEG frames in a process of its own: a damaged frame may crash a decoder.

Run as a script. It reads frames from its standard input, each after its length (8 bytes), and
writes a line of JSON (``shape`` and ``dtype``, or ``error``) and the samples. It ends with its
input. Nothing of the package is imported, so that it starts fast.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Decode frames until the input ends."""
    import numpy as np
    from imagecodecs import jpeg_decode

    source, target = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(8):
        frame = source.read(int.from_bytes(head, "big"))
        samples = b""
        try:
            array = np.ascontiguousarray(jpeg_decode(frame))
            answer = {"shape": array.shape, "dtype": array.dtype.str}
            samples = array.tobytes()
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises
            answer = {"error": type(error).__name__}
        target.write(json.dumps(answer).encode() + b"\n" + samples)
        target.flush()


if __name__ == "__main__":
    main()
