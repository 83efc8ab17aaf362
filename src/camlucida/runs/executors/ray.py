"""In actors of a Ray cluster (extra ``ray``).

Ray Core alone: actors and ``ray.wait``. What is retried, and how often, is decided by the driver,
so Ray restarts and retries nothing.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch

from camlucida.core.errors import CamlucidaError, ModelError, UsageError
from camlucida.runs.compute import ItemResult
from camlucida.runs.executors.config import ExecutorConfig
from camlucida.runs.executors.protocol import Batch, Task, TaskEnd, WorkerSpec, with_images
from camlucida.runs.executors.worker import TaskWorker

STARTS = 3
"""How often in a row a worker may die while it loads its model, before the run ends."""
PATIENCE = 600.0
"""Seconds to wait for the first worker: a cluster may have to start machines."""
_LOOK = 5.0
"""Seconds between looks at the clock while nothing ends."""


class _Actor:
    """A worker with a device of its own; an error of loading is data, so that it keeps its type."""

    def __init__(self, spec: WorkerSpec) -> None:
        torch.set_num_threads(1)
        self._worker: TaskWorker | None = None
        self._error: CamlucidaError | None = None
        try:
            self._worker = TaskWorker(spec)
        except CamlucidaError as error:
            self._error = error

    def error(self) -> CamlucidaError | None:
        """Why it cannot work; None where it can."""
        return self._error

    def process(self, batches: Sequence[Batch]) -> list[ItemResult]:
        """The results of a task."""
        assert self._worker is not None
        return self._worker.process(batches)


@dataclass
class _Place:
    """A worker: its actor, whether its model is loaded, and the task it has."""

    actor: Any
    is_ready: bool = False
    task: Task | None = None


class RayExecutor:
    """Workers as actors, spread over the nodes. A lost node costs the tasks on it.

    Each worker takes one CPU and computes with one thread on it.

    Args:
        spec: what each worker loads.
        config: address, number of workers, GPUs of each.

    Raises:
        UsageError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, spec: WorkerSpec, config: ExecutorConfig) -> None:
        self._ray = _connect(config)
        self._spec = self._ray.put(spec)
        self._name = spec.name
        self._count = config.workers or _workers(self._ray.cluster_resources(), config)
        self.room = 2 * self._count
        needs = {"num_cpus": 1, "num_gpus": config.gpus_per_worker}
        actor = self._ray.remote(_Actor)
        self._actor = actor.options(**needs, max_restarts=0, scheduling_strategy="SPREAD")
        self._needs = ", ".join(f"{name[4:-1].upper()} {value:g}" for name, value in needs.items())
        self._places: dict[int, _Place] = {}
        self._calls: dict[Any, int] = {}
        self._tasks: deque[Task] = deque()
        self._starts = 0
        self._begun = time.monotonic()

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)
        self._hand_out()

    def wait(self) -> Sequence[TaskEnd]:
        """Wait for the workers; raises the error of one that cannot load its model."""
        while True:
            calls, _ = self._ray.wait(list(self._calls), timeout=_LOOK)
            ends: list[TaskEnd] = []
            for call in calls:
                ends += self._receive(call)
            self._hand_out()
            if ends:
                return ends
            self._check_begun()

    def close(self) -> None:
        """Kill the actors, and leave the cluster."""
        for place in self._places.values():
            self._ray.kill(place.actor)
        self._places.clear()
        self._ray.shutdown()

    def _receive(self, call: Any) -> list[TaskEnd]:
        """What one call came to: ready, the results of a task, an error, or a death."""
        number = self._calls.pop(call)
        place = self._places[number]
        try:
            value = self._ray.get(call)
        except self._ray.exceptions.RayError:
            return self._bury(number)
        if isinstance(value, CamlucidaError):
            raise value
        place.is_ready = True
        self._starts = 0
        task, place.task = place.task, None
        if task is None:
            return []
        images = list(chain.from_iterable(task.batches))
        return [TaskEnd(task, tuple(with_images(value, images)))]

    def _bury(self, number: int) -> list[TaskEnd]:
        """Forget a dead actor; its task ends."""
        place = self._places.pop(number)
        self._ray.kill(place.actor)  # it may be cut off only
        if place.is_ready:
            return [] if place.task is None else [TaskEnd(place.task, None)]
        self._starts += 1
        if self._starts >= STARTS:
            raise ModelError(
                f"workers die while they load {self._name}",
                "look into Ray's logs; if memory is short, give fewer --workers",
            )
        return []

    def _hand_out(self) -> None:
        """Give each idle worker a task; start workers while there are more tasks than workers."""
        for number, place in self._places.items():
            if self._tasks and place.is_ready and place.task is None:
                place.task = self._tasks.popleft()
                batches = place.task.without_masks().batches
                self._calls[place.actor.process.remote(batches)] = number
        starting = sum(not place.is_ready for place in self._places.values())
        for number in range(self._count):
            if number not in self._places and starting < len(self._tasks):
                place = self._places[number] = _Place(self._actor.remote(self._spec))
                self._calls[place.actor.error.remote()] = number
                starting += 1

    def _check_begun(self) -> None:
        """Raises UsageError where no worker has begun for long."""
        if any(place.is_ready for place in self._places.values()):
            self._begun = time.monotonic()
        if time.monotonic() - self._begun > PATIENCE:
            there = self._ray.cluster_resources()
            resources = f"CPU {there.get('CPU', 0):g}, GPU {there.get('GPU', 0):g}"
            raise UsageError(
                f"no worker could begin in {PATIENCE:g} s: each needs {self._needs}, and the "
                f"cluster has {resources} in all",
                "wait until it is free, or ask for less",
            )


def _connect(config: ExecutorConfig) -> Any:
    """Ray, connected to the cluster, or to a new one of this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "--executor ray needs Ray", "install it: pip install 'camlucida[ray]'"
        ) from error
    options: dict[str, Any] = {"address": config.address}
    if config.address is None:
        cpus = max(config.workers or 1, os.cpu_count() or 1)
        options = {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    try:
        # The driver says what went wrong; the logs of Ray's processes are not for the terminal.
        ray.init(**options, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        where = config.address or "this machine"
        raise UsageError(
            f"no Ray cluster at {where}: {reason}",
            "give the --address that ray start --head has printed",
        ) from error
    return ray


def _workers(resources: dict[str, float], config: ExecutorConfig) -> int:
    """As many workers as the cluster has room for, ≥ 1.

    >>> _workers({"CPU": 8.0, "GPU": 2.0}, ExecutorConfig("ray", gpus_per_worker=0.5))
    4
    """
    cpus = int(resources.get("CPU", 1))
    if not config.gpus_per_worker:
        return max(1, cpus)
    return max(1, min(cpus, int(resources.get("GPU", 0) / config.gpus_per_worker)))
