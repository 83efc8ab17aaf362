"""What outlives the server: films, jobs, verdicts and sessions, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError

_TABLES = """
CREATE TABLE IF NOT EXISTS films (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, bytes INTEGER NOT NULL, about TEXT NOT NULL,
    added TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    result TEXT, error TEXT,
    added TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS reviews (
    run TEXT NOT NULL, case_id INTEGER NOT NULL, reader TEXT NOT NULL, verdict TEXT NOT NULL,
    finding TEXT, note TEXT NOT NULL, region TEXT, seconds REAL,
    saved TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (run, case_id, reader)
);
CREATE TABLE IF NOT EXISTS film_findings (
    run TEXT NOT NULL, case_id INTEGER NOT NULL, reader TEXT NOT NULL, finding TEXT NOT NULL,
    region TEXT, seconds REAL,
    saved TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (run, case_id, reader)
);
CREATE TABLE IF NOT EXISTS readings (
    study TEXT NOT NULL, reader TEXT NOT NULL, session INTEGER NOT NULL, case_id INTEGER NOT NULL,
    arm TEXT NOT NULL, position INTEGER NOT NULL, rating INTEGER NOT NULL, seconds REAL NOT NULL,
    note TEXT NOT NULL,
    saved TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (study, reader, session, case_id)
);
CREATE TABLE IF NOT EXISTS sessions (digest TEXT PRIMARY KEY);
"""

Row = dict[str, Any]


class Store:
    """The SQLite file; safe to use from several threads.

    Args:
        path: of the file, made if missing.

    Raises:
        UsageError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            fix = "choose another folder: --state FOLDER"
            raise UsageError(f"the state of the workbench, {path}: {error}", fix) from error

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query.

        Args:
            sql: with a question mark for each value.
            values: bound to it.
        """
        with self._lock, closing(self._db.execute(sql, values)) as cursor:
            return [dict(row) for row in cursor.fetchall()]

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query; None where it has none."""
        rows = self.rows(sql, *values)
        return rows[0] if rows else None

    def write(self, sql: str, *values: Any) -> int:
        """Change rows.

        Returns:
            The number of rows that changed.
        """
        with self._lock, closing(self._db.execute(sql, values)) as cursor:
            return cursor.rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def as_json(value: Mapping[str, Any] | Sequence[Any] | str) -> str:
    """A cell that holds plain data."""
    return json.dumps(value, ensure_ascii=False)
