"""In spawned processes of this machine, one model each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from camlucida.core.errors import CamlucidaError, ModelError
from camlucida.runs.executors.protocol import Task, TaskEnd, WorkerSpec, with_images
from camlucida.runs.executors.worker import TaskWorker

STARTS = 3
"""How often in a row a worker may die while it loads its model, before the run ends."""


class ProcessExecutor:
    """Workers as processes. One that dies is started again, and its task ends without results.

    Each worker computes with one thread on a CPU. Several GPUs are used in turn.

    Args:
        spec: what each worker loads.
        workers: their number, ≥ 1.
    """

    def __init__(self, spec: WorkerSpec, workers: int) -> None:
        self.room = 2 * workers  # a worker that ends a task finds the next one here
        self._specs = [replace(spec, device=_device(spec.device, i)) for i in range(workers)]
        self._workers: dict[int, _Process] = {}
        self._tasks: deque[Task] = deque()
        self._starts = 0

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)
        self._hand_out()

    def wait(self) -> Sequence[TaskEnd]:
        """Wait for the workers; raises the error of one that cannot load its model."""
        while True:
            pipes = {worker.pipe: place for place, worker in self._workers.items()}
            ends: list[TaskEnd] = []
            for pipe in wait(list(pipes)):
                ends += self._receive(pipes[pipe])  # type: ignore[index]
            self._hand_out()
            if ends:
                return ends

    def close(self) -> None:
        """Kill the workers."""
        for worker in self._workers.values():
            worker.process.kill()
        for worker in self._workers.values():
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def _receive(self, place: int) -> list[TaskEnd]:
        """What one worker has to say: ready, the results of its task, an error, or its death."""
        worker = self._workers[place]
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(place)
        if isinstance(message, CamlucidaError):
            raise message
        worker.is_ready = True
        self._starts = 0
        if message is None:
            return []
        task, worker.task = worker.task, None
        if task is None:
            return []
        images = list(chain.from_iterable(task.batches))
        return [TaskEnd(task, tuple(with_images(message, images)))]

    def _bury(self, place: int) -> list[TaskEnd]:
        """Forget a dead worker; its task ends, unless it had not begun with it."""
        worker = self._workers.pop(place)
        worker.process.join()
        worker.pipe.close()
        if worker.is_ready:
            return [] if worker.task is None else [TaskEnd(worker.task, None)]
        if worker.task is not None:
            self._tasks.appendleft(worker.task)
        self._starts += 1
        if self._starts >= STARTS:
            raise ModelError(
                f"workers die while they load {self._specs[place].name} "
                f"(exit code {worker.process.exitcode})",
                "give fewer --workers, if memory is short",
            )
        return []

    def _hand_out(self) -> None:
        """Give each idle worker a task; start workers while there are more tasks."""
        for worker in self._workers.values():
            if self._tasks and worker.task is None:
                self._give(worker, self._tasks.popleft())
        for place, spec in enumerate(self._specs):
            if self._tasks and place not in self._workers:
                self._workers[place] = _start(spec)
                self._give(self._workers[place], self._tasks.popleft())

    def _give(self, worker: _Process, task: Task) -> None:
        worker.task = task
        try:
            worker.pipe.send(task.without_masks())
        except OSError:  # it has just died, which wait() will see
            return


@dataclass
class _Process:
    """A worker: its process, its pipe, whether its model is loaded, and the task it has."""

    process: BaseProcess
    pipe: Connection
    is_ready: bool = False
    task: Task | None = None


def _start(spec: WorkerSpec) -> _Process:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, spec), daemon=True)
    process.start()
    there.close()  # so that the end of the process is the end of its pipe
    return _Process(process, here)


def _work(pipe: Any, spec: WorkerSpec) -> None:
    """The life of a worker: load, then a task after the other until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the driver ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    try:
        worker = TaskWorker(spec)
    except CamlucidaError as error:
        pipe.send(error)
        return
    pipe.send(None)
    try:
        while True:
            task: Task = pipe.recv()
            pipe.send(worker.process(task.batches))
    except (EOFError, OSError):
        return  # the driver has ended


def _end_with_parent() -> None:
    """End this process when the driver has ended, however: nobody would take the results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _device(device: str, place: int) -> str:
    """The device of a worker: of several GPUs one after the other.

    >>> _device("cpu", 3)
    'cpu'
    """
    count = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    return f"cuda:{place % count}" if count > 1 else device
