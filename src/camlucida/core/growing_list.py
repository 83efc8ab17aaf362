"""A JSON file of a list that grows, and is a whole JSON document after each addition."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from camlucida.core.files import json_default, write_bytes

_END = b"\n]\n"


class GrowingList:
    """Adds items to a list in a file without writing the earlier ones again.

    What :func:`~camlucida.core.files.write_json` writes of the whole list, byte for byte, stands in
    the file after each addition, so that a process that is killed leaves what it did.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "list.json"
    ...     items = GrowingList(path)
    ...     items.add([1])
    ...     items.add([{"a": 2}])
    ...     json.loads(path.read_text())
    [1, {'a': 2}]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0  # where the closing bracket's line begins; 0 before the file is there

    def add(self, items: Sequence[Any]) -> None:
        """Add items at the end; the first call makes the file, or replaces an older one.

        Args:
            items: of JSON's kinds, or with ``to_json``; may be empty.

        Raises:
            OSError: the system refuses the file; what it held before stays whole.
            ValueError: a number is NaN or infinite.
            TypeError: an item has no JSON form.
        """
        texts = [_text(item) for item in items]
        addition = ",\n".join(texts).encode()
        if not self._end:
            write_bytes(self.path, b"[\n" + addition + _END if texts else b"[]\n")
            self._end = len(b"[\n" + addition) if texts else 0
            return
        if texts:
            self._append(b",\n" + addition)

    def _append(self, addition: bytes) -> None:
        with self.path.open("r+b", buffering=0) as file:
            file.seek(self._end)
            try:
                _write_all(file, addition + _END)
            except OSError:
                # A full disk may take a part of it: the old end fits where it was.
                file.seek(self._end)
                file.write(_END)
                file.truncate()
                raise
        self._end += len(addition)


def _write_all(file: Any, data: bytes) -> None:
    """Write all bytes; one call to the system where it takes them at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _text(item: Any) -> str:
    text = json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False, default=json_default)
    return indent(text, "  ")
