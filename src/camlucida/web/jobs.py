"""Long work, one piece after the other in another process; a restart of the server loses none."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from camlucida.core.errors import CamlucidaError
from camlucida.web.errors import BusyError, NotFoundError
from camlucida.web.folders import error_without_folders
from camlucida.web.log import SEE_LOG
from camlucida.web.store import Row, Store, as_json
from camlucida.web.worker import Worker

logger = logging.getLogger(__name__)

FINISHED = ("done", "failed", "cancelled")
KEPT = 500
"""Finished jobs that are remembered; the oldest are forgotten."""

INTERVAL = 0.1
"""Seconds after which further progress is written."""

Prepare = Callable[[str, str, Mapping[str, Any]], dict[str, Any]]
"""Identifier, kind and request of a job → the arguments of its call."""


class Jobs:
    """The queue of long work.

    Args:
        store: that keeps it.
        worker: that does it, used for nothing else.
        prepare: makes a call's arguments of a request.
        limit: jobs that may wait.
    """

    def __init__(self, store: Store, worker: Worker, prepare: Prepare, limit: int) -> None:
        self._store, self._worker = store, worker
        self._prepare, self._limit = prepare, limit
        self._changed = threading.Condition()
        self._closed = False
        self._scores: tuple[str, Sequence[float]] = ("", ())
        # What was running when the server ended is done again.
        store.write("UPDATE jobs SET state = 'queued', done = 0 WHERE state = 'running'")
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Put work into the queue.

        Args:
            kind: name of the call.
            request: its arguments, as the client gave them.

        Raises:
            BusyError: the queue is full.
        """
        waiting = self._store.rows("SELECT id FROM jobs WHERE state IN ('queued', 'running')")
        if len(waiting) >= self._limit:
            raise BusyError(f"{len(waiting)} jobs wait already", "cancel one, or try it later")
        id = secrets.token_hex(8)
        self._store.write(
            "INSERT INTO jobs (id, kind, request, state) VALUES (?, ?, ?, 'queued')",
            *(id, kind, as_json(request)),
        )
        self._store.write(
            "DELETE FROM jobs WHERE state IN ('done', 'failed', 'cancelled') AND id NOT IN "
            "(SELECT id FROM jobs ORDER BY added DESC LIMIT ?)",
            KEPT,
        )
        self._notify()
        return self.job(id)

    def job(self, id: str) -> dict[str, Any]:
        """One job, as plain data; while it runs with the scores of altered films so far.

        Raises:
            NotFoundError: there is none.
        """
        row = self._store.row("SELECT * FROM jobs WHERE id = ?", id)
        if row is None:
            raise NotFoundError(f"no job {id[:40]!r}", "see GET /api/jobs")
        running, scores = self._scores
        return _plain(row) | {"scores": list(scores) if running == id else []}

    def all(self) -> list[dict[str, Any]]:
        """All jobs without their results, newest first."""
        rows = self._store.rows("SELECT * FROM jobs ORDER BY added DESC LIMIT 100")
        return [_plain(row | {"result": None}) | {"scores": []} for row in rows]

    def cancel(self, id: str) -> dict[str, Any]:
        """Stop a job that waits or runs; one that is finished stays as it is.

        Raises:
            NotFoundError: there is none.
        """
        running = self.job(id)["state"] == "running"
        sql = "UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state IN ('queued', 'running')"
        changed = self._store.write(sql, id)
        if changed and running:
            self._worker.stop()
        self._notify()
        return self.job(id)

    def wait(self, id: str, last: Mapping[str, Any] | None, seconds: float) -> dict[str, Any]:
        """A job, as soon as it differs from what was last seen of it, or after ``seconds``."""
        with self._changed:
            if self.job(id) == last:
                self._changed.wait(seconds)
        return self.job(id)

    @property
    def is_ending(self) -> bool:
        """Whether the server ends: what follows a job is to let go of it."""
        return self._closed

    def end(self) -> None:
        """From now on nothing is begun, and what ends was not finished."""
        self._closed = True
        self._notify()

    def close(self) -> None:
        """End; what runs is done again when the next server starts."""
        self.end()
        self._worker.stop()
        self._thread.join()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        while not self._closed:
            row = self._store.row(
                "SELECT * FROM jobs WHERE state = 'queued' ORDER BY added LIMIT 1"
            )
            if row is None:
                with self._changed:
                    self._changed.wait(1.0)
                continue
            self._run(row)

    def _run(self, row: Row) -> None:
        id = row["id"]
        self._store.write("UPDATE jobs SET state = 'running' WHERE id = ? AND state = 'queued'", id)
        self._notify()

        written = 0.0

        def progress(done: int, total: int, scores: Sequence[float]) -> None:
            nonlocal written
            self._scores = (id, scores)
            if done < total and time.monotonic() < written + INTERVAL:
                return
            written = time.monotonic()
            self._store.write("UPDATE jobs SET done = ?, total = ? WHERE id = ?", done, total, id)
            self._notify()

        try:
            arguments = self._prepare(id, row["kind"], json.loads(row["request"]))
            result = self._worker.call(row["kind"], progress, **arguments).result()
            self._finish(id, "done", result=as_json(result))
        except CamlucidaError as error:
            self._fail(id, error_without_folders(error.to_json(), self._worker.folders))
        # A job that an earlier version stored, or what the system refuses, costs itself alone.
        except Exception as error:
            what = f"the job cannot be done ({type(error).__name__})"
            logger.exception(what)
            self._fail(id, {"code": "internal", "what": what, "fix": f"start it again; {SEE_LOG}"})

    def _fail(self, id: str, error: Mapping[str, str]) -> None:
        """Of a server that ends, the job is done again by the next."""
        if not self._closed:
            self._finish(id, "failed", error=as_json(error))

    def _finish(
        self, id: str, state: str, result: str | None = None, error: str | None = None
    ) -> None:
        # One that was cancelled meanwhile stays so.
        self._store.write(
            "UPDATE jobs SET state = ?, result = ?, error = ? WHERE id = ? AND state = 'running'",
            *(state, result, error, id),
        )
        self._notify()


def _plain(row: Row) -> dict[str, Any]:
    request, result, error = (
        None if row[name] is None else json.loads(row[name])
        for name in ("request", "result", "error")
    )
    about = {name: row[name] for name in ("id", "kind", "state", "done", "total", "added")}
    return about | {"request": request, "result": result, "error": error}
