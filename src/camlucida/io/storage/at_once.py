"""Several objects at once: what takes time is the way to the store, not this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

AT_ONCE = 8
"""Objects on their way at the same time."""


def each_at_once(action: Callable[[str], object], names: Iterable[str]) -> None:
    """Do something with each of several objects, a few at a time.

    Args:
        action: of one object.
        names: of the objects.

    Raises:
        Exception: the first that an action raised; no further one is begun.

    >>> seen = []
    >>> each_at_once(seen.append, ["a", "b"])
    >>> sorted(seen)
    ['a', 'b']
    """
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(action, names):
            pass


class Uploads:
    """Groups of files on their way to a store, a few at a time, while the caller goes on.

    The files of a group go up one after the other. An upload that fails is raised by the next call;
    those that were not begun are then given up.

    Args:
        upload: of one group.
    """

    def __init__(self, upload: Callable[[Sequence[str]], object]) -> None:
        self._upload = upload
        self._threads: ThreadPoolExecutor | None = None
        self._running: deque[Future[object]] = deque()

    def add(self, names: Sequence[str]) -> None:
        """Begin an upload; where as many as may are on their way, wait for the oldest first.

        Args:
            names: of the files of a group.

        Raises:
            CamlucidaError: an earlier upload failed.
        """
        try:
            while self._running and (self._running[0].done() or len(self._running) >= AT_ONCE):
                self._running.popleft().result()
        except BaseException:
            self.stop()
            raise
        if self._threads is None:
            self._threads = ThreadPoolExecutor(AT_ONCE)
        self._running.append(self._threads.submit(self._upload, names))

    def finish(self) -> None:
        """Wait for all.

        Raises:
            CamlucidaError: an upload failed.
        """
        try:
            while self._running:
                self._running.popleft().result()
        finally:
            self.stop()

    def stop(self) -> None:
        """Give up what was not begun, and wait for the rest."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._threads = None
        self._running.clear()
