"""Writing files so that a reader never meets half of one; names for them; what the system refuses, in one line."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camlucida.core.errors import CamlucidaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS = {"↑": "up", "↓": "down", "−": "minus", "+": "plus", ">": "above"}

LONGEST = 70
"""Bytes of one part of a file name: three such parts, a method and a suffix stay below the 255 of most file systems."""


@contextmanager
def reading(path: Path, kind: type[CamlucidaError], what: str) -> Iterator[None]:
    """Whatever the system refuses of ``path`` (no right to look, a name too long) becomes one line of ``kind``."""
    try:
        yield
    except OSError as error:
        raise kind(f"cannot read {what} ({error.strerror}): {path}") from error


def without_dots(path: Path) -> Path:
    """The absolute path without ``..``, so that one file has one name; links stay, but for one that a ``..`` goes out of."""
    found = Path(path.absolute().anchor)
    for part in path.absolute().parts[1:]:
        found = (
            (found.resolve() if found.is_symlink() else found).parent
            if part == ".."
            else found / part
        )
    return found


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder: it is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".camlucida-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON, indented, UTF-8, no NaN; messages as codes with values."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=json_default)
    write_bytes(path, f"{text}\n".encode())


def json_default(value: Any) -> Any:
    """What ``json.dumps`` cannot write by itself: anything that has ``to_json``.

    Raises:
        TypeError: it has not.
    """
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def npy(values: NDArray[Any]) -> bytes:
    """An array as the content of a ``.npy`` file; nothing that could run code."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def write_toml(path: Path, value: Mapping[str, Any]) -> None:
    """Write TOML, a line a key, tables and lists inline; None is left out."""
    lines = [
        f"{_toml_key(key)} = {_toml(item)}\n" for key, item in value.items() if item is not None
    ]
    write_bytes(path, "".join(lines).encode())


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _toml(key)


def _toml(value: Any) -> str:
    """A value of JSON's kinds. TOML's strings and lists are JSON's; its tables are not."""
    if isinstance(value, Mapping):
        inside = ", ".join(
            f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items() if item is not None
        )
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def slug(text: str) -> str:
    """A file-name part: letters, digits, ``-``, ``.`` and ``_``; words joined by underscores; a long one cut, with its hash.

    >>> slug("Pleural Effusion")
    'Pleural_Effusion'
    """
    for sign, word in _WORDS.items():
        text = text.replace(sign, f" {word} ")
    part = re.sub(r"[^\w.-]+", "_", text).strip("_.") or "x"
    whole = part.encode()
    if len(whole) <= LONGEST:
        return part
    return f"{whole[: LONGEST - 9].decode(errors='ignore')}_{hashlib.sha256(whole).hexdigest()[:8]}"


def unique(name: str, taken: set[str]) -> str:
    """``name``, or ``name_2`` and so on where another has the same :func:`slug`, letter case aside; it is then taken.

    >>> unique("a b", {"a_b"})
    'a b_2'
    """
    free, number = name, 1
    while slug(free).casefold() in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(slug(free).casefold())
    return free
