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


_WORDS = """
    a an the of in at for is was not no too more than with and or to be by from has have
    error warning fatal invalid bad bogus incorrect corrupt corrupted damaged truncated premature
    unexpected unknown unsupported missing wrong short enough extra extraneous yet panicked
    data check header stream block code codes length distance size count bytes byte bits bit chunk
    marker segment scanline row rows column strip tile image file end table huffman quantization
    component sampling precision decoding decode decoder encoder encountered field tag directory
    value values type read reading seek input output buffer memory color colour space profile crc
    checksum compression compressed zlib inflate lzw jpeg png tiff webp zipdecode lzwdecode
"""
"""Words of decoders that are no one's data."""

_VOCABULARY = frozenset(_WORDS.split())

_NUMBERED = frozenset(("tag", "scanline", "row", "strip", "tile", "marker", "line"))


def known_words(line: str) -> str:
    """A decoder's remark without what it quotes from the file: other words become "…".

    A remark may quote a value of the header, such as a name.

    Args:
        line: as the decoder wrote it.

    >>> known_words('Decoding error at scanline 0, incorrect data check; Artist is "A. Name"')
    'Decoding error at scanline 0 incorrect data check … is'
    """
    kept: list[str] = []
    for word in re.findall(r"[A-Za-z]+|\d+", re.sub(r"['\"].*['\"]", " …", line)):
        numbered = word.isdigit() and len(word) <= 5 and bool(kept) and kept[-1] in _NUMBERED
        if word.lower() in _VOCABULARY or numbered:
            kept.append(word)
        elif not kept or kept[-1] != "…":
            kept.append("…")
    return " ".join(kept[:40])


def _lines(written: bytes) -> list[str]:
    text = written.decode("utf-8", "replace")
    printable = re.sub(r"[^\S\n]+|[\x00-\x09\x0b-\x1f\x7f]", " ", text)
    return [line.strip() for line in printable.splitlines() if line.strip()]
