"""What a decoder writes to the process's error stream, which Python's own cannot catch.

libtiff reports damage there ("incorrect data check") and may go on; a Rust decoder prints its
panic. It belongs to the file, not on the terminal.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ERROR_STREAM = 2
_LOCK = threading.RLock()
"""The stream is the process's: one decoder at a time may have it."""


@contextmanager
def caught_output() -> Iterator[list[str]]:
    """Catch what compiled code writes to file descriptor 2 inside the block.

    Yields:
        A list that holds the lines written, once the block has ended, however it ends.

    >>> with caught_output() as lines:
    ...     _ = os.write(2, b"strip 0: incorrect data check\\n")
    >>> lines
    ['strip 0: incorrect data check']
    """
    lines: list[str] = []
    with _LOCK:
        try:
            terminal = os.dup(_ERROR_STREAM)
        except OSError:  # the process has no error stream: nothing can be written to it
            yield lines
            return
        with tempfile.TemporaryFile() as file:
            try:
                os.dup2(file.fileno(), _ERROR_STREAM)
                yield lines
            finally:
                os.dup2(terminal, _ERROR_STREAM)
                os.close(terminal)
                file.seek(0)
                lines += _lines(file.read(10_000))


def _lines(written: bytes) -> list[str]:
    text = written.decode("utf-8", "replace")
    printable = re.sub(r"[^\S\n]+|[\x00-\x09\x0b-\x1f\x7f]", " ", text)
    return [line.strip() for line in printable.splitlines() if line.strip()]
