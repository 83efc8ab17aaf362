"""Gradients with a second-order term: those of the score, less half its Hessian times activations.

They are made of the batch's own forward pass, if everything behind the layers has a second
derivative. Fused attention has none: the pass has to run without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.explained_batch import ExplainedBatch, sum_of_targets
from camlucida.attribution.explained_model import ModelRuns
from camlucida.attribution.graph_nodes import operation, users_of
from camlucida.core.tensors import full


def without_fused_attention() -> AbstractContextManager[None]:
    """Inside, attention runs step by step, so that it has a second derivative."""
    manager: AbstractContextManager[None] = sdpa_kernel(SDPBackend.MATH)
    return manager


def second_order_gradients(
    explained: ExplainedBatch, run: ModelRuns
) -> Iterator[list[Tensor | None]]:
    """g − ½ H A of each layer: for the first target of every image, for the second, ….

    g is the gradient of the score by the activations A, H its Hessian. The images of a batch are
    independent, so that one product with the Hessian of a sum over them holds each one's.

    Args:
        explained: the batch after its forward pass, frozen.
        run: the model, which runs once more where that pass has fused attention.

    Yields:
        (B, K, *grid) each, in at least float32; None where a score does not depend on the layer.

    Raises:
        ModelError: a part of the model has no second derivative.
    """
    logits = explained.output.logits
    activations = [layer.activations for layer in explained.forward.layers]
    if _has_fused_attention(logits):
        names = [layer.name for layer in explained.forward.layers]
        with without_fused_attention(), torch.enable_grad():
            layers, logits = run.captured_layers(names, *explained.batch.tensors)
        activations = [layer.activations for layer in layers]
    for t in range(explained.rounds):
        yield _of_score(sum_of_targets(logits, explained.having(t)), activations)


def _has_fused_attention(logits: Tensor) -> bool:
    if logits.grad_fn is None:
        return False
    return any(operation(node).startswith("ScaledDotProduct") for node, _ in users_of(logits))


def _of_score(score: Tensor, activations: Sequence[Tensor]) -> list[Tensor | None]:
    if not score.requires_grad:
        return [None] * len(activations)
    with differentiating():
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            score, activations, create_graph=True, allow_unused=True
        )
        return [_curved(*pair) for pair in zip(gradients, activations)]


def _curved(gradient: Tensor | None, activations: Tensor) -> Tensor | None:
    if gradient is None:
        return None
    product: Tensor | None = None
    if gradient.requires_grad:
        # The Hessian is symmetric: H A is the gradient of g · A.
        (product,) = torch.autograd.grad(
            gradient, [activations], activations.detach(), retain_graph=True, allow_unused=True
        )
    values = full(gradient.detach())
    return values if product is None else values - full(product) / 2
