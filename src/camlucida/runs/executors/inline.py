"""In this process, one task after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from camlucida.runs.compute import ItemResult, Worker
from camlucida.runs.executors.protocol import Task, TaskEnd, WorkerSpec
from camlucida.runs.executors.worker import unchanged
from camlucida.runs.plan import Loader


class InlineExecutor:
    """The default: no other process, nothing to send. A death of the worker is one of the run.

    Args:
        spec: what to load.
        loader: that may hold the model already.

    Raises:
        ModelError: the model has changed since the run was planned.
    """

    room = 1

    def __init__(self, spec: WorkerSpec, loader: Loader) -> None:
        model = unchanged(loader(spec.entry), spec.recipe, spec.name)
        self._worker = Worker(model, spec.name, spec.recipe)
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)

    def wait(self) -> Sequence[TaskEnd]:
        """Do the first task."""
        task = self._tasks.popleft()
        results: list[ItemResult] = []
        for batch in task.batches:
            results += self._worker.process(batch)
        return [TaskEnd(task, tuple(results))]

    def close(self) -> None:
        """There is nothing to end."""
