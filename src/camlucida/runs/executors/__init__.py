"""Where the work of a run is done: in this process, in others of this machine, in a Ray cluster.

The driver (:mod:`camlucida.runs.driver`) hands out tasks, counts deaths and writes the ledger. An
executor only carries a task to a worker and its results back.
"""

from __future__ import annotations

from camlucida.runs.executors.config import ExecutorConfig
from camlucida.runs.executors.inline import InlineExecutor
from camlucida.runs.executors.protocol import Executor, Task, TaskEnd, WorkerSpec
from camlucida.runs.plan import Loader

__all__ = ["Executor", "ExecutorConfig", "Task", "TaskEnd", "WorkerSpec", "open_executor"]


def open_executor(config: ExecutorConfig, spec: WorkerSpec, loader: Loader) -> Executor:
    """The executor of one model.

    Args:
        config: kind and number of workers.
        spec: what a worker loads.
        loader: that may hold the model already; of the executor in this process.

    Raises:
        ModelError: the model has changed since the run was planned.
        UsageError: the kind's package is missing, or the cluster cannot be reached.
    """
    if config.kind == "process":
        from camlucida.runs.executors.process import ProcessExecutor

        return ProcessExecutor(spec, config.process_count())
    if config.kind == "ray":
        from camlucida.runs.executors.ray import RayExecutor

        return RayExecutor(spec, config)
    return InlineExecutor(spec, loader)
