"""One queue for the altered images of every metric and method.

Forwards of one fixed small batch, equal inputs run once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.errors import ModelError, UsageError

Floats = NDArray[np.float64]
Score = Callable[[Tensor, Sequence[Hashable]], Sequence[Tensor]]
"""Model inputs (N, C, *spatial) and the image each was made from → N tensors (S,).

S numbers an altered image, such as the logit and the probability of each label; S may differ from
image to image.
"""

Measure = Callable[[Floats], dict[str, Floats]]
"""Scores (steps, S) → the plan's metrics, (S,) each."""

Reasons = Callable[[Floats], Mapping[str, Sequence[str]]]
"""Scores (steps, S) → name of a metric → S codes: why it has no value, "" where it has one."""


@dataclass(frozen=True)
class Step:
    """One altered image.

    Attributes:
        key: what was done, unique within an image: two steps of one image with one key are one
            forward.
        make: builds the model input (C, *spatial); may run in another thread.
    """

    key: Hashable
    make: Callable[[], Tensor]


@dataclass(frozen=True)
class Plan:
    """What a metric asks of one image and map.

    Attributes:
        image: which image; the plans of one image come one after another.
        steps: the altered images; the scores come back in this order.
        measure: makes the metrics of the scores.
        about: passed through: method, label, whatever the caller wants back.
        curves: name → (altered share of the image, step) of each point: scores that are worth
            drawing.
        undefined: of the scores, why a metric has no value: name → for each of S a code of
            messages, "" where there is a value; None: no metric of the plan gives a reason.
    """

    image: Hashable
    steps: Sequence[Step]
    measure: Measure
    about: Hashable = None
    curves: Mapping[str, Sequence[tuple[float, int]]] = field(default_factory=dict)
    undefined: Reasons | None = None


@dataclass(frozen=True)
class Done:
    """A plan with its metrics, (S,) each, and the scores (steps, S) they were made of."""

    plan: Plan
    metrics: dict[str, Floats]
    scores: Floats


@dataclass
class Count:
    """Work of a queue: ``requested`` steps, ``images`` altered images run, ``forwards`` of the
    model.
    """

    requested: int = 0
    images: int = 0
    forwards: int = 0


@dataclass
class _Scores:
    """Of one image: what was done to it → (S,)."""

    image: Hashable
    of: dict[Hashable, Floats] = field(default_factory=dict)


@dataclass
class _Open:
    """A plan that waits for scores."""

    plan: Plan
    scores: _Scores
    missing: set[Hashable] = field(default_factory=set)


def forwards_needed(plans: Iterable[Plan]) -> int:
    """Altered images that the plans will run, equal ones once; nothing is built."""
    keys: set[tuple[Hashable, Hashable]] = set()
    for plan in plans:
        keys |= {(plan.image, step.key) for step in plan.steps}
    return len(keys)


def evaluate(
    plans: Iterable[Plan],
    score: Score,
    batch_size: int = 8,
    *,
    workers: int = 0,
    count: Count | None = None,
) -> Iterator[Done]:
    """Run plans through the model.

    Yields each plan with its metrics, in the order given, as soon as its scores are there.

    Memory is bounded: at most ``batch_size`` altered images wait for a forward, and with workers
    the next batch is being built; scores are kept for the images that have an open plan, and for
    the last one.

    Args:
        plans: in any number; an iterator is read as it is needed. All plans of an image stand
            together.
        score: the model, already in evaluation mode; runs under ``torch.no_grad``.
        batch_size: altered images in one forward, whatever image or metric they belong to.
        workers: threads that build altered images beside the forwards; 0 builds them in turn.
        count: filled in as the queue runs.

    Raises:
        ModelError: ``score`` does not answer N times (S,).
    """
    if batch_size < 1 or workers < 0:
        raise UsageError(
            f"batch size {batch_size}, {workers} workers", "give at least 1, and at least 0"
        )
    count = Count() if count is None else count
    waiting: deque[_Open] = deque()
    batch: list[tuple[_Scores, Hashable, Tensor]] = []
    for scores, step, made, opened in _built(plans, workers, batch_size, count):
        if opened is not None:
            waiting.append(opened)
        if step is not None and made is not None:
            batch.append((scores, step.key, made))
        if len(batch) == batch_size:
            _flush(batch, score, count)
        yield from _finished(waiting)
    if batch:
        _flush(batch, score, count)
    yield from _finished(waiting)


def _flush(batch: list[tuple[_Scores, Hashable, Tensor]], score: Score, count: Count) -> None:
    """One forward; every score goes to its image's table."""
    inputs = torch.stack([made for _, _, made in batch])
    with torch.no_grad():
        answer = score(inputs, [scores.image for scores, _, _ in batch])
    if len(answer) != len(inputs) or any(row.ndim != 1 for row in answer):
        shapes = [tuple(row.shape) for row in answer]
        raise ModelError(
            f"the scores of {len(inputs)} altered images have shapes {shapes}",
            "score must answer N times (S,)",
        )
    count.forwards += 1
    count.images += len(inputs)
    for (scores, key, _), row in zip(batch, answer):
        scores.of[key] = row.detach().cpu().double().numpy()
    batch.clear()


def _finished(waiting: deque[_Open]) -> Iterator[Done]:
    """Plans at the head of the line whose scores are complete."""
    while waiting and all(key in waiting[0].scores.of for key in waiting[0].missing):
        done = waiting.popleft()
        values = np.stack([done.scores.of[step.key] for step in done.plan.steps])
        yield Done(done.plan, done.plan.measure(values), values)


_Item = tuple[_Scores, Step | None, _Open | None]


def _items(plans: Iterable[Plan], count: Count) -> Iterator[_Item]:
    """(score table of the image, a step to run, the plan it opens).

    A plan opens with its last new step, or without one.
    """
    scores: _Scores | None = None
    requested: set[Hashable] = set()
    for plan in plans:
        if not plan.steps:
            raise UsageError(f"a plan for {plan.image!r} has no steps")
        if scores is None or plan.image != scores.image:
            scores, requested = _Scores(plan.image), set()
        count.requested += len(plan.steps)
        new = {step.key: step for step in plan.steps if step.key not in requested}
        requested |= set(new)
        for step in new.values():
            yield scores, step, None
        yield scores, None, _Open(plan, scores, {step.key for step in plan.steps})


def _built(
    plans: Iterable[Plan], workers: int, batch_size: int, count: Count
) -> Iterator[tuple[_Scores, Step | None, Tensor | None, _Open | None]]:
    """Items with their altered image built, in order.

    With workers, one batch is built ahead, while a forward runs.
    """
    items = _items(plans, count)
    if not workers:
        for scores, step, opened in items:
            yield scores, step, None if step is None else step.make(), opened
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[tuple[_Item, Future[Tensor] | None]] = deque()

        def fill() -> None:
            for item in islice(items, max(0, batch_size + workers - len(ahead))):
                ahead.append((item, None if item[1] is None else pool.submit(item[1].make)))

        fill()
        while ahead:
            (scores, step, opened), future = ahead.popleft()
            yield scores, step, None if future is None else future.result(), opened
            fill()
