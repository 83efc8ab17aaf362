"""A JSON file of a list that grows: at every instant a whole JSON document."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from camlucida.core.files import json_default, whole_file

REST = 20
"""How many times as long as the last writing took, additions wait for the next one.

Each writing copies what is there. Of a short list that is nothing, so each addition is written; a
list of many megabytes lags by a second, and writing never takes more than a twentieth of the time.
"""

_END = b"\n]\n"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=json_default)


class GrowingList:
    """Adds items to a list in a file that is replaced as a whole, and not for each item.

    A whole list stands in the file at every instant: of all items, or of all but those of the last
    moment, which :meth:`close` adds. A reader, or a process that is killed, never finds half a
    document. Of an item that is an object each field has its line.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "list.json"
    ...     items = GrowingList(path)
    ...     items.add([1])
    ...     items.add([{"a": 2}])
    ...     items.close()
    ...     json.loads(path.read_text())
    [1, {'a': 2}]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end: int | None = None  # of the last item in the file; None before the first writing
        self._waiting: list[str] = []
        self._due = 0.0

    def add(self, items: Sequence[Any]) -> None:
        """Add items at the end; the first call makes the file, or replaces an older one.

        Args:
            items: of JSON's kinds, or with ``to_json``; may be empty.

        Raises:
            OSError: the system refuses the file; what it held before stays whole, and without
                these items.
            ValueError: a number is NaN or infinite.
            TypeError: an item has no JSON form.
        """
        before = len(self._waiting)
        self._waiting += [_text(item) for item in items]
        if self._end is not None and monotonic() < self._due:
            return
        try:
            self.close()
        except OSError:
            del self._waiting[before:]
            raise

    def close(self) -> None:
        """Write what waits. More may be added afterwards.

        Raises:
            OSError: the system refuses the file; what it held before stays whole.
        """
        if self._end is not None and not self._waiting:
            return
        begin = monotonic()
        addition = ",\n".join(self._waiting).encode()
        with whole_file(self.path) as file:
            if self._end:
                with self.path.open("rb") as earlier:
                    shutil.copyfileobj(earlier, file, 1 << 20)
                file.seek(self._end)
                file.write(b",\n")
            elif addition:
                file.write(b"[\n")
            file.write(addition)
            end = file.tell()
            file.write(_END if end else b"[]\n")
        self._end = end
        self._waiting.clear()
        now = monotonic()
        self._due = now + REST * (now - begin)


def _text(item: Any) -> str:
    # An encoder that indents is a tenth as fast, and gives each number of a box its line.
    if not isinstance(item, dict) or not item:
        return f"  {_ENCODER.encode(item)}"
    fields = [f"    {_ENCODER.encode(key)}: {_ENCODER.encode(item[key])}" for key in item]
    return "  {\n" + ",\n".join(fields) + "\n  }"
