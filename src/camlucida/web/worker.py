"""The process that holds the models, and its calls from the server."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from camlucida.core.errors import CamlucidaError
from camlucida.web.errors import BusyError, CancelledError, status_of
from camlucida.web.folders import error_without_folders, notes_without_folders
from camlucida.web.log import SEE_LOG
from camlucida.web.settings import ModelEntry

if TYPE_CHECKING:
    from camlucida.web.inference import Inference

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, Sequence[float]], object]
"""Called with how much is done, of how much, and with the scores of altered films so far."""


QUIET = 0.5
"""Seconds without a request before something is done ahead: who clicks on is not kept waiting."""


class WorkerError(CamlucidaError):
    """An error of the models' process, as it was there.

    Attributes:
        data: code, what and fix.
        status: of the reply.
    """

    def __init__(self, data: dict[str, str], status: int) -> None:
        super().__init__(data["what"], data["fix"])
        self.data, self.status = data, status

    def to_json(self) -> dict[str, str]:
        """As it was in the process."""
        return self.data


@dataclass
class _Call:
    future: Future[dict[str, Any]]
    progress: Progress


@dataclass
class Worker:
    """A process with models, started when it is first needed; calls are done one by one.

    Attributes:
        models: that it can load.
        device: of the models.
        waiting: calls that may wait.
        folders: of this machine, which no answer names.
    """

    models: Sequence[ModelEntry]
    device: str = "auto"
    waiting: int = 64
    folders: frozenset[str] = frozenset()
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _calls: dict[int, _Call] = field(default_factory=dict, repr=False)
    _process: Any = None
    _pipe: Connection | None = None
    _numbers: Any = field(default_factory=itertools.count, repr=False)

    def call(
        self, name: str, progress: Progress = lambda done, total, scores: None, **arguments: Any
    ) -> Future[dict[str, Any]]:
        """Start a call.

        Args:
            name: one of :data:`camlucida.web.calls.CALLS`.
            progress: called from another thread as the work goes on.
            arguments: of the call.

        Returns:
            Its result, or the error, when it is done.

        Raises:
            BusyError: too many calls wait.
        """
        future: Future[dict[str, Any]] = Future()
        # It runs from now on: who no longer waits for it cannot cancel it, for then its result
        # could not be delivered, and no later one.
        future.set_running_or_notify_cancel()
        with self._lock:
            if len(self._calls) >= self.waiting:
                raise BusyError(f"{len(self._calls)} requests wait for the model", "try it later")
            pipe = self._running()
            number = next(self._numbers)
            self._calls[number] = _Call(future, progress)
            pipe.send((number, name, arguments))
        return future

    def forget(self, film: str) -> None:
        """Let the process, if there is one, drop what it keeps of a film."""
        with self._lock:
            if self._pipe is not None:
                with suppress(BusyError):  # the film leaves its memory when others come
                    self.call("forget", film=film)

    def stop(self) -> None:
        """End the process; what it was doing is cancelled."""
        with self._lock:
            process, self._process, self._pipe = self._process, None, None
            self._fail()
        if process is not None:
            process.kill()
            process.join()

    def _running(self) -> Connection:
        if self._pipe is not None and self._process.is_alive():
            return self._pipe
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        arguments = (there, tuple(self.models), self.device)
        self._process = context.Process(target=_serve_alone, args=arguments, daemon=True)
        self._process.start()
        there.close()
        self._pipe = here
        threading.Thread(target=self._receive, args=(here,), daemon=True).start()
        return here

    def _receive(self, pipe: Connection) -> None:
        """Hand out what the process sends, until it ends."""
        while True:
            try:
                number, kind, data = pipe.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                call = (
                    self._calls.get(number) if kind == "progress" else self._calls.pop(number, None)
                )
            if call is not None:
                self._deliver(call, kind, data)
        with self._lock:
            if self._pipe is pipe:
                self._pipe = None
                self._fail()

    def _deliver(self, call: _Call, kind: str, data: Any) -> None:
        if kind == "progress":
            call.progress(*data)
        elif kind == "result":
            call.future.set_result(notes_without_folders(data, self.folders))
        else:
            about, status, details = data
            if details:
                logger.error("%s\n%s", about["what"], details)
            error = WorkerError(error_without_folders(about, self.folders), status)
            call.future.set_exception(error)

    def _fail(self) -> None:
        """Every call that waits is cancelled."""
        calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            error = CancelledError(
                "the process of the models ended before this was done", "try again"
            )
            call.future.set_exception(error)


def _report(pipe: Connection, number: int, done: int, total: int, scores: Sequence[float]) -> None:
    pipe.send((number, "progress", (done, total, list(scores))))


def _serve_alone(pipe: Connection, models: Sequence[ModelEntry], device: str) -> None:
    """In a process of its own, which the server ends: Ctrl+C in the terminal reaches both."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve_calls(pipe, models, device)


def serve_calls(pipe: Connection, models: Sequence[ModelEntry], device: str) -> None:
    """What the process runs: calls one by one, until the server is gone.

    Args:
        pipe: to the server.
        models: that can be loaded.
        device: of the models.
    """
    from camlucida.web.inference import Inference

    inference = Inference(models, device)
    with suppress(EOFError, ConnectionError):  # the server is gone
        while True:
            while inference.has_ahead and not pipe.poll(QUIET):
                _called(inference, "ahead", {})
            number, name, arguments = pipe.recv()
            inference.progress = partial(_report, pipe, number)
            pipe.send((number, *_called(inference, name, arguments)))


def _called(inference: Inference, name: str, arguments: dict[str, Any]) -> tuple[str, Any]:
    """The kind of an answer, and the answer."""
    from camlucida.web.calls import CALLS

    try:
        return "result", CALLS[name](inference, **arguments)
    except CamlucidaError as error:
        return "error", (error.to_json(), status_of(error), "")
    except BrokenPipeError:  # nobody waits any more
        raise
    except Exception as error:  # noqa: BLE001, one call costs itself alone
        said = " ".join(str(error).split())[:300]
        what = f"{name} ended with {type(error).__name__}: {said}"
        about = {"code": "internal", "what": what, "fix": SEE_LOG}
        return "error", (about, 500, traceback.format_exc())
