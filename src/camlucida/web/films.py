"""The films of the workbench: those it was started with, and those that were given to it.

A request names a film by an identifier; no path of a client is ever opened. A given file is kept
under a name of the server, and decoded in a child process.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import anyio

from camlucida.core.errors import CamlucidaError, ImageError, UsageError
from camlucida.io.decoded import Decoder, add_warnings, holds_film, read_decoded
from camlucida.io.decoded_volumes import holds_volume
from camlucida.metrics.burned_in import LETTERS, letters_warning
from camlucida.web.errors import DiskLimitError, NotFoundError, TooLargeError
from camlucida.web.settings import FilmEntry, Limits
from camlucida.web.store import Row, Store, as_json

SOURCE = "source"
"""Name under which the bytes of a given film are kept."""

LONGEST_NAME = 120


@dataclass(frozen=True)
class KnownFilm:
    """A film that can be shown.

    Attributes:
        id: by which requests name it.
        name: for people.
        path: of the file.
        given: whether a client gave it.
        about: size, format and more, once it was decoded.
    """

    id: str
    name: str
    path: Path
    given: bool
    about: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain data; the path stays here."""
        return {"id": self.id, "name": self.name, "given": self.given, **self.about}


class Films:
    """The films, by identifier.

    Args:
        store: that keeps what was given.
        folder: of their files.
        entries: films that the server was started with.
        limits: of their size.
        show_phi: whether patients' attributes are read.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        entries: Sequence[FilmEntry],
        limits: Limits,
        show_phi: bool = False,
    ) -> None:
        self._store, self._limits, self._show_phi = store, limits, show_phi
        self._given, self._cache = folder / "given", folder / "decoded"
        for each in (self._given, self._cache):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in filter(Path.is_file, self._given.iterdir()):  # a server that was stopped
            left.unlink()
        self._decoder = Decoder(limits.seconds)
        self._lock = threading.Lock()
        self._entries = {_entry_id(entry): entry for entry in entries}
        self._about: dict[str, dict[str, Any]] = {}

    def all(self) -> list[KnownFilm]:
        """Those that the server was started with, then those that were given, newest first."""
        entries = [self._of_entry(id, entry) for id, entry in self._entries.items()]
        rows = self._store.rows("SELECT * FROM films ORDER BY added DESC, id")
        return [*entries, *map(self._of_row, rows)]

    def film(self, id: str) -> KnownFilm:
        """The film of an identifier.

        Raises:
            NotFoundError: there is none.
        """
        if id in self._entries:
            return self._of_entry(id, self._entries[id])
        row = self._store.row("SELECT * FROM films WHERE id = ?", id)
        if row is None:
            raise NotFoundError(f"no film {id[:40]!r}", "see GET /api/films")
        return self._of_row(row)

    def add_entry(self, entry: FilmEntry) -> str:
        """A further film of the server's, such as a case of a run; its identifier."""
        id = _entry_id(entry)
        self._entries.setdefault(id, entry)
        return id

    async def add(self, name: str, body: AsyncIterator[bytes]) -> KnownFilm:
        """Keep a film that a client gives, and decode it.

        Args:
            name: that the client has for it, for people alone.
            body: its bytes.

        Raises:
            TooLargeError, DiskLimitError: there is no room for it.
            ImageError: it cannot be read; nothing of it is kept.
        """
        temporary = await self._written(body)
        try:
            return await anyio.to_thread.run_sync(self._keep, _shown(name), temporary)
        finally:
            with suppress(OSError):
                temporary.unlink()

    def decoded(self, id: str) -> Path:
        """The folder of a film's arrays; the film is decoded if it must be.

        Raises:
            NotFoundError: there is no such film.
            ImageError: it cannot be read.
        """
        film = self.film(id)
        folder = self._cache / id
        with self._lock:
            if not (holds_film(folder) or holds_volume(folder)):
                self._about[id] = self._decode(film.path, folder, film.name)
                self._trim(keep=id)
            os.utime(folder)
        return folder

    def with_folder(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A request about a film, with the folder of the film's arrays.

        Args:
            request: its ``film`` is an identifier.

        Raises:
            NotFoundError, ImageError: as :meth:`decoded`.
        """
        return {**request, "folder": str(self.decoded(str(request["film"])))}

    def remove(self, id: str) -> None:
        """Forget a film that was given.

        Raises:
            NotFoundError: there is none.
            UsageError: the server was started with it.
        """
        if not self.film(id).given:
            raise UsageError("this film belongs to what the server was started with")
        with self._lock:
            self._store.write("DELETE FROM films WHERE id = ?", id)
            for folder in (self._given / id, self._cache / id):
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the decoder's process."""
        self._decoder.stop()

    async def _written(self, body: AsyncIterator[bytes]) -> Path:
        room = self._limits.disk - self._used()
        limit = min(room, self._limits.film)
        size = 0
        with NamedTemporaryFile(dir=self._given, delete=False) as file:
            path = Path(file.name)
            try:
                async for piece in body:
                    size += len(piece)
                    if size > limit:
                        raise _no_room(self._limits, room)
                    file.write(piece)
            except BaseException:
                path.unlink()
                raise
        if not size:
            path.unlink()
            raise ImageError("the film is empty (0 bytes)", "choose the file again")
        return path

    def _used(self) -> int:
        row = self._store.row("SELECT coalesce(sum(bytes), 0) AS used FROM films")
        return 0 if row is None else int(row["used"])

    def _keep(self, name: str, temporary: Path) -> KnownFilm:
        with temporary.open("rb") as file:
            id = hashlib.file_digest(file, "sha256").hexdigest()[:20]
        size = temporary.stat().st_size
        folder = self._cache / id
        with self._lock:
            about = self._decode(temporary, folder, name)
            target = self._given / id
            target.mkdir(exist_ok=True)
            temporary.replace(target / SOURCE)
            self._store.write(
                "INSERT INTO films (id, name, bytes, about) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name",  # that of who gives it now
                *(id, name, size, as_json(about)),
            )
            self._trim(keep=id)
        return self.film(id)

    def _decode(self, path: Path, folder: Path, name: str) -> dict[str, Any]:
        folder.mkdir(exist_ok=True)
        try:
            about = self._decoder.decode(path, folder, name, self._show_phi)
            if not holds_film(folder):
                return about
            warnings = letters_warning(read_decoded(folder).display)
            add_warnings(folder, warnings)
            return about | {"letters": LETTERS in warnings}
        except CamlucidaError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _trim(self, keep: str) -> None:
        """Drop the arrays that were used longest ago; they are made again when they are needed."""
        folders = sorted(self._cache.iterdir(), key=lambda folder: folder.stat().st_mtime)
        sizes = {folder: _size(folder) for folder in folders}
        used = sum(sizes.values())
        for folder in folders:
            if used <= self._limits.cache:
                return
            if folder.name != keep:
                shutil.rmtree(folder, ignore_errors=True)
                used -= sizes[folder]

    def _of_entry(self, id: str, entry: FilmEntry) -> KnownFilm:
        return KnownFilm(id, entry.name, entry.path, False, self._about.get(id, {}))

    def _of_row(self, row: Row) -> KnownFilm:
        path = self._given / row["id"] / SOURCE
        about = json.loads(row["about"])
        if not self._show_phi:  # an earlier server may have been allowed to read them
            about.pop("patient", None)
        return KnownFilm(row["id"], row["name"], path, True, about)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.iterdir())


def _entry_id(entry: FilmEntry) -> str:
    return "s" + hashlib.sha256(str(entry.path.absolute()).encode()).hexdigest()[:19]


def _shown(name: str) -> str:
    """A client's name of a film, without folders and signs that cannot be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(sign for sign in last if sign.isprintable())[:LONGEST_NAME].strip()
    return shown or "film"


def _no_room(limits: Limits, room: int) -> CamlucidaError:
    if room < limits.film:
        return DiskLimitError(
            f"the films that were given take {limits.disk:,} bytes, which is all there is for them",
            "remove some of them",
        )
    return TooLargeError(
        f"the film has more than {limits.film:,} bytes", "cut or compress it first"
    )
