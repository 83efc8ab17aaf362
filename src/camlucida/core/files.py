"""Files: written whole or not at all; names for them; what the system refuses, in one line."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from camlucida.core.errors import CamlucidaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS = {"↑": "up", "↓": "down", "−": "minus", "+": "plus", ">": "above"}

LONGEST = 70
"""Bytes of one part of a file name.

Three such parts, a method and a suffix stay below the 255 of most file systems.
"""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Numbers of the errors of a full or read-only disk, which no other file would escape."""


@contextmanager
def reading(path: Path, kind: type[CamlucidaError], what: str) -> Iterator[None]:
    """Whatever the system refuses of a file becomes one line.

    Args:
        path: being read.
        kind: of the error that is raised.
        what: being read, such as "the table".

    Raises:
        CamlucidaError: of ``kind``; no permission, or a name that is too long.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"cannot read {what} ({error.strerror}): {path}") from error


def without_dots(path: Path) -> Path:
    """The absolute path without ``..``, so that one file has one name.

    Links stay, except one that a ``..`` leads out of.

    Args:
        path: relative paths count from the working directory.

    >>> without_dots(Path("/data/run/../images"))
    PosixPath('/data/images')
    """
    path = path.absolute()
    result = Path(path.anchor)
    for part in path.parts[1:]:
        if part != "..":
            result /= part
        else:
            # The parent of a link is that of its target, not of its name.
            entered = result.resolve() if result.is_symlink() else result
            result = entered.parent
    return result


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all, through a temporary file in the same folder.

    Args:
        path: its folder is made if missing.
        data: the content.
        mode: permissions.

    Raises:
        OSError: the system refuses the folder or the file.
    """
    with whole_file(path, mode) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``path`` when the block ends without an error.

    Args:
        path: its folder is made if missing.
        mode: permissions.

    Raises:
        OSError: the system refuses the folder or the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: only within one file system is a rename atomic.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".camlucida-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        temporary.chmod(mode)  # mkstemp gives 0600
        temporary.replace(path)
    except BaseException:  # also when interrupted: nothing half written stays
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON, indented, UTF-8; messages as codes with values.

    Args:
        path: its folder is made if missing.
        value: of JSON's kinds, or with ``to_json``.

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: a value has no JSON form.
        OSError: the system refuses the folder or the file.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=json_default)
    write_bytes(path, f"{text}\n".encode())


def json_default(value: Any) -> Any:
    """The JSON form of what ``json.dumps`` cannot write by itself: anything with ``to_json``.

    Args:
        value: any object.

    Raises:
        TypeError: ``value`` has no ``to_json``.

    >>> from camlucida.core.messages import Message
    >>> json.dumps([Message("empty.gradient")], default=json_default)
    '[{"code": "empty.gradient"}]'
    """
    if hasattr(value, "to_json"):
        return value.to_json()
    kind = type(value).__name__
    raise TypeError(f"{kind} has no JSON form")


def npy(values: NDArray[Any]) -> bytes:
    """An array as the content of a ``.npy`` file; an array of objects is refused.

    Args:
        values: of any shape.

    Raises:
        ValueError: ``values`` holds objects.

    >>> import numpy as np
    >>> npy(np.zeros(3))[:6]
    b'\\x93NUMPY'
    """
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays as the content of a ``.npz`` file; the same bytes on every run.

    Args:
        arrays: key → array, not of objects.

    Raises:
        ValueError: an array holds objects.

    >>> import numpy as np
    >>> npz({"a": np.zeros(3)})[:2]
    b'PK'
    """
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


DEEPEST = 100
"""Levels of tables and lists in a TOML file; those of people have two or three."""


def parse_toml(text: str) -> dict[str, Any]:
    """TOML as data, bounded so that nothing after it exceeds the depth of recursion.

    Args:
        text: of the file.

    Raises:
        tomllib.TOMLDecodeError: no TOML, a number of thousands of digits, or nested too deeply.

    >>> parse_toml("a = [1, 2]")
    {'a': [1, 2]}
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise tomllib.TOMLDecodeError("a number is too long, or it is nested too deeply") from error
    level: list[Any] = [content]
    for _ in range(DEEPEST):
        level = list(chain.from_iterable(map(_items_of, level)))
        if not level:
            return content
    raise tomllib.TOMLDecodeError(f"tables and lists are nested more than {DEEPEST} deep")


def _items_of(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def write_toml(path: Path, value: Mapping[str, Any]) -> None:
    """Write TOML, a line a key, tables and lists inline; None is left out.

    Args:
        path: its folder is made if missing.
        value: of JSON's kinds.

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: a value has no TOML form.
        OSError: the system refuses the folder or the file.
    """
    write_bytes(path, toml_text(value).encode())


def toml_text(value: Mapping[str, Any]) -> str:
    """A mapping as TOML, as :func:`write_toml` writes it.

    Args:
        value: of JSON's kinds.

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: a value has no TOML form.

    >>> toml_text({"size": 64, "steps": [{"do": "invert"}]})
    'size = 64\\nsteps = [{ do = "invert" }]\\n'
    """
    lines = [f"{line}\n" for line in _toml_items(value)]
    return "".join(lines)


def _toml_items(table: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, item in table.items():
        if item is not None:
            lines.append(f"{_toml_key(key)} = {_toml(item)}")
    return lines


def _toml_key(key: str) -> str:
    is_bare = re.fullmatch(r"[\w-]+", key, re.ASCII)
    return key if is_bare else _toml(key)


def _toml(value: Any) -> str:
    """A value of JSON's kinds. TOML's strings and lists are JSON's; its tables are not."""
    if isinstance(value, Mapping):
        items = ", ".join(_toml_items(value))
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, (list, tuple)):
        items = ", ".join(map(_toml, value))
        return f"[{items}]"
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # JSON leaves DEL as it is, TOML forbids it


def slug(text: str) -> str:
    """A part of a file name: letters, digits, ``-``, ``.`` and ``_``.

    Other characters become underscores; a long part is cut, and its hash appended.

    Args:
        text: any; where nothing of it is left the part is ``x``.

    >>> slug("Pleural Effusion"), slug("-rf")
    ('Pleural_Effusion', 'rf')
    """
    for sign, word in _WORDS.items():
        text = text.replace(sign, f" {word} ")
    safe = re.sub(r"[^\w.-]+", "_", text)
    part = safe.strip("_.").lstrip("-_.") or "x"  # a leading hyphen would read as an option
    encoded = part.encode()
    if len(encoded) <= LONGEST:
        return part
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    length = LONGEST - len(digest) - 1
    beginning = encoded[:length].decode(errors="ignore")  # the cut may halve a character
    return f"{beginning}_{digest}"


def unique(name: str, taken: set[str]) -> str:
    """A name whose :func:`slug` no other has, letter case aside: ``name``, ``name_2`` and so on.

    Args:
        name: wanted.
        taken: slugs in lower case; the new one is added.

    >>> unique("a b", {"a_b"})
    'a b_2'
    """
    free, number = name, 1
    key = slug(free).casefold()
    while key in taken:
        number += 1
        free = f"{name}_{number}"
        key = slug(free).casefold()
    taken.add(key)
    return free
