"""A store that lies in memory, and one that refuses."""

from pathlib import Path

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class RefusingStore(MemoryFileSystem):
    """A store that raises :attr:`error` for every request."""

    protocol = "refusing"
    cachable = False
    error: Exception = PermissionError("Access Denied")

    def _refuse(self, *_arguments, **_options):
        raise self.error

    info = find = isfile = glob = ls = get_file = put_file = cat_file = _refuse


def put_folder(folder: Path, address: str) -> None:
    """Copy a folder into the store in memory."""
    store = fsspec.filesystem("memory")
    for path in folder.rglob("*"):
        if path.is_file():
            store.put_file(str(path), f"{address}/{path.relative_to(folder).as_posix()}")


def names_at(address: str) -> set[str]:
    """Names of the objects in a folder of the store in memory."""
    store = fsspec.filesystem("memory")
    root = store._strip_protocol(address)
    return {name.removeprefix(f"{root}/") for name in store.find(address)}
