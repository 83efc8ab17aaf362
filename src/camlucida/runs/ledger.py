"""The ledger: which item is in which state, and in which part. One SQLite file, one writer, no state that is half true."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, prefixed
from camlucida.runs.folder import FORMAT

State = Literal["pending", "done", "failed"]
Key = tuple[str, str]
"""(image, model)."""

_SCHEMA = (
    """CREATE TABLE parts (number INTEGER PRIMARY KEY AUTOINCREMENT, items INTEGER NOT NULL)""",
    """CREATE TABLE items (
        image TEXT NOT NULL, model TEXT NOT NULL, position INTEGER,
        state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
        attempts INTEGER NOT NULL DEFAULT 0, alone INTEGER NOT NULL DEFAULT 0,
        identity TEXT, part INTEGER REFERENCES parts, row INTEGER,
        error TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (image, model))""",
    """CREATE TABLE provenance (hash TEXT PRIMARY KEY, text TEXT NOT NULL)""",
    f"""PRAGMA user_version = {FORMAT}""",
)
_RESET = """UPDATE items SET state = 'pending', attempts = 0, alone = 0, identity = NULL, part = NULL, row = NULL,
    error = '', note = ''"""
_COLUMNS = (
    "image, model, position, state, attempts, alone, ifnull(identity, ''), part, row, error, note"
)


@dataclass(frozen=True)
class LedgerEntry:
    """One item: an image asked of a model.

    Attributes:
        position: in the cohort's order; None for an item that is no longer part of the cohort, but whose maps are kept.
        attempts: how often it was begun.
        alone: how often it was begun by itself, after the process had died on its batch, and not ended.
        identity: of what is stored, see :mod:`camlucida.runs.identity`; "" while there is nothing.
        part: number of the part that holds its rows; None while there is none.
        row: of its first row among the part's ``predictions``.
        error: why it failed.
        note: what is missing of a done item.
    """

    image: str
    model: str
    position: int | None
    state: State
    attempts: int
    alone: int
    identity: str
    part: int | None
    row: int | None
    error: str
    note: str

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.image, self.model


def item_note(entry: LedgerEntry) -> Message:
    """What is missing of a done item, with the item's name before it."""
    return prefixed(f"{entry.image}, {entry.model}", Message.loads(entry.note))


@dataclass(frozen=True)
class FinishedItem:
    """How one item ended. ``row`` None: it has no rows in the part."""

    key: Key
    state: State
    identity: str
    row: int | None = None
    error: str = ""
    note: str = ""


class Ledger:
    """An open ledger; use it as a context manager. Every method that changes it is one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    @classmethod
    def write(cls, path: Path) -> Ledger:
        """Open for writing, made if missing."""
        db = sqlite3.connect(path, isolation_level=None)
        try:
            _check_format(db, path)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError as error:
            db.close()
            raise _damaged(path, error) from error
        ledger = cls(db, path)
        if not db.execute("PRAGMA user_version").fetchone()[0]:
            with ledger.transaction():
                for statement in _SCHEMA:
                    db.execute(statement)
        return ledger

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Open for reading; another process may write meanwhile."""
        try:
            db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
            if not _check_format(db, path):
                raise UsageError(
                    f"{path} is an empty ledger", "go on with the run: camlucida run … --resume"
                )
        except sqlite3.DatabaseError as error:
            raise _damaged(path, error) from error
        return cls(db, path)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave a single file, which can be read where nothing can be written."""
        with suppress(sqlite3.OperationalError):  # somebody is reading; the next writer will do it
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and durable when it ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled it back already
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # ---- questions ----------------------------------------------------------------------------------------------------------

    def entries(self, model: str | None = None) -> list[LedgerEntry]:
        """Items of one model, or all; those of the cohort first and in its order."""
        where, values = ("", ()) if model is None else (" WHERE model = ?", (model,))
        order = " ORDER BY position IS NULL, position, image, model"
        return [
            LedgerEntry(*row)
            for row in self._rows(f"SELECT {_COLUMNS} FROM items{where}{order}", values)
        ]

    def parts(self) -> dict[int, int]:
        """Number → how many items it was written with."""
        return dict(self._rows("SELECT number, items FROM parts ORDER BY number"))

    def next_part(self) -> int:
        """A number that no part ever had."""
        return 1 + sum(
            int(number)
            for (number,) in self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'parts'")
        )

    def provenance(self) -> dict[str, str]:
        """Hash → JSON text."""
        return dict(self._rows("SELECT hash, text FROM provenance"))

    def _rows(self, sql: str, values: Sequence[str] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _damaged(self._path, error) from error

    # ---- changes ------------------------------------------------------------------------------------------------------------

    def set_cohort(self, keys: Sequence[Key]) -> None:
        """These items, in this order, are the cohort; new ones are pending, others keep what they have."""
        with self.transaction():
            self._db.execute("UPDATE items SET position = NULL")
            sql = "INSERT INTO items (image, model, position) VALUES (?, ?, ?) "
            sql += "ON CONFLICT DO UPDATE SET position = excluded.position"
            self._db.executemany(sql, [(*key, i) for i, key in enumerate(keys)])

    def reset(self, keys: Iterable[Key]) -> None:
        """Pending again, as if never begun."""
        with self.transaction():
            self._db.executemany(f"{_RESET} WHERE image = ? AND model = ?", keys)

    def begin(self, keys: Iterable[Key]) -> None:
        """They are worked on from now; counted before, so that a death of the process is counted too."""
        with self.transaction():
            self._db.executemany(
                "UPDATE items SET attempts = attempts + 1 WHERE image = ? AND model = ?", keys
            )

    def alone(self, key: Key, begun: bool) -> None:
        """One item is worked on by itself; or has been."""
        with self.transaction():
            sql = "UPDATE items SET alone = CASE WHEN ? THEN alone + 1 ELSE 0 END WHERE image = ? AND model = ?"
            self._db.execute(sql, (begun, *key))

    def spare(self, keys: Iterable[Key]) -> None:
        """Work on them ended without being done, but not by a death of the process: it does not count."""
        with self.transaction():
            sql = "UPDATE items SET attempts = max(attempts - 1, 0), alone = 0 WHERE image = ? AND model = ?"
            self._db.executemany(sql, keys)

    def finish(
        self, part: int | None, settled: Iterable[FinishedItem], provenance: Mapping[str, str]
    ) -> None:
        """Items have ended; their rows are in ``part``, whose files are durable by now."""
        with self.transaction():
            self._add(part, settled)
            self._db.executemany(
                "INSERT OR IGNORE INTO provenance VALUES (?, ?)", provenance.items()
            )

    def rewrite(self, old: int, new: int | None, rows: Mapping[Key, int]) -> None:
        """Items of part ``old`` are in part ``new``, at these rows; None: nothing of it is left."""
        with self.transaction():
            if new is not None:
                self._db.execute("INSERT INTO parts VALUES (?, ?)", (new, len(rows)))
                sql = "UPDATE items SET part = ?, row = ? WHERE image = ? AND model = ?"
                self._db.executemany(sql, [(new, row, *key) for key, row in rows.items()])
            self._db.execute("DELETE FROM parts WHERE number = ?", (old,))

    def forget(self, part: int) -> None:
        """The files of a part are gone: its items are pending again."""
        with self.transaction():
            self._db.execute(f"{_RESET} WHERE part = ?", (part,))
            self._db.execute("DELETE FROM parts WHERE number = ?", (part,))

    def _add(self, part: int | None, settled: Iterable[FinishedItem]) -> None:
        items = list(settled)
        held = [item for item in items if item.row is not None]
        if part is not None:
            self._db.execute("INSERT INTO parts VALUES (?, ?)", (part, len(held)))
        sql = "UPDATE items SET state = ?, identity = ?, part = ?, row = ?, error = ?, note = ? WHERE image = ? AND model = ?"
        for item in items:
            where = None if item.row is None else part
            values = (item.state, item.identity, where, item.row, item.error, item.note)
            self._db.execute(sql, (*values, *item.key))


def _check_format(db: sqlite3.Connection, path: Path) -> int:
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise UsageError(
            f"{path} is of format {found}, and this version reads {FORMAT}", "update camlucida"
        )
    return found


def _damaged(path: Path, error: sqlite3.Error) -> UsageError:
    return UsageError(
        f"{path} cannot be read as a ledger: {error}",
        "it is damaged, or cannot be opened from here",
    )
