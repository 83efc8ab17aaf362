"""A run at an address: it is written in a folder of this machine, and its files are uploaded.

SQLite needs a file of the machine that writes it, so the ledger lies in the local folder. What goes
up while the run is computed are its parts, which never change once they have a name, and from which
a lost ledger is restored. The ledger goes up when the run ends, and is taken away before another
begins: a run without one has not ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.io.storage import (
    Uploads,
    alone,
    copy_path,
    each_at_once,
    is_address,
    joined,
    local_file,
    normal,
    open_store,
    storing,
)
from camlucida.runs.folder import FOLDERS, TEMPORARY, RunFolder, is_part, one_writer
from camlucida.runs.identity import file_sha256
from camlucida.runs.ledger import DamagedLedger, Ledger
from camlucida.runs.parts import part_name

LEDGER, COHORT, ABOUT = "ledger.sqlite", "cohort.parquet", "run.json"
"""Files beside the parts. They change while a run is computed; the last says that there is one."""


class RunStore:
    """The objects of a run.

    Args:
        address: of the run.

    Raises:
        UsageError: as of :func:`~camlucida.io.storage.open_store`.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = normal(address)
        self.folder = RunFolder(copy_path(self.address, "runs"))
        self._store: Any = open_store(self.address)
        self._uploads = Uploads(self._upload)

    def sizes(self) -> dict[str, int]:
        """Name of each file of the run → its bytes; empty where there is no run.

        Raises:
            UsageError: the store cannot be read.
        """
        with storing(self.address, "read", UsageError):
            self._store.invalidate_cache()
            try:
                below = self._store.find(self.address, detail=True)
            except FileNotFoundError:
                return {}
        sizes: dict[str, int] = {}
        for key, info in below.items():
            name = normal(self._store.unstrip_protocol(key)).removeprefix(f"{self.address}/")
            if _is_part(name) or name in (LEDGER, COHORT, ABOUT):
                sizes[name] = int(info["size"])
        return sizes

    def pull(self) -> bool:
        """Bring the local folder to what the store holds.

        A folder that is ahead of the store, because an upload was interrupted, stays as it is. Of
        several processes one does the work, and the others wait for it.

        Returns:
            Whether the store holds a run.

        Raises:
            UsageError: the store cannot be read, or a process that writes the run holds the folder.
        """
        with alone(self.address):
            return self._pull()

    def _pull(self) -> bool:
        there = self.sizes()
        if not there:
            return False
        here = self._local_parts()
        parts = {name: size for name, size in there.items() if _is_part(name)}
        if not parts and LEDGER not in there:
            return True  # it was begun, and no result is there: its tables are written again
        is_ahead = LEDGER not in there and parts.items() <= here.items()
        if is_ahead and self.folder.ledger.is_file():
            return True
        self.folder.make()
        with one_writer(self.folder):
            for name in here.keys() - there.keys():
                self._path(name).unlink()
            self._download([name for name in there if here.get(name) != there[name]])
            if LEDGER not in there:
                self._drop_ledger()  # it is restored from the parts
            self._download(self._other_bytes())
        return True

    def begin(self) -> None:
        """Prepare the store for a run that begins or goes on.

        The tables go up, and what an earlier upload left out; an earlier ledger is taken away.

        Raises:
            CamlucidaError: the store refuses it.
        """
        self._remove([name for name in self.sizes() if name == LEDGER])
        self._push_missing()
        self._upload([COHORT, ABOUT])

    def push_part(self, number: int) -> None:
        """Begin to upload one part; it goes up while the run goes on.

        Args:
            number: of the part.

        Raises:
            CamlucidaError: the store refused this part or an earlier one; the local folder keeps
                them.
        """
        paths = self.folder.part(part_name(number)).items()
        self._uploads.add([f"{kind}/{path.name}" for kind, path in paths])

    def stop(self) -> None:
        """Begin no further upload, and wait for those that are on their way."""
        self._uploads.stop()

    def push(self) -> None:
        """Upload a run that has ended, and remove the parts that it no longer has.

        Raises:
            CamlucidaError: the store refuses it; the local folder keeps everything.
        """
        self._uploads.finish()
        self._push_missing()
        self._upload([COHORT, LEDGER, ABOUT])
        here = self._local_parts()
        self._remove([name for name in self.sizes() if _is_part(name) and name not in here])

    def clear(self) -> None:
        """Remove the files of the run from the store.

        Raises:
            CamlucidaError: the store refuses it.
        """
        self._remove(self.sizes())

    # ---- files ----------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self.folder.root / name

    def _local_parts(self) -> dict[str, int]:
        """Name of each file of a part in the local folder → its bytes."""
        sizes: dict[str, int] = {}
        for folder in FOLDERS:
            for path in sorted(filter(is_part, self._path(folder).glob("part-*"))):
                sizes[f"{folder}/{path.name}"] = path.stat().st_size
        return sizes

    def _push_missing(self) -> None:
        """Upload each part of which the store lacks a file."""
        there, here = self.sizes(), self._local_parts()
        lacking: dict[str, list[str]] = {}
        for name in here:
            lacking.setdefault(Path(name).stem, []).append(name)
        for names in lacking.values():
            if any(there.get(name) != here[name] for name in names):
                self._uploads.add(names)
        self._uploads.finish()

    def _drop_ledger(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            self._path(f"{LEDGER}{suffix}").unlink(missing_ok=True)

    def _other_bytes(self) -> list[str]:
        """Local files of parts that are not those of the ledger: another machine made them too."""
        try:
            with Ledger.read(self.folder.ledger) as ledger:
                digests = ledger.digests()
        except DamagedLedger:
            return []
        names: list[str] = []
        for number, of_part in digests.items():
            for kind, path in self.folder.part(part_name(number)).items():
                if path.is_file() and file_sha256(path) != of_part.get(kind):
                    names.append(f"{kind}/{path.name}")
        return names

    def _download(self, names: Iterable[str]) -> None:
        with storing(self.address, "read", UsageError):
            each_at_once(self._fetch, names)

    def _fetch(self, name: str) -> None:
        """A file in the local folder, whole; one that has these bytes already stays.

        Another process may be reading it.
        """
        path = self._path(name)
        temporary = path.with_name(f"{TEMPORARY}{path.name}")
        try:
            self._store.get_file(joined(self.address, name), str(temporary))
            if path.is_file() and file_sha256(path) == file_sha256(temporary):
                return
            if name == LEDGER:
                self._drop_ledger()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _upload(self, names: Iterable[str]) -> None:
        kept = (
            f"what was computed is kept in {self.folder.root}: mend that, and go on with --resume"
        )
        with storing(self.address, "written", CamlucidaError, kept):
            for name in names:
                self._store.put_file(str(self._path(name)), joined(self.address, name))

    def _remove(self, names: Iterable[str]) -> None:
        with storing(self.address, "written", CamlucidaError):
            each_at_once(lambda name: self._store.rm_file(joined(self.address, name)), names)


def store_of(out: str | Path) -> RunStore | None:
    """The store of a run at an address; None for a folder of this machine.

    Args:
        out: of the run.

    Raises:
        UsageError: as of :func:`~camlucida.io.storage.open_store`.
    """
    return RunStore(out) if is_address(out) and local_file(out) is None else None


def run_root(out: str | Path) -> Path:
    """The folder of this machine in which a run is written.

    Args:
        out: a folder, or an address.
    """
    return copy_path(out, "runs") if is_address(out) else Path(out)


def local_run(path: str | Path) -> Path:
    """The folder of a run; that of one at an address is fetched first.

    Args:
        path: of the folder, or an address.

    Raises:
        UsageError: there is no run at the address, or it cannot be read.
    """
    store = store_of(path)
    if store is not None and not (store.pull() and store.folder.exists()):
        raise UsageError(f"there is no run at {store.address}", "correct the address")
    return run_root(path)


def runs_below(address: str | Path) -> list[Path]:
    """The folders of the runs at an address or directly below it, fetched; by name.

    Args:
        address: of a run, or of a folder that holds runs.

    Raises:
        UsageError: the store cannot be read.
    """
    store = RunStore(address)
    if ABOUT in store.sizes():
        return [local_run(store.address)]
    files = open_store(store.address)
    with storing(store.address, "read", UsageError):
        keys = files.ls(store.address, detail=False)
    names = sorted(normal(files.unstrip_protocol(key)) for key in keys)
    return [local_run(name) for name in names if ABOUT in RunStore(name).sizes()]


def _is_part(name: str) -> bool:
    """Whether an object is a file of a part; others may lie beside them, and are not touched."""
    path = PurePosixPath(name)
    return path.parent.as_posix() in FOLDERS and is_part(path)
