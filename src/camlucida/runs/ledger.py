"""The ledger: which item is in which state, and in which part.

One SQLite file with one writer; every change is a transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, chain, prefixed, quoted
from camlucida.runs.folder import FORMAT, check_format
from camlucida.runs.identity import canonical

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
        failure TEXT NOT NULL DEFAULT '', missing TEXT NOT NULL DEFAULT '[]',
        PRIMARY KEY (image, model))""",
    """CREATE TABLE provenance (hash TEXT PRIMARY KEY, text TEXT NOT NULL)""",
    f"""PRAGMA user_version = {FORMAT}""",
)
_RESET = (
    "UPDATE items SET state = 'pending', attempts = 0, alone = 0, identity = NULL, "
    "part = NULL, row = NULL, failure = '', missing = '[]'"
)
_COLUMNS = (
    "image, model, position, state, attempts, alone, "
    "ifnull(identity, ''), part, row, failure, missing"
)


@dataclass(frozen=True)
class MissingMap:
    """A map that could not be made of an item.

    Attributes:
        target: as it was requested; "" for the task's default.
        method, layer: names.
        code, what, fix: of the error, as in :class:`~camlucida.core.failures.Failure`.
    """

    target: str
    method: str
    layer: str
    code: str
    what: str
    fix: str = ""


@dataclass(frozen=True)
class LedgerEntry:
    """One item: one image and one model.

    Attributes:
        image, model: names.
        position: in the cohort's order; None for an item that is no longer part of the cohort, but
            whose maps are kept.
        state: pending, done or failed.
        attempts: how often it was begun.
        alone: how often it was begun by itself, after the process had died on its batch, and not
            ended.
        identity: of what is stored, see :mod:`camlucida.runs.identity`; "" while there is nothing.
        part: number of the part that holds its rows; None while there is none.
        row: of its first row among the part's ``predictions``.
        failure: why it failed; None for an item that did not.
        missing: the maps that could not be made.
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
    failure: Failure | None
    missing: tuple[MissingMap, ...]

    @property
    def key(self) -> Key:
        """Image and model."""
        return self.image, self.model

    @property
    def note(self) -> Message | None:
        """The missing maps of an item that is done, with the reason of each; None without any."""
        if self.state != "done" or not self.missing:
            return None
        by_reason: dict[str, list[str]] = {}
        for each in self.missing:
            reason = f"{each.what} ({each.fix})" if each.fix else each.what
            by_reason.setdefault(reason, []).append(f"{each.method} at {each.layer}")
        clauses = [
            prefixed(", ".join(dict.fromkeys(maps)), quoted(reason))
            for reason, maps in by_reason.items()
        ]
        return chain("words.clause", clauses)


def count_states(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """How many items are in each state.

    Args:
        entries: of a ledger, in any order.

    Returns:
        "done", "failed" and "pending" → number of items, ≥ 0.

    >>> count_states([])
    {'done': 0, 'failed': 0, 'pending': 0}
    """
    counts = {"done": 0, "failed": 0, "pending": 0}
    for entry in entries:
        counts[entry.state] += 1
    return counts


def item_notes(entries: Iterable[LedgerEntry]) -> list[Message]:
    """The note of each item that has one, with the names of image and model before it.

    Args:
        entries: of a ledger, in the order in which the notes are wanted.

    >>> item_notes([])
    []
    """
    notes = ((entry, entry.note) for entry in entries)
    return [prefixed(f"{entry.image}, {entry.model}", note) for entry, note in notes if note]


@dataclass(frozen=True)
class FinishedItem:
    """How one item ended.

    Attributes:
        key: image and model.
        state: done or failed.
        identity: see :mod:`camlucida.runs.identity`.
        row: of its first row in the part; None where it has none.
        failure: why it failed.
        missing: the maps that could not be made.
    """

    key: Key
    state: State
    identity: str
    row: int | None = None
    failure: Failure | None = None
    missing: tuple[MissingMap, ...] = ()


class Ledger:
    """An open ledger, used as a context manager; each method that changes it is one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    @classmethod
    def write(cls, path: Path) -> Ledger:
        """Open a ledger for writing; a missing one is made.

        Args:
            path: of the SQLite file.

        Raises:
            UsageError: a damaged file, or one of another version.
        """
        db = sqlite3.connect(path, isolation_level=None)
        try:
            _check_format(db, path)
            # WAL lets `camlucida show` read during a run; FULL, because WAL with NORMAL may
            # lose the last transactions in a power cut, after their parts were made durable.
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
        """Open a ledger for reading; another process may write meanwhile.

        Args:
            path: of the SQLite file.

        Raises:
            UsageError: a missing, damaged or empty file, or one of another version.
        """
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            db = sqlite3.connect(uri, uri=True, isolation_level=None)
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
        """Close the ledger as a single file, which can be read where nothing can be written."""
        # While another process reads, the mode cannot change; the next writer will change it.
        with suppress(sqlite3.OperationalError):
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

    # ---- reading --------------------------------------------------------------------------------

    def entries(self, model: str | None = None) -> list[LedgerEntry]:
        """Items of one model, or all; those of the cohort first and in its order.

        Args:
            model: its name; None for all models.

        Raises:
            UsageError: the ledger is damaged.
        """
        where, values = ("", ()) if model is None else (" WHERE model = ?", (model,))
        order = " ORDER BY position IS NULL, position, image, model"
        rows = self._rows(f"SELECT {_COLUMNS} FROM items{where}{order}", values)
        return list(map(_entry, rows))

    def parts(self) -> dict[int, int]:
        """Number of each part → how many items it was written with."""
        return dict(self._rows("SELECT number, items FROM parts ORDER BY number"))

    def next_part(self) -> int:
        """A number that no part ever had, so that files left by a crash belong to no part."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'parts'")
        return 1 + sum(int(number) for (number,) in rows)

    def provenance(self) -> dict[str, str]:
        """Hash → JSON text of the provenance that maps share."""
        return dict(self._rows("SELECT hash, text FROM provenance"))

    def _rows(self, sql: str, values: Sequence[str] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _damaged(self._path, error) from error

    # ---- changes --------------------------------------------------------------------------------

    def set_cohort(self, keys: Sequence[Key]) -> None:
        """Make these items, in this order, the cohort.

        New items are pending; others keep their state, also those that are no longer in the cohort.

        Args:
            keys: (image, model) of each item.
        """
        sql = (
            "INSERT INTO items (image, model, position) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET position = excluded.position"
        )
        with self.transaction():
            self._db.execute("UPDATE items SET position = NULL")
            self._db.executemany(sql, [(*key, i) for i, key in enumerate(keys)])

    def reset(self, keys: Iterable[Key]) -> None:
        """Make these items pending, as if never begun.

        Args:
            keys: (image, model) of each item.
        """
        with self.transaction():
            self._db.executemany(f"{_RESET} WHERE image = ? AND model = ?", keys)

    def begin(self, keys: Iterable[Key]) -> None:
        """Count an attempt at these items before it, so that a death of the process is counted.

        Args:
            keys: (image, model) of each item.
        """
        with self.transaction():
            self._db.executemany(
                "UPDATE items SET attempts = attempts + 1 WHERE image = ? AND model = ?", keys
            )

    def alone(self, key: Key, begun: bool) -> None:
        """Count an attempt at one item by itself.

        Args:
            key: (image, model).
            begun: True before the attempt; False after it has ended well, which clears the count.
        """
        sql = (
            "UPDATE items SET alone = CASE WHEN ? THEN alone + 1 ELSE 0 END "
            "WHERE image = ? AND model = ?"
        )
        with self.transaction():
            self._db.execute(sql, (begun, *key))

    def spare(self, keys: Iterable[Key]) -> None:
        """Take back an attempt that ended unfinished, but not by a death of the process.

        Args:
            keys: (image, model) of each item.
        """
        sql = (
            "UPDATE items SET attempts = max(attempts - 1, 0), alone = 0 "
            "WHERE image = ? AND model = ?"
        )
        with self.transaction():
            self._db.executemany(sql, keys)

    def finish(
        self, part: int | None, items: Iterable[FinishedItem], provenance: Mapping[str, str]
    ) -> None:
        """Record how items ended.

        Args:
            part: number of the part that holds their rows, whose files are durable by now; None
                where no item has rows.
            items: each with its state.
            provenance: hash → JSON text.
        """
        with self.transaction():
            self._add(part, list(items))
            self._db.executemany(
                "INSERT OR IGNORE INTO provenance VALUES (?, ?)", provenance.items()
            )

    def rewrite(self, old: int, new: int | None, rows: Mapping[Key, int]) -> None:
        """Record that the items of a part were moved to a new part.

        Args:
            old: number of the part that is given up.
            new: number of the part that holds the items now; None where none is left.
            rows: (image, model) → first row in the new part.
        """
        with self.transaction():
            if new is not None:
                self._db.execute("INSERT INTO parts VALUES (?, ?)", (new, len(rows)))
                sql = "UPDATE items SET part = ?, row = ? WHERE image = ? AND model = ?"
                self._db.executemany(sql, [(new, row, *key) for key, row in rows.items()])
            self._db.execute("DELETE FROM parts WHERE number = ?", (old,))

    def forget(self, part: int) -> None:
        """Make the items of a part pending again, because its files are gone.

        Args:
            part: its number.
        """
        with self.transaction():
            self._db.execute(f"{_RESET} WHERE part = ?", (part,))
            self._db.execute("DELETE FROM parts WHERE number = ?", (part,))

    def _add(self, part: int | None, items: Sequence[FinishedItem]) -> None:
        stored = sum(item.row is not None for item in items)
        if part is not None:
            self._db.execute("INSERT INTO parts VALUES (?, ?)", (part, stored))
        sql = (
            "UPDATE items SET state = ?, identity = ?, part = ?, row = ?, failure = ?, missing = ? "
            "WHERE image = ? AND model = ?"
        )
        for item in items:
            failure = "" if item.failure is None else canonical(item.failure.to_json())
            missing = canonical([asdict(each) for each in item.missing])
            where = None if item.row is None else part
            values = (item.state, item.identity, where, item.row, failure, missing)
            self._db.execute(sql, (*values, *item.key))


def _entry(row: Any) -> LedgerEntry:
    *values, failure, missing = row
    reason = Failure(**json.loads(failure)) if failure else None
    maps = tuple(MissingMap(**each) for each in json.loads(missing))
    return LedgerEntry(*values, failure=reason, missing=maps)  # type: ignore[misc]


def _check_format(db: sqlite3.Connection, path: Path) -> int:
    number = int(db.execute("PRAGMA user_version").fetchone()[0])
    if number:  # 0 is that of an empty file
        check_format(number, path)
    return number


def _damaged(path: Path, error: sqlite3.Error) -> UsageError:
    return UsageError(
        f"{path} cannot be read as a ledger: {error}",
        "it is damaged, or cannot be opened from here",
    )
