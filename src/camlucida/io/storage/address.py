"""Addresses of objects, and where their local copies lie."""

from __future__ import annotations

import os
import re
from pathlib import Path

from camlucida.core.errors import UsageError

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/(/?)(.*)", re.DOTALL)
_LOCAL = ("file", "local")


def is_address(item: str | Path) -> bool:
    """Whether an item names an object or a folder of a store, and not a file of this machine.

    Args:
        item: as the user gives it. A :class:`~pathlib.Path` made of an address has lost one of its
            slashes, and is an address all the same.

    >>> is_address("s3://bucket/films"), is_address(Path("s3://bucket/films"))
    (True, True)
    >>> is_address("films/a.png"), is_address("C:/films"), is_address("hf:owner/model")
    (False, False, False)
    """
    return _ADDRESS.fullmatch(str(item)) is not None


def normal(item: str | Path) -> str:
    """An address in its one spelling: two slashes, none at the end.

    Args:
        item: an address, also one that went through a :class:`~pathlib.Path`.

    Raises:
        UsageError: it holds a password, leads out of its store, or names nothing.

    >>> normal(Path("s3://bucket/films/"))
    's3://bucket/films'
    """
    match = _ADDRESS.fullmatch(str(item))
    assert match is not None, item
    scheme, _, rest = match.groups()
    rest = rest.strip("/")
    if re.match(r"[^/]*:[^/]*@", rest):
        raise UsageError(
            f"an address with {scheme}:// holds a password",
            "leave it out, and give it to the driver: its environment variables or its file",
        )
    if {"", ".", ".."} & set(rest.split("/")):
        raise UsageError(f"{scheme}://{rest} names no object and no folder", "write it out")
    return f"{scheme}:///{rest}" if scheme in _LOCAL else f"{scheme}://{rest}"


def joined(address: str | Path, *parts: str) -> str:
    """The address of something below another.

    Args:
        address: of a folder.
        parts: of the path that leads on.

    >>> joined("s3://bucket/runs", "nih", "run.json")
    's3://bucket/runs/nih/run.json'
    """
    return "/".join((normal(address), *parts))


def local_file(item: str | Path) -> Path | None:
    """The file of this machine that ``file://…`` names; None for any other address.

    Args:
        item: an address.

    >>> local_file("file:///data/films"), local_file("s3://bucket/films")
    (PosixPath('/data/films'), None)
    """
    scheme, _, rest = normal(item).partition("://")
    return Path(rest) if scheme in _LOCAL else None


def copies_folder(kind: str) -> Path:
    """Where the local copies of one kind lie: ``$XDG_CACHE_HOME/camlucida/KIND``.

    Args:
        kind: "object-copies" or "runs".
    """
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "camlucida" / kind


def copy_path(item: str | Path, kind: str = "object-copies") -> Path:
    """Where the local copy of an object lies, or would lie.

    Args:
        item: its address.
        kind: as of :func:`copies_folder`.
    """
    local = local_file(item)
    if local is not None:
        return local
    scheme, _, rest = normal(item).partition("://")
    return copies_folder(kind).joinpath(scheme, *rest.split("/"))


def address_of(path: Path) -> str | None:
    """The address of which a path is the local copy, on this machine or another.

    Args:
        path: of any file.

    Returns:
        None for a path that is no copy.

    >>> address_of(Path("/home/me/.cache/camlucida/object-copies/s3/bucket/a.png"))
    's3://bucket/a.png'
    >>> address_of(Path("/data/a.png")) is None
    True
    """
    _, marker, rest = path.as_posix().rpartition("/camlucida/object-copies/")
    scheme, _, key = rest.partition("/")
    return f"{scheme}://{key}" if marker and key else None
