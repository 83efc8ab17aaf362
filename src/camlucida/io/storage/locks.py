"""One process at a time makes the local copy of an object."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from camlucida.core.errors import UsageError
from camlucida.io.storage.address import copies_folder

PATIENCE = 3600.0
"""Seconds: longer than the copy of one object takes."""

LOCKS = 3
"""Digits of the names of locks: 4,096 files serve any number of objects."""


@contextmanager
def alone(address: str) -> Iterator[None]:
    """Hold the local copy of an object or a run, once other processes and threads are done with it.

    The system releases it when the process dies, however it dies.

    Args:
        address: of the object, in its one spelling.

    Raises:
        UsageError: another process has held it for an hour.
    """
    folder = copies_folder("locks")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(address.encode()).hexdigest()[:LOCKS]
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise UsageError(
                f"another process has been fetching {address} for an hour", "end it"
            ) from error
        yield
