"""Files under keyed names: which file a name stands for is kept with the user, outside all outputs.

A run with keyed names stores ``keyed/GROUP/NAME`` in place of a path. Readers follow it to the file
where this user's record is at hand; anywhere else it leads nowhere, and tells nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes
from camlucida.io.dicom.patients import key_folder, keyed_name

ROOT = "keyed"
"""First part of the path that stands for a file."""

MASK = "mask"
"""Last part of the path that stands for the mask of an image."""


@dataclass(frozen=True)
class KeyedFile:
    """What a keyed name stands for.

    Attributes:
        name: by which tables and annotations know it; "" where nothing names it.
        path: of the file or folder, absolute.
        mask: of its mask; "" without one.
    """

    name: str
    path: str
    mask: str = ""


def keyed_path(group: str, name: str) -> Path:
    """What is written in place of a path.

    Args:
        group: of files that were named together.
        name: keyed.

    >>> keyed_path("case-01", "case-02").as_posix()
    'keyed/case-01/case-02'
    """
    return Path(ROOT, group, name)


def original(path: str | Path) -> KeyedFile | None:
    """What stands behind a keyed path; None of any other path, and where no record is at hand.

    Args:
        path: any.

    >>> original("films/a.png") is None
    True
    """
    parts = Path(path).parts
    if len(parts) not in (3, 4) or parts[0] != ROOT:
        return None
    return recorded_files(parts[1]).get(parts[2])


def actual_path(path: str | Path) -> Path:
    """The file that a keyed path stands for; any other path as it is.

    Args:
        path: any.

    >>> actual_path("films/a.png").as_posix()
    'films/a.png'
    """
    path = Path(path)
    file = original(path)
    if file is None:
        return path
    if path.parts[3:] == (MASK,):
        return Path(file.mask) if file.mask else path
    return Path(file.path)


def image_source(image: str, path: str) -> tuple[str, Path]:
    """Id and file of an image, as tables and annotations know it.

    Args:
        image: its id, which may be keyed.
        path: its path, which may be keyed.

    >>> image_source("a", "films/a.png")[0]
    'a'
    """
    file = original(path)
    if file is None:
        return image, Path(path)
    return file.name or image, Path(file.path)


def add_files(group: str, files: Mapping[str, KeyedFile]) -> None:
    """Record what keyed names stand for, readable by this user alone.

    Args:
        group: of the files; what it holds already stays, unless it has the same name.
        files: keyed name → file.

    Raises:
        UsageError: the record cannot be written.
    """
    known = recorded_files(group)
    joined = {**known, **files}
    if joined == known:
        return
    lines = [json.dumps({"keyed": name, **asdict(file)}) for name, file in joined.items()]
    where = record_path(group)
    try:
        write_bytes(where, "\n".join([*lines, ""]).encode("utf-8", "surrogateescape"), 0o600)
    except OSError as error:
        raise _unwritable(where.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the record of keyed names cannot be written to {folder}: {error.strerror}",
        "set XDG_DATA_HOME to a folder of yours, outside the run",
    )


def inputs_folder(out: Path, keyed: bool) -> Path:
    """Where the inputs of a run are written: a cohort, which names files, a table, model cards.

    Args:
        out: folder of all that is made.
        keyed: whether images have keyed names; the inputs are then kept with this user, outside
            ``out``.

    Raises:
        UsageError: there is no such folder, and it cannot be made.

    >>> inputs_folder(Path("out"), keyed=False).as_posix()
    'out'
    """
    if not keyed:
        return out
    folder = key_folder() / "inputs" / keyed_name("folder", str(out.absolute()))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
    return folder


def record_path(group: str) -> Path:
    """Where the names of a group are recorded: JSON, a line a file.

    Args:
        group: of files.
    """
    return key_folder() / "names" / f"{group}.jsonl"


def recorded_files(group: str) -> dict[str, KeyedFile]:
    """Keyed name → file, of all names of a group; empty where there is no record.

    Args:
        group: of files.
    """
    path = record_path(group)
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return {}
    return _read(path, changed)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> dict[str, KeyedFile]:
    """The names in a file; none where it is damaged."""
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return {row.pop("keyed"): KeyedFile(**row) for row in rows}
    except (OSError, ValueError, TypeError, LookupError):
        return {}
