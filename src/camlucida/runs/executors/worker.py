"""The worker of every executor: it loads a model once, then takes task after task.

It knows nothing of the engine that runs it.
"""

from __future__ import annotations

import importlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, replace

from camlucida.core.errors import ModelError
from camlucida.datasets.cohort import CohortImage
from camlucida.models import LoadedModel
from camlucida.runs.compute import ItemResult, Worker
from camlucida.runs.executors.protocol import Batch, WorkerSpec
from camlucida.runs.identity import Recipe, canonical, changed, make_recipe
from camlucida.runs.plan import Loader


class TaskWorker:
    """A loaded model, somewhere.

    Args:
        spec: what to load.

    Raises:
        ModelError: the model, its code or this installation differs from the driver's.
        CamlucidaError: the model cannot be loaded.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        _import(spec.modules)
        model = unchanged(Loader(spec.device)(spec.entry), spec.recipe, spec.name, elsewhere=True)
        self._worker = Worker(model, spec.name, spec.recipe)
        self._masks = spec.true_masks

    def process(self, batches: Sequence[Batch]) -> list[ItemResult]:
        """The results of a task, one an image, in order.

        Args:
            batches: the images of each forward pass, without the masks that all share.
        """
        results: list[ItemResult] = []
        for batch in batches:
            results += self._worker.process(list(map(self._with_masks, batch)))
        return [replace(each, image=replace(each.image, true_masks=None)) for each in results]

    def _with_masks(self, image: CohortImage) -> CohortImage:
        return replace(image, true_masks=self._masks)


def unchanged(
    model: LoadedModel, planned: Recipe, name: str, *, elsewhere: bool = False
) -> LoadedModel:
    """The model, if it is still the planned one.

    Args:
        model: loaded now.
        planned: its recipe when the run was planned.
        name: of the model in the run.
        elsewhere: it was planned in another process, maybe on another machine.

    Raises:
        ModelError: its weights, card, code or versions differ.
    """
    now = make_recipe(model, planned.targets, planned.methods, planned.layers)
    if now == planned:
        return model
    what = ", ".join(changed(json.loads(canonical(asdict(planned))), now))
    if elsewhere:
        raise ModelError(
            f"{name}: the worker on {platform.node()} differs from the driver in its {what}",
            "install the same versions there, and give it the same files, then --resume",
        )
    raise ModelError(
        f"{name}: its {what} changed while the run was going on",
        "go on with --resume once it stays as it is",
    )


def _import(modules: Sequence[str]) -> None:
    """Import what registers the methods and readers of other packages."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ModelError(
                f"the worker on {platform.node()} cannot import {name}: {error}",
                "install it there as well",
            ) from error
