"""The ledger: which item is in which state, and in which part.

One SQLite file with one writer; every change is a transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.runs.folder import FORMAT, check_format
from camlucida.runs.identity import canonical
from camlucida.runs.items import FinishedItem, Key, LedgerEntry, MissingMap

_SCHEMA = (
    """CREATE TABLE parts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, items INTEGER NOT NULL, digests TEXT NOT NULL)""",
    """CREATE TABLE items (
        image TEXT NOT NULL, model TEXT NOT NULL, position INTEGER,
        state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
        attempts INTEGER NOT NULL DEFAULT 0, alone INTEGER NOT NULL DEFAULT 0,
        identity TEXT, part INTEGER REFERENCES parts, row INTEGER,
        failure TEXT NOT NULL DEFAULT '', missing TEXT NOT NULL DEFAULT '[]',
        PRIMARY KEY (image, model))""",
    """CREATE TABLE provenance (hash TEXT PRIMARY KEY, text TEXT NOT NULL)""",
    """CREATE TABLE retired (number INTEGER PRIMARY KEY)""",
    f"""PRAGMA user_version = {FORMAT}""",
)
_RESET = (
    "UPDATE items SET state = 'pending', attempts = 0, alone = 0, identity = NULL, "
    "part = NULL, row = NULL, failure = '', missing = '[]'"
)
_RETIRE = "INSERT INTO retired VALUES (?)"
_ADD_PART = "INSERT INTO parts VALUES (?, ?, ?)"
_HAS_RETIRED = "SELECT 1 FROM sqlite_master WHERE name = 'retired'"
_TAKEN = (
    "SELECT number FROM (SELECT number FROM parts UNION ALL SELECT number FROM retired) "
    "WHERE number = ?"
)
_COLUMNS = (
    "image, model, position, state, attempts, alone, "
    "ifnull(identity, ''), part, row, failure, missing"
)

SYNCHRONOUS = "FULL"
"""When SQLite waits for the disk. WAL with NORMAL may lose the last transactions in a power cut,
after their parts were made durable."""


class DamagedLedger(UsageError):
    """A ledger that is lost or damaged; :mod:`camlucida.runs.restore` makes it again from parts."""


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
            DamagedLedger: a damaged file.
            UsageError: one of another version, or one that cannot be opened.
        """
        db = sqlite3.connect(path, isolation_level=None)
        try:
            _check(db, path)
            # WAL lets `camlucida show` read during a run.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        except sqlite3.DatabaseError as error:
            db.close()
            raise _unreadable(path, error) from error
        ledger = cls(db, path)
        if not db.execute("PRAGMA user_version").fetchone()[0]:
            ledger._make_tables()
        elif not db.execute(_HAS_RETIRED).fetchall():
            ledger._list_retired()
        return ledger

    @classmethod
    def in_memory(cls, path: Path) -> Ledger:
        """An empty ledger that no file holds.

        Args:
            path: of the file that it stands for, named in messages.
        """
        ledger = cls(sqlite3.connect(":memory:", isolation_level=None), path)
        ledger._make_tables()
        return ledger

    def _make_tables(self) -> None:
        with self.transaction():
            for statement in _SCHEMA:
                self._db.execute(statement)

    def _list_retired(self) -> None:
        """Note the numbers that parts had, in a ledger of a version that did not note them."""
        gone = sorted({*range(1, self.next_part())} - set(self.parts()))
        with self.transaction():
            self._db.execute("CREATE TABLE retired (number INTEGER PRIMARY KEY)")
            self._db.executemany(_RETIRE, [(number,) for number in gone])

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Open a ledger for reading; another process may write meanwhile.

        Args:
            path: of the SQLite file.

        Raises:
            DamagedLedger: a missing, damaged or empty file.
            UsageError: one of another version, or one that cannot be opened.
        """
        if not path.is_file():
            raise DamagedLedger(f"there is no ledger {path}", _RESUME)
        uri = f"{path.absolute().as_uri()}?mode=ro"
        db = sqlite3.connect(uri, uri=True, isolation_level=None)
        try:
            number = _check(db, path)
        except sqlite3.DatabaseError as error:
            db.close()
            raise _unreadable(path, error) from error
        if not number:
            raise DamagedLedger(f"{path} is an empty ledger", _RESUME)
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

    def digests(self) -> dict[int, dict[str, str]]:
        """Number of each part → kind of its file → SHA-256 of its bytes."""
        rows = self._rows("SELECT number, digests FROM parts ORDER BY number")
        return {number: json.loads(text) for number, text in rows}

    def next_part(self) -> int:
        """A number that no part ever had, so that files left by a crash belong to no part."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'parts'")
        return 1 + sum(int(number) for (number,) in rows)

    def part_number(self, wanted: int, last: int) -> int:
        """The number of a part that is to be written.

        Args:
            wanted: the number that follows from the place of its images in the cohort.
            last: the highest number that any part of the cohort wants.

        Returns:
            ``wanted``; where a part has or had it, a higher number than ``last`` that none had.
        """
        taken = self._rows(_TAKEN, (wanted,))
        return max(self.next_part(), last + 1) if taken else wanted

    def provenance(self) -> dict[str, str]:
        """Hash → JSON text of the provenance that maps share."""
        return dict(self._rows("SELECT hash, text FROM provenance"))

    def _rows(self, sql: str, values: Sequence[str | int] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _unreadable(self._path, error) from error

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
        sql = "UPDATE items SET attempts = attempts + 1 WHERE image = ? AND model = ?"
        # Not synced: a power cut, which alone could lose it, is no death on these items.
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            with self.transaction():
                self._db.executemany(sql, keys)
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

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
        self,
        part: int | None,
        items: Iterable[FinishedItem],
        provenance: Mapping[str, str],
        digests: Mapping[str, str] | None = None,
    ) -> None:
        """Record how items ended.

        Args:
            part: number of the part that holds their rows, whose files are durable by now; None
                where no item has rows.
            items: each with its state.
            provenance: hash → JSON text.
            digests: of the part's files.
        """
        with self.transaction():
            self._add(part, list(items), digests or {})
            self._db.executemany(
                "INSERT OR IGNORE INTO provenance VALUES (?, ?)", provenance.items()
            )

    def rewrite(
        self,
        old: Sequence[int],
        new: int | None,
        rows: Mapping[Key, int],
        digests: Mapping[str, str],
    ) -> None:
        """Record that the items of some parts were moved to a new part.

        Args:
            old: numbers of the parts that are given up.
            new: number of the part that holds the items now; None where none is left.
            rows: (image, model) → first row in the new part.
            digests: of the new part's files.
        """
        with self.transaction():
            if new is not None:
                self._db.execute(_ADD_PART, (new, len(rows), canonical(digests)))
                sql = "UPDATE items SET part = ?, row = ? WHERE image = ? AND model = ?"
                self._db.executemany(sql, [(new, row, *key) for key, row in rows.items()])
            for number in old:
                self._retire(number)

    def forget(self, part: int) -> None:
        """Make the items of a part pending again, because its files are gone.

        Args:
            part: its number.
        """
        with self.transaction():
            self._db.execute(f"{_RESET} WHERE part = ?", (part,))
            self._retire(part)

    def _retire(self, part: int) -> None:
        self._db.execute("DELETE FROM parts WHERE number = ?", (part,))
        self._db.execute(_RETIRE, (part,))

    def _add(
        self, part: int | None, items: Sequence[FinishedItem], digests: Mapping[str, str]
    ) -> None:
        stored = sum(item.row is not None for item in items)
        if part is not None:
            self._db.execute(_ADD_PART, (part, stored, canonical(digests)))
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


def _check(db: sqlite3.Connection, path: Path) -> int:
    """The format of a ledger whose pages are in order; 0 of an empty one."""
    number = int(db.execute("PRAGMA user_version").fetchone()[0])
    if number:  # 0 is that of an empty file
        check_format(number, path)
    faults = [fault for (fault,) in db.execute("PRAGMA quick_check(1)") if fault != "ok"]
    if faults:
        raise DamagedLedger(f"{path} is a damaged ledger", _RESUME)
    return number


_RESUME = "camlucida run … --resume restores it from the parts"


def _unreadable(path: Path, error: sqlite3.Error) -> UsageError:
    what = f"{path} cannot be read as a ledger: {error}"
    if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedLedger(what, _RESUME)
    return UsageError(what, "check that it can be opened from here")
