"""Decodes image files in a process of its own; run as a script by :mod:`camlucida.io.decoded`.

It reads requests from its standard input, each after its length (8 bytes), writes a line of JSON to
each, and ends with its input.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Decode files until the input ends."""
    from camlucida.io.decoded import reply_to

    # What a decoder prints must not be taken for a reply.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    source = sys.stdin.buffer
    while head := source.read(8):
        request = json.loads(source.read(int.from_bytes(head, "big")))
        replies.write(json.dumps(reply_to(request)).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    main()
