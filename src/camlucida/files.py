"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WORDS = {"↑": "up", "↓": "down", "−": "minus", "+": "plus", ">": "above"}


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder: it is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON, indented, UTF-8, no NaN."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def slug(text: str) -> str:
    """A file-name part: letters, digits, ``-``, ``.`` and ``_``; words joined by underscores.

    >>> slug("Pleural Effusion")
    'Pleural_Effusion'
    """
    for sign, word in _WORDS.items():
        text = text.replace(sign, f" {word} ")
    return re.sub(r"[^\w.-]+", "_", text).strip("_.") or "x"
