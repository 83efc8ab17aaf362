"""Local copies of objects: each is fetched when it is first read, and again when it has changed.

A copy lies at the path that :func:`~camlucida.io.storage.address.copy_path` gives, so the rest of
the package sees files. A copy can be deleted at any time.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.files import write_bytes
from camlucida.io.image import MAX_BYTES, known_suffixes
from camlucida.io.storage.address import address_of, copies_folder, copy_path, local_file, normal
from camlucida.io.storage.at_once import each_at_once
from camlucida.io.storage.locks import alone
from camlucida.io.storage.store import open_store, storing, token

_compared: set[str] = set()
"""Addresses whose copies were compared with their objects by this process."""

DICOM_HEAD = 132
"""Bytes of a DICOM file up to its magic word."""


def fetch(path: Path) -> Path:
    """Make sure that the file of a local copy is there, and is what the store holds.

    Args:
        path: of any file; one that is no copy of an object is left as it is. Each object is
            looked up once a process.

    Returns:
        The path.

    Raises:
        ImageError: the object is not there, is too large, or cannot be read.
        UsageError: the driver is not installed.
    """
    address = address_of(path)
    if address is None or (address in _compared and path.exists()):
        return path
    store = open_store(address)
    with storing(address, "read", ImageError):
        info = store.info(address)
        if info["type"] == "directory":
            return path
        origin = _origin(address)
        current = token(info)
        with alone(address):  # else the note of one process could stand beside the copy of another
            if not path.is_file() or _text(origin) != current:
                _check_size(address, info)
                _download(store, address, path)
                write_bytes(origin, current.encode())
    _compared.add(address)
    return path


def fetched(item: str | Path) -> Path:
    """The local copy of an object or of a folder, fetched whole.

    Args:
        item: an address.

    Raises:
        UsageError: there is no such object, or it cannot be read.
    """
    address = normal(item)
    path = copy_path(address)
    if local_file(address) is not None:
        return path
    store = open_store(address)
    with storing(address, "read", UsageError):
        names = [address] if store.isfile(address) else _below(store, address)
    each_at_once(_fetch_again, names)
    return path


def _fetch_again(address: str) -> None:
    """Make sure of a copy, whatever this process read before."""
    _compared.discard(address)
    with storing(address, "read", UsageError):
        fetch(copy_path(address))


def list_images(item: str | Path) -> list[Path]:
    """The images at an address: an object, those below a folder, or those that a glob names.

    They are recognised by their suffix; of objects without one the first bytes are read. None is
    fetched.

    Args:
        item: the address.

    Returns:
        Where the local copies lie, or will lie once they are read; sorted.

    Raises:
        ImageError: there is no image, or the store cannot be read.
    """
    address = normal(item)
    store = open_store(address)
    with storing(address, "read", ImageError):
        if any(mark in address for mark in "*?["):
            names = [store.unstrip_protocol(name) for name in store.glob(address)]
        elif store.isfile(address):
            return [expected(address)]
        else:
            names = _below(store, address)
        images = [name for name in names if _is_image(store, name)]
    if not images:
        suffixes = " ".join(sorted(known_suffixes()))
        raise ImageError(f"no image at {address}", f"looked for {suffixes}")
    return sorted(map(expected, images))


def expected(item: str | Path) -> Path:
    """Where the copy of an object will lie once it is read.

    Its folder is made, and the object is looked up when it is read, whatever this process read
    before.

    Args:
        item: the address.
    """
    address = normal(item)
    path = copy_path(address)
    _compared.discard(address)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _below(store: Any, address: str) -> list[str]:
    """Addresses of the objects below a folder."""
    names = [store.unstrip_protocol(name) for name in store.find(address)]
    if not names:
        raise FileNotFoundError(address)
    return list(map(normal, names))


def _is_image(store: Any, address: str) -> bool:
    name = PurePosixPath(address)
    suffix = name.suffix.lower()
    if name.name.startswith("."):
        return False
    if suffix in known_suffixes():
        return True
    # Scanners name DICOM files IM0001 or 1.2.840.113619.2.
    if (suffix and not suffix[1:].isdigit()) or name.name == "DICOMDIR":
        return False
    head: bytes = store.cat_file(address, start=0, end=DICOM_HEAD)
    return head[128:] == b"DICM"


def _origin(address: str) -> Path:
    """Where it is noted which object a copy is of."""
    scheme, _, key = address.partition("://")
    return copies_folder("origins").joinpath(scheme, *key.split("/"))


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except OSError:
        return None


def _check_size(address: str, info: dict[str, Any]) -> None:
    size = info.get("size") or 0
    if size > MAX_BYTES:
        raise ImageError(
            f"{address} has {size:,} bytes; the limit is {MAX_BYTES:,}",
            "split or compress it first",
        )


def _download(store: Any, address: str, path: Path) -> None:
    """The copy is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".camlucida-")
    os.close(handle)
    try:
        store.get_file(address, temporary)
        Path(temporary).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
