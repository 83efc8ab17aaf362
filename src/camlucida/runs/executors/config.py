"""What the user asks of an executor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

from camlucida.core.errors import UsageError, did_you_mean

ExecutorKind = Literal["inline", "process", "ray"]
KINDS: tuple[str, ...] = get_args(ExecutorKind)


@dataclass(frozen=True)
class ExecutorConfig:
    """Kind and number of workers.

    Attributes:
        kind: ``inline``: in this process; ``process``: in processes of this machine; ``ray``: in
            actors of a Ray cluster.
        workers: how many; None for one a GPU, or one a CPU core where no GPU is used.
        address: of the cluster (``ray``): host:port, or ``auto`` for the one of this machine; None
            starts one on this machine for the run.
        gpus_per_worker: GPUs of each worker (``ray``); a fraction shares one GPU.

    Raises:
        UsageError: an unknown kind, or an option that the kind does not have.

    >>> ExecutorConfig(workers=2)
    Traceback (most recent call last):
    camlucida.core.errors.UsageError: --workers is no option of --executor inline (add ...)
    """

    kind: ExecutorKind = "inline"
    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"no executor {self.kind!r}", did_you_mean(self.kind, KINDS))
        needed: dict[str, tuple[str, ...]] = {}
        if self.workers is not None:
            needed["--workers"] = ("process", "ray")
        if self.address is not None:
            needed["--address"] = ("ray",)
        if self.gpus_per_worker:
            needed["--gpus-per-worker"] = ("ray",)
        for option, kinds in needed.items():
            if self.kind not in kinds:
                fix = f"add --executor {' or '.join(kinds)}"
                raise UsageError(f"{option} is no option of --executor {self.kind}", fix)

    def process_count(self) -> int:
        """Number of worker processes on this machine, ≥ 1."""
        import torch

        return self.workers or torch.cuda.device_count() or os.cpu_count() or 1
