"""Several batches at once on a CPU, each on a share of its cores.

One batch on all cores leaves them waiting for each other at every layer, the more so where another
process takes a core at times. Batches that do not know of each other never wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType

import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import CamlucidaError
from camlucida.core.scan import Scan
from camlucida.models import LoadedModel
from camlucida.models.detectors import is_detector
from camlucida.models.replica import replica
from camlucida.models.state import unwrap
from camlucida.workflows.explain_files import FEW

MOST = 4
"""Lanes at most: Python runs in one of them at a time."""


class Lanes:
    """Threads that explain batches; a context manager.

    Args:
        model: what to explain.
        targets, methods, layers: as in :func:`camlucida.explain`.
        batch_size: images in all lanes together, as many as one forward pass would have.
        images: that are to come in all; few are explained by the calling thread.

    Attributes:
        ahead: batches that are worked on beside the one that is needed next; 0: there are no lanes,
            or no more of them, and the calling thread explains.
        part: images in one forward pass.
    """

    def __init__(
        self,
        model: LoadedModel,
        targets: Sequence[TargetLike] | None,
        methods: Sequence[str],
        layers: Sequence[str],
        batch_size: int,
        images: int,
    ) -> None:
        self._targets = targets
        self._methods, self._layers = list(methods), list(layers)
        models = [model]
        count = _most(model, methods, batch_size) if images > FEW else 1
        for _ in range(1, count):
            twin = replica(unwrap(model.module))
            if twin is not None:
                models.append(replace(model, module=twin))
        count = len(models)
        self.ahead = count if count > 1 else 0
        self.part = -(-batch_size // count)
        self._begun = False
        self._idle: SimpleQueue[LoadedModel] = SimpleQueue()
        for each in models:
            self._idle.put(each)
        self._cores = torch.get_num_threads()
        share = self._cores // count
        # Of the calling thread too, whose number a thread that is started later takes over.
        torch.set_num_threads(share)
        self._threads = ThreadPoolExecutor(count, "lane", torch.set_num_threads, (share,))

    def __enter__(self) -> Lanes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(self._cores)

    def submit(self, scans: Sequence[Scan]) -> Future[list[Explanation] | None] | None:
        """Begin to explain a batch.

        Args:
            scans: its images.

        Returns:
            The explanations; None of a batch with an error, which is to be explained again by
            whoever divides it. None at once where there are no lanes.
        """
        if not self.ahead or not scans:
            return None
        if self._begun:
            return self._threads.submit(self._explain, scans)
        self._begun = True
        return self._alone(scans)

    def _alone(self, scans: Sequence[Scan]) -> Future[list[Explanation] | None]:
        """Explain the first batch, and close the lanes if the model draws random numbers.

        Which numbers a batch gets would depend on which lane comes first.
        """
        before = torch.get_rng_state()
        done: Future[list[Explanation] | None] = Future()
        done.set_result(self._explain(scans))
        if not torch.equal(before, torch.get_rng_state()):
            self.ahead = 0
            torch.set_num_threads(self._cores)
        return done

    def _explain(self, scans: Sequence[Scan]) -> list[Explanation] | None:
        model = self._idle.get()
        try:
            return explain(
                model, scans, self._targets, self._methods, self._layers, batch_size=len(scans)
            )
        except CamlucidaError:
            return None
        finally:
            self._idle.put(model)


def _most(model: LoadedModel, methods: Sequence[str], batch_size: int) -> int:
    """How many lanes are of use."""
    on_cpu = all(parameter.device.type == "cpu" for parameter in model.module.parameters())
    if torch.is_autocast_enabled("cpu"):  # of the calling thread alone
        return 1
    if not on_cpu or model.card.volume is not None or is_detector(unwrap(model.module)):
        return 1
    if not all(map(_is_of_one_pass, methods)):
        return 1
    return max(1, min(MOST, torch.get_num_threads(), batch_size))


def _is_of_one_pass(name: str) -> bool:
    """Whether a method needs one forward pass; of many, some draw random numbers, too."""
    if name not in METHODS:  # a word for many methods
        return False
    method = METHODS[name]
    return method.kind in ("gradient", "activation") and not method.samples
