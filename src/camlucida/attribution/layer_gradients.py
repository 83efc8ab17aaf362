"""The gradients of a batch's scores by its layers: by the closed form where there is one.

Elsewhere by autograd: many scores share one backward pass where the model allows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import cast

import torch
from torch import Tensor

from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.explained_batch import ExplainedBatch, sum_of_targets
from camlucida.attribution.pooled_gradients import Pooling, find_pooling
from camlucida.attribution.read_tokens import ReadTokens, find_read_tokens
from camlucida.attribution.shared_backward import ONE_BY_ONE, gradients_together, sharing
from camlucida.attribution.targets import Label, Target
from camlucida.attribution.watch import Captured
from camlucida.attribution.whole_kernel import WholeKernel, find_whole_kernel
from camlucida.core.tensors import full, weighted_gradients
from camlucida.models.layers import LayerRef
from camlucida.models.remembered import Remembered

_AGREE: Remembered[tuple[object, ...], bool] = Remembered()
"""Layer as it was captured → whether there is a closed form that gives autograd's gradient.

The graph shows the operations, but not a hook on a node by which a model changes a gradient on its
way.
"""

_SHARED: Remembered[tuple[LayerRef, ...], bool] = Remembered()
"""Layers → whether a backward pass that scores share gives the gradients of one of its own."""

TOLERANCE = 1e-4
"""Largest difference between two ways to a gradient, as a share of the largest gradient; in half
precision, in which autograd rounds, four machine epsilons."""


_Way = Pooling | ReadTokens | WholeKernel


def layer_gradients(
    explained: ExplainedBatch, keep_graph: bool = False
) -> Iterator[list[Tensor | None]]:
    """∂score/∂activations of each layer: for the first target of every image, for the second, ….

    The images of a batch are independent, so the gradient of a sum over them holds each one's.

    Args:
        explained: the batch after its forward pass, frozen.
        keep_graph: whether other backward passes follow the last of these.

    Yields:
        (B, K, *grid) each, in at least float32; None where a score does not depend on the layer.

    Raises:
        ModelError: the model's graph cannot be differentiated.
    """
    rounds = range(explained.rounds)
    ways = _ways(explained) if rounds else ()
    by_logits = _by_logits(explained, rounds) if ways else None
    if by_logits is not None:
        yield from map(list, zip(*(way.gradients(by_logits) for way in ways)))
        return
    yield from _by_autograd(explained, keep_graph)


def _by_autograd(explained: ExplainedBatch, keep_graph: bool) -> Iterator[list[Tensor | None]]:
    """As of :func:`layer_gradients`, by backward passes."""
    for part in _parts(explained):
        together = _together(explained, part) if len(part) > 1 else None
        if together is not None:
            yield from map(list, zip(*together))
            continue
        for t in part:
            yield _of_target(explained, t, keep_graph or t < explained.rounds - 1)


def _of_target(explained: ExplainedBatch, t: int, keep_graph: bool) -> list[Tensor | None]:
    score = sum_of_targets(explained.output.logits, explained.having(t))
    gradients = explained.forward.gradients(score, keep_graph)
    return [None if gradient is None else full(gradient) for gradient in gradients]


def _parts(explained: ExplainedBatch) -> list[range]:
    """Targets by their numbers, those together that share a backward pass."""
    rounds, logits = explained.rounds, explained.output.logits
    several = rounds > ONE_BY_ONE and logits.grad_fn is not None
    size = sharing(logits, rounds) if several and not explained.forward.hooked else 1
    if size > 1 and not _can_share(explained):
        size = 1
    return [range(t, min(t + size, rounds)) for t in range(0, rounds, size)]


def _together(explained: ExplainedBatch, part: range) -> Sequence[Tensor] | None:
    """(T, B, K, *grid) the gradients by each layer; None where they cannot be taken together."""
    by_logits = _by_logits(explained, part)
    return None if by_logits is None else _of_layers(explained, by_logits)


def _of_layers(explained: ExplainedBatch, by_logits: Sequence[Tensor]) -> Sequence[Tensor] | None:
    """As of :func:`_together`, from the gradients of scores by the logits."""
    activations = [layer.activations for layer in explained.forward.layers]
    logits = explained.output.logits
    together = gradients_together([logits], activations, [torch.stack(list(by_logits))])
    return None if together is None else list(map(full, together))


def _can_share(explained: ExplainedBatch) -> bool:
    """Whether a pass that scores share gives the gradients of one alone; once a model and layers.

    A backward function of the user's own may do something else with several gradients.
    """
    verdicts = _SHARED.of(explained.model.module)
    key = tuple(layer.ref for layer in explained.forward.layers)
    if key in verdicts:
        return verdicts[key]
    by_logits = _drawn(explained.output.logits)
    together = _of_layers(explained, [by_logits, by_logits.roll(1, -1)])
    if together is None:
        verdicts[key] = False
        return False
    alone = _alone(explained, by_logits)
    agree = all(g is not None and _close(t[0], g) for t, g in zip(together, alone))
    if all(g is not None and bool(g.any()) for g in alone):  # else it shows nothing
        verdicts[key] = agree
    return agree


def _drawn(logits: Tensor) -> Tensor:
    """A gradient by all logits at once, whatever is explained of this batch."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(logits.shape, generator=generator).to(logits)


def _alone(explained: ExplainedBatch, by_logits: Tensor) -> Sequence[Tensor | None]:
    """The gradients by each layer, of one score by autograd."""
    activations = [layer.activations for layer in explained.forward.layers]
    with differentiating():
        return weighted_gradients(explained.output.logits, activations, by_logits)


def _ways(explained: ExplainedBatch) -> Sequence[_Way]:
    """How each layer leads to the logits; () where one has no closed form, or hooks are seen."""
    if explained.forward.hooked:
        return ()
    logits, layers = explained.output.logits, explained.forward.layers
    verdicts = _AGREE.of(explained.model.module)
    keys = [_as_captured(layer, explained.rounds > ONE_BY_ONE) for layer in layers]
    if not all(verdicts.get(key, True) for key in keys):
        return ()
    ways: list[_Way] = []
    for key, layer in zip(keys, layers):
        way = _way(logits, layer.activations)
        if way is None:
            verdicts[key] = False
            return ()
        ways.append(way)
    known = all(key in verdicts for key in keys)
    return ways if known or _agree(explained, ways, keys) else ()


def _as_captured(layer: Captured, many: bool) -> tuple[object, ...]:
    """What the closed form depends on beside the model: the layer, and whether scores are many."""
    activations = layer.activations
    return layer.name, layer.activation, activations.shape, activations.dtype, many


def _way(logits: Tensor, activations: Tensor) -> _Way | None:
    return (
        find_pooling(logits, activations)
        or find_read_tokens(logits, activations)
        or find_whole_kernel(logits, activations)
    )


def _agree(
    explained: ExplainedBatch, ways: Sequence[_Way], keys: Sequence[tuple[object, ...]]
) -> bool:
    """Whether the closed form gives autograd's gradient at each layer; once a model and layer."""
    verdicts = _AGREE.of(explained.model.module)
    by_logits = _drawn(explained.output.logits)
    # With others, as several labels are taken back at once.
    count = ONE_BY_ONE + 1 if explained.rounds > ONE_BY_ONE else 2
    each = [by_logits.roll(number, -1) for number in range(count)]
    agree = []
    for key, way, gradient in zip(keys, ways, _alone(explained, by_logits)):
        if gradient is None:  # an operation of the head has no derivative
            return False
        closed = next(iter(way.gradients(each)))
        agree.append(_close(closed, gradient))
        if bool(gradient.any()):  # a layer that is closed in all images shows nothing
            verdicts[key] = agree[-1]
    return all(agree)


def _close(closed: Tensor, gradient: Tensor) -> bool:
    share = max(TOLERANCE, 4 * torch.finfo(gradient.dtype).eps)
    tolerance = share * float(gradient.abs().nan_to_num().max())
    return torch.allclose(closed, full(gradient), rtol=0, atol=tolerance, equal_nan=True)


def _by_logits(explained: ExplainedBatch, rounds: range) -> list[Tensor] | None:
    """(B, C, …) the gradients of sums of scores by the logits; None where one depends on none.

    Args:
        explained: the batch.
        rounds: a sum is of the targets of one round, of all images that have so many.
    """
    logits, targets = explained.output.logits, [explained.having(t) for t in rounds]
    every = list(chain.from_iterable(of_images.values() for of_images in targets))
    if logits.ndim == 2 and all(isinstance(target, Label) for target in every):
        labels = cast(Sequence[Label], every)
        rows = list(chain.from_iterable([row] * len(each) for row, each in enumerate(targets)))
        images = list(chain.from_iterable(targets))
        # Made on the CPU, and copied once.
        made = torch.zeros(len(rounds), *logits.shape, dtype=logits.dtype)
        signs = made.new_tensor([label.sign for label in labels])
        made[rows, images, [label.index for label in labels]] = signs
        return list(made.to(logits.device))
    each = [_of_score(logits, of_images) for of_images in targets]
    known = [gradient for gradient in each if gradient is not None]
    return known if len(known) == len(rounds) else None


def _of_score(logits: Tensor, targets: Mapping[int, Target]) -> Tensor | None:
    """(B, C, …) the gradient of a sum of scores by the logits; None where it depends on none."""
    leaf = logits.detach().requires_grad_()
    score = sum_of_targets(leaf, targets)
    return torch.autograd.grad(score, [leaf])[0] if score.requires_grad else None
