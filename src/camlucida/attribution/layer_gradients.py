"""The gradients of a batch's scores by its layers: by the closed form where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.explained_batch import ExplainedBatch, sum_of_targets
from camlucida.attribution.pooled_gradients import Pooling, find_pooling
from camlucida.attribution.read_tokens import ReadTokens, find_read_tokens
from camlucida.attribution.targets import Label
from camlucida.core.tensors import full, weighted_gradients
from camlucida.models.layers import LayerRef
from camlucida.models.remembered import Remembered

_AGREE: Remembered[LayerRef, bool] = Remembered()
"""Layer, and a hash of the model's parts → whether the closed form gives autograd's gradient.

The graph shows the operations, but not a hook on a node by which a model changes a gradient on its
way.
"""

TOLERANCE = 1e-4
"""Largest difference between the closed form and autograd, as a share of the largest gradient; in
half precision, in which autograd rounds, four machine epsilons."""


_Way = Pooling | ReadTokens


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
    by_logits = [_by_logits(explained, t) for t in rounds] if ways else []
    known = [gradient for gradient in by_logits if gradient is not None]
    if ways and len(known) == len(rounds):
        yield from map(list, zip(*(way.gradients(known) for way in ways)))
        return
    for t in rounds:
        yield _by_autograd(explained, t, keep_graph or t < rounds[-1])


def _by_autograd(explained: ExplainedBatch, t: int, keep_graph: bool) -> list[Tensor | None]:
    score = sum_of_targets(explained.output.logits, explained.having(t))
    gradients = explained.forward.gradients(score, keep_graph)
    return [None if gradient is None else full(gradient) for gradient in gradients]


def _ways(explained: ExplainedBatch) -> Sequence[_Way]:
    """How each layer leads to the logits; () where one has no closed form, or hooks are seen."""
    if explained.forward.hooked:
        return ()
    logits, layers = explained.output.logits, explained.forward.layers
    ways: list[_Way] = []
    for layer in layers:
        pooling = find_pooling(logits, layer.activations)
        way = pooling or find_read_tokens(logits, layer.activations)
        if way is None:
            return ()
        ways.append(way)
    return ways if _agree(explained, ways) else ()


def _agree(explained: ExplainedBatch, ways: Sequence[_Way]) -> bool:
    """Whether the closed form gives autograd's gradient at each layer; once a model and layer."""
    model, layers = explained.model.module, explained.forward.layers
    verdicts = _AGREE.of(model)
    keys = [layer.ref for layer in layers]
    if all(key in verdicts for key in keys):
        return all(verdicts[key] for key in keys)
    logits = explained.output.logits
    # All labels at once, whatever is explained of this batch.
    generator = torch.Generator().manual_seed(0)
    by_logits = torch.randn(logits.shape, generator=generator).to(logits)
    activations = [layer.activations for layer in layers]
    with differentiating():
        gradients = weighted_gradients(logits, activations, by_logits)
    agree = []
    for key, way, gradient in zip(keys, ways, gradients):
        if gradient is None:  # an operation of the head has no derivative
            return False
        # With another, as several labels are taken back at once.
        closed = next(iter(way.gradients([by_logits, by_logits.roll(1, -1)])))
        agree.append(_close(closed, gradient))
        if bool(gradient.any()):  # a layer that is closed in all images shows nothing
            verdicts[key] = agree[-1]
    return all(agree)


def _close(closed: Tensor, gradient: Tensor) -> bool:
    share = max(TOLERANCE, 4 * torch.finfo(gradient.dtype).eps)
    tolerance = share * float(gradient.abs().nan_to_num().max())
    return torch.allclose(closed, full(gradient), rtol=0, atol=tolerance, equal_nan=True)


def _by_logits(explained: ExplainedBatch, t: int) -> Tensor | None:
    """(B, C): the gradient of a sum of scores by the logits; None where it depends on none."""
    logits, targets = explained.output.logits, explained.having(t)
    if all(isinstance(target, Label) for target in targets.values()):
        labels = cast(Mapping[int, Label], targets)
        rows = torch.zeros(logits.shape, dtype=logits.dtype)  # made on the CPU, and copied once
        for image, label in labels.items():
            rows[image, label.index] = label.sign
        return rows.to(logits.device)
    leaf = logits.detach().requires_grad_()
    score = sum_of_targets(leaf, targets)
    return torch.autograd.grad(score, [leaf])[0] if score.requires_grad else None
