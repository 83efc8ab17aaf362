"""Layers of which a network uses the positive part alone, by whatever operation.

:mod:`camlucida.attribution.rectified` sees a ReLU that follows a layer. A maximum with 0, a product
with a mask, or a pooling or permutation before the ReLU come to the same: no score follows what is
negative. It is seen by the gradient, which is 0 wherever the layer's output is not positive, and
then by two forward passes with other outputs in its position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.attribution.capture_breaks import altered, output_with
from camlucida.attribution.watch import Captured
from camlucida.core.errors import CamlucidaError
from camlucida.core.tensors import weighted_gradients
from camlucida.models.layers import LayerRef
from camlucida.models.remembered import Remembered

_VERDICTS: Remembered[LayerRef, bool] = Remembered()
"""Layer → whether the model uses its positive part alone."""

Explained = Callable[[Any, Tensor], Tensor]


def known_positive(model: nn.Module) -> set[LayerRef]:
    """The layers of which a model is known to use the positive part alone.

    Args:
        model: a plain module.

    >>> known_positive(nn.ReLU())
    set()
    """
    return {ref for ref, verdict in _VERDICTS.of(model).items() if verdict}


def find_positive(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    layers: Iterable[tuple[LayerRef, Captured]],
    logits: Tensor,
    explained: Explained,
) -> bool:
    """Look for layers of which the model uses the positive part alone, once a model and layer.

    Args:
        model: a plain module, frozen.
        inputs: what it was called with.
        layers: each as it was requested, and as it was captured.
        logits: of the same forward pass, with its graph.
        explained: of what the model returns for images, the tensor that is explained.

    Returns:
        Whether one was found now: :func:`known_positive` then has it.
    """
    verdicts, is_new = _VERDICTS.of(model), False
    for ref, layer in layers:
        if ref in verdicts or not logits.requires_grad or not _is_signed(layer):
            continue
        dead = _gradient_is_dead(layer, logits)
        verdict = dead and _tail_is_the_same(model, inputs, layer, explained)
        verdicts[ref] = verdict
        is_new |= verdict
    return is_new


def _is_signed(layer: Captured) -> bool:
    """Whether a layer is explained by a signed output that the user did not ask for as it is."""
    settled = layer.pre or bool(layer.activation)
    return not settled and bool((layer.activations.detach() < 0).any())


def _gradient_is_dead(layer: Captured, logits: Tensor) -> bool:
    """Whether the gradient is 0 wherever the output is not positive, and not everywhere."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(logits.shape, generator=generator).to(logits)
    try:
        (gradient,) = weighted_gradients(logits, [layer.activations], weights)
    except Exception:  # noqa: BLE001, said where the gradient of the score is taken
        return False
    if gradient is None or not bool(gradient.any()):
        return False
    return not bool(gradient[layer.activations.detach() <= 0].any())


@torch.no_grad()
def _tail_is_the_same(
    model: nn.Module, inputs: tuple[Tensor, ...], layer: Captured, explained: Explained
) -> bool:
    """Whether other values of both signs and their positive part lead to the same output.

    Every second channel is negative throughout: the maximum over a channel then differs.
    """

    def both_signs(grid: Tensor) -> Tensor:
        values = altered(grid)
        values[:, 1::2] = -values[:, 1::2].abs()
        return values

    outputs = []
    for make in (both_signs, lambda grid: both_signs(grid).relu()):
        try:
            returned = output_with(model, inputs, layer, make)
            outputs.append(explained(returned, inputs[0]))
        except CamlucidaError:
            return False
    return torch.equal(*outputs)
