"""How much a watch may keep: a quota, and the room that is left on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from camlucida.core.messages import Message, Value, declare

declare(
    "dicom_watch",
    {
        "quota": (
            "no image is taken: {folder} holds {used:,} bytes, and --quota allows {quota:,}; move "
            "away what was sent"
        ),
        "disk": "no image is taken: the disk of {folder} is full; free space there",
    },
)

RESERVE = 2**28
"""Bytes of the disk that are left to others, and to the objects of the image that is explained."""


@dataclass
class Room:
    """Whether a folder takes more.

    What is in the folder is counted once, and then what is added; all of it again when as many
    additions came as there were files, and before anything is refused: others may have added or
    taken away.

    Args:
        folder: of the watch, with everything in it.
        quota: bytes that it may hold; None: as much as the disk.
    """

    folder: Path
    quota: int | None = None
    _used: int = field(default=0, init=False)
    _left: int = field(default=0, init=False)  # additions until all is counted again
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def refusal(self, size: int) -> Message | None:
        """Why so many bytes are not taken; None where they are.

        Args:
            size: in bytes.
        """
        if shutil.disk_usage(self.folder).free < size + RESERVE:
            return Message("dicom_watch.disk", {"folder": str(self.folder)})
        if self.quota is None:
            return None
        with self._lock:
            if self._left <= 0 or self._used + size > self.quota:
                sizes = list(_sizes(self.folder))
                self._used, self._left = sum(sizes), len(sizes) + 1
            used = self._used
        if used + size <= self.quota:
            return None
        values: dict[str, Value] = {"folder": str(self.folder), "used": used, "quota": self.quota}
        return Message("dicom_watch.quota", values)

    def add(self, path: Path) -> None:
        """Count what was written.

        Args:
            path: of a file, or of a folder with everything in it.
        """
        if self.quota is None:
            return
        size = sum(_sizes(path))
        with self._lock:
            self._used += size
            self._left -= 1


def _sizes(path: Path) -> Iterator[int]:
    """Bytes of a file, or of each file in a folder."""
    for each in (path, *path.rglob("*")):
        with suppress(OSError):  # taken away meanwhile
            if each.is_file():
                yield each.stat().st_size
