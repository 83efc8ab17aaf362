"""How much a watch may keep: a quota, and the room that is left on the disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

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

    Args:
        folder: of the watch, with everything in it.
        quota: bytes that it may hold; None: as much as the disk.
    """

    folder: Path
    quota: int | None = None

    def refusal(self, size: int) -> Message | None:
        """Why so many bytes are not taken; None where they are.

        Args:
            size: in bytes.
        """
        if shutil.disk_usage(self.folder).free < size + RESERVE:
            return Message("dicom_watch.disk", {"folder": str(self.folder)})
        if self.quota is None:
            return None
        used = _bytes_in(self.folder)
        if used + size <= self.quota:
            return None
        values: dict[str, Value] = {"folder": str(self.folder), "used": used, "quota": self.quota}
        return Message("dicom_watch.quota", values)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # taken away meanwhile
            continue
    return total
