"""One queue for all altered images."""

import gc
import threading
import weakref

import numpy as np
import pytest
import torch

from camlucida.core.errors import ModelError, UsageError
from camlucida.metrics.queue import Count, Plan, Step, evaluate, forwards_needed


def number(value: float):
    return lambda: torch.full((1, 2), value)


def plan(image, values, keys=None, about=None):
    keys = values if keys is None else keys
    return Plan(
        image,
        tuple(Step(k, number(v)) for k, v in zip(keys, values)),
        lambda s: {"sum": s.sum(0), "all": s},
        about,
    )


class Model:
    """Two scores: the value, and its negative; notes the sizes of its batches."""

    def __init__(self):
        self.sizes, self.seen = [], []

    def __call__(self, x, images):
        assert not torch.is_grad_enabled()
        self.sizes.append(len(x))
        self.seen += x[:, 0, 0].tolist()
        return torch.stack([x[:, 0, 0], -x[:, 0, 0]], 1)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_scores_go_back_where_they_came_from(workers, batch_size):
    plans = [
        plan(image, [10.0 * image + k for k in range(image % 3 + 1)], about=f"m{image}")
        for image in range(7)
    ]
    model, count = Model(), Count()
    results = list(evaluate(plans, model, batch_size, workers=workers, count=count))
    assert [done.plan.about for done in results] == [f"m{image}" for image in range(7)]
    for done in results:
        scores = done.metrics
        expected = np.array([[step.key, -step.key] for step in done.plan.steps])
        assert done.scores.tolist() == expected.tolist()
        assert scores["all"].tolist() == expected.tolist()
        assert scores["sum"].tolist() == expected.sum(0).tolist()
    requested = sum(len(p.steps) for p in plans)
    assert (count.requested, count.images, count.forwards) == (
        requested,
        requested,
        -(-requested // batch_size),
    )
    assert all(size == batch_size for size in model.sizes[:-1])


@pytest.mark.parametrize("workers", [0, 2])
def test_equal_steps_of_an_image_run_once(workers):
    plans = [
        plan("a", [1, 2, 3], ["original", "x", "black"]),
        plan("a", [1, 9, 3], ["original", "y", "black"]),
        plan("a", [1, 3], ["original", "black"]),
        plan("b", [5, 6], ["original", "black"]),
    ]
    model, count = Model(), Count()
    results = [
        done.metrics["sum"][0] for done in evaluate(plans, model, 2, workers=workers, count=count)
    ]
    assert results == [6, 13, 4, 11]
    assert sorted(model.seen) == [1, 2, 3, 5, 6, 9]
    assert (count.requested, count.images) == (10, 6)
    assert forwards_needed(plans) == 6


def test_a_plan_that_names_one_key_twice():
    (done,) = evaluate([plan("a", [4, 4, 1], ["k", "k", "l"])], Model(), 8)
    assert done.metrics["all"][:, 0].tolist() == [4, 4, 1]


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_is_bounded_and_plans_are_read_as_needed(workers):
    alive, most, read = weakref.WeakSet(), 0, 0
    guard = threading.Lock()

    def make():
        nonlocal most
        made = torch.zeros(1, 2)
        with guard:
            alive.add(made)
            most = max(most, len(alive))
        return made

    def stream():
        nonlocal read
        for image in range(50):
            read += 1
            yield Plan(image, tuple(Step(k, make) for k in range(4)), lambda s: {"n": s.sum(0)})

    gc.disable()  # nothing may depend on it
    try:
        results = evaluate(stream(), Model(), 4, workers=workers)
        next(results)
        assert read <= 2 + (1 + workers if workers else 0)
        assert sum(1 for _ in results) == 49
    finally:
        gc.enable()
    assert most <= 4 + (4 + workers if workers else 0) + 2


def test_abandoned_half_way_no_thread_is_left():
    before = threading.active_count()
    results = evaluate((plan(i, [1.0, 2.0]) for i in range(100)), Model(), 2, workers=2)
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_reach_the_caller(workers):
    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(evaluate([Plan("a", (Step("k", broken),), lambda s: {})], Model(), workers=workers))
    with pytest.raises(ModelError, match="N times"):
        list(evaluate([plan("a", [1.0])], lambda x, images: x[:, 0, 0], workers=workers))
    with pytest.raises(UsageError, match="no steps"):
        list(evaluate([plan("a", [])], Model(), workers=workers))
    with pytest.raises(UsageError):
        list(evaluate([], Model(), 0))


def test_no_plans():
    assert list(evaluate([], Model())) == []
