"""What the driver and an executor say to each other: tasks, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from camlucida.datasets.cohort import CohortImage
from camlucida.datasets.cohort_file import ModelEntry
from camlucida.datasets.true_masks import TrueMasks
from camlucida.runs.compute import ItemResult
from camlucida.runs.identity import Recipe

Batch = tuple[CohortImage, ...]


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker needs to load a model; it can be sent to another process or machine.

    Attributes:
        entry: of the model: card, checkpoint, output.
        name: of the model in the run.
        recipe: as planned by the driver. A worker whose own recipe differs is refused.
        device: as in :func:`~camlucida.models.load_model`.
        modules: of other packages, which register methods and readers.
        true_masks: of the cohort, which all its images share; None without any.
    """

    entry: ModelEntry
    name: str
    recipe: Recipe
    device: str
    modules: tuple[str, ...] = ()
    true_masks: TrueMasks | None = None


@dataclass(frozen=True)
class Task:
    """Images for one worker.

    Attributes:
        number: that no other task of the executor has.
        batches: the images of each forward pass.
    """

    number: int
    batches: tuple[Batch, ...]

    def without_masks(self) -> Task:
        """The task without what all images share, to be sent."""
        return Task(self.number, tuple(map(_without_masks, self.batches)))


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended.

    Attributes:
        task: which one.
        results: one an image, in order; None where the worker died.
    """

    task: Task
    results: tuple[ItemResult, ...] | None


class Executor(Protocol):
    """Carries tasks to workers of one model. All of it runs in the driver's thread."""

    @property
    def room(self) -> int:
        """How many tasks may be submitted that have not ended, ≥ 1."""
        ...

    def submit(self, task: Task) -> None:
        """Take a task; which worker gets it, and when, is the executor's choice."""
        ...

    def wait(self) -> Sequence[TaskEnd]:
        """Wait until at least one task has ended, each of which is returned once.

        Raises:
            CamlucidaError: no worker can work: the model does not load, or is another than planned.
        """
        ...

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        ...


def with_images(results: Sequence[ItemResult], images: Sequence[CohortImage]) -> list[ItemResult]:
    """Results that came from elsewhere, with the images as they are here.

    Args:
        results: one an image, in order.
        images: of the task, in order.
    """
    return [replace(result, image=image) for result, image in zip(results, images, strict=True)]


def _without_masks(batch: Batch) -> Batch:
    return tuple(replace(image, true_masks=None) for image in batch)
