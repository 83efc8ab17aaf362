"""Writing beside the model: the files of images are made in worker processes, in order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from types import ModuleType
from typing import Generic, TypeVar

from camlucida.core.png import png_rows
from camlucida.figures.image_files import ImageJob, MapRegions, write_image
from camlucida.report.viewer.case_files import CaseFile, write_case

FEW = 24
"""Images up to which the calling process writes itself: a worker takes a second to start."""

WAITING = 3
"""Jobs a worker that wait or run; a film takes a few MB, so memory stays flat."""

_KEPT = str(64 * 2**20)
"""Bytes of free memory that a worker keeps. It needs the same few MB for every image; glibc would
give them back and fetch them again each time, for a third of the worker's time."""

_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), _KEPT),
}
"""Of a worker: one thread of arithmetic, and memory that is kept."""

Tag = TypeVar("Tag")


@dataclass
class Written(Generic[Tag]):
    """What became of a job.

    Attributes:
        tag: as given with it.
        job: what was to be written.
        regions: of each map; empty where an error is set.
        case: the image for the page's viewer.
        error: that the system raised.
    """

    tag: Tag
    job: ImageJob
    regions: list[MapRegions | None]
    case: CaseFile | None = None
    error: OSError | None = None


@dataclass
class _Pending(Generic[Tag]):
    """A job that waits or runs."""

    tag: Tag
    job: ImageJob
    case: CaseFile | None
    future: Future[list[MapRegions | None]]


class ImageWriter(Generic[Tag]):
    """Writes the files of images, a few at a time, and hands the results back in order.

    Args:
        images: how many are to come: of few, the calling process writes the files itself.
        pictures: whether more than the default files is written.
        workers: processes; None: as many as fit the processor.
    """

    def __init__(self, images: int, pictures: bool = False, workers: int | None = None) -> None:
        self._workers = worker_count(images, pictures) if workers is None else workers
        self._pool: ProcessPoolExecutor | None = None
        self._pending: deque[_Pending[Tag]] = deque()

    def add(self, tag: Tag, job: ImageJob, case: CaseFile | None = None) -> Iterator[Written[Tag]]:
        """Write an image; the results that are there by now, in the order of the images.

        Args:
            tag: handed back with the result.
            job: what to write.
            case: the image for the page's viewer.
        """
        if not self._workers:
            yield _written(tag, job, case)
            return
        self._pending.append(_Pending(tag, job, case, self._submit(job, case)))
        while self._pending:
            is_full = len(self._pending) > WAITING * self._workers
            if not is_full and not self._pending[0].future.done():
                return
            yield self._next()

    def rest(self) -> Iterator[Written[Tag]]:
        """The results of all images that are not handed back yet."""
        while self._pending:
            yield self._next()

    def close(self) -> None:
        """End the workers; jobs that have not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _submit(self, job: ImageJob, case: CaseFile | None) -> Future[list[MapRegions | None]]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._workers, get_context("spawn"), initializer=_begin_worker
            )
        with _quiet_start():
            try:
                return self._pool.submit(write_files, job, case)
            except BrokenProcessPool as error:
                broken: Future[list[MapRegions | None]] = Future()
                broken.set_exception(error)
                return broken

    def _next(self) -> Written[Tag]:
        first = self._pending[0]
        tag, job, case = first.tag, first.job, first.case
        try:
            result = Written(tag, job, first.future.result(), case)
        except OSError as error:
            result = Written(tag, job, [], case, error)
        except BrokenProcessPool:
            # The system ended a worker: this process writes on, and nothing is lost.
            self._workers = 0
            result = _written(tag, job, case)
        self._pending.popleft()
        return result


def worker_count(images: int, pictures: bool) -> int:
    """Processes for so many images; 0: the calling process writes.

    Args:
        images: to be written.
        pictures: whether more than the default files is written. Those take a fraction of the
            model's time, so that half of the processors keep up.

    >>> worker_count(3, pictures=True)
    0
    """
    if images <= FEW:
        return 0
    count = processors() if pictures else processors() // 2
    return max(1, min(8, count))


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_files(job: ImageJob, case: CaseFile | None) -> list[MapRegions | None]:
    """Write the files of an image, and its part of the page's viewer.

    Args:
        job: what to write.
        case: the image for the viewer.

    Returns:
        As :func:`camlucida.figures.image_files.write_image`.

    Raises:
        OSError: the system refuses the folder or a file.
    """
    rows = None if job.film is None else png_rows(job.film)
    regions = write_image(job, rows)
    if case is not None:
        write_case(case, rows if case.film is job.film else None)
    return regions


def _written(tag: Tag, job: ImageJob, case: CaseFile | None) -> Written[Tag]:
    try:
        return Written(tag, job, write_files(job, case), case)
    except OSError as error:
        return Written(tag, job, [], case, error)


def _begin_worker() -> None:
    """Leave interrupts to the calling process, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_caller, daemon=True).start()


def _end_with_caller() -> None:
    """End this worker when the calling process is gone, be it killed: nobody else ends it."""
    caller = parent_process()
    if caller is not None:
        caller.join()
        os._exit(1)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """A process that is started inside inherits a worker's environment, and no interrupts.

    Nor does it import the caller's script again, which multiprocessing does for functions of it:
    a script that is not guarded by ``if __name__ == "__main__"`` would run once more in each.
    """
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    os.environ.update(_ENVIRONMENT)
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
