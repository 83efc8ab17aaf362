"""The self-attention of a transformer on one image, layer by layer, and what a score makes of it.

Methods of attention are defined for layers in which every token attends to every token. Others are
refused, each in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from camlucida.attribution.attention import Attentions
from camlucida.attribution.capture import reaches
from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.token_cells import Cells
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import full

OTHERS = "choose a method that works at a layer, as gradcam"


@dataclass(frozen=True)
class TokenAttention:
    """The self-attention of one image.

    Attributes:
        layers: probabilities of each layer as the model made them, parts of the graph.
        scores: (T,) of the graph.
        cells: (T, N) numbers of tokens → (T, *grid).
    """

    layers: Sequence[Tensor]
    scores: Tensor
    cells: Cells

    def probabilities(self) -> list[Tensor]:
        """(heads, N, N) of each layer, a row a query; in at least float32."""
        return [_heads(layer.detach()) for layer in self.layers]

    def gradients(self) -> Iterator[list[Tensor]]:
        """∂score/∂A of each target: (heads, N, N) of each layer, in at least float32."""
        for score in self.scores:
            yield [_heads(gradient) for gradient in gradients_by(score, self.layers)]

    def read_by_score(self) -> Tensor:
        """(T, N) weights, which add up to 1, of the rows that a score reads behind the last layer.

        Of a head on the class token it is that row alone; of a mean over tokens, each in equal
        parts. All are 0 for a score that no row reaches.
        """
        weights = []
        for score in self.scores:
            (gradient,) = gradients_by(score, self.layers[-1:])
            is_read = _heads(gradient).ne(0).any(-1).any(0)
            weights.append(is_read / is_read.sum().clamp(min=1))
        return torch.stack(weights).to(full(self.layers[-1]).dtype)


def gradients_by(score: Tensor, layers: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """∂score/∂layer of each layer; 0 where the score does not depend on one.

    Args:
        score: a scalar of a graph, which is kept.
        layers: parts of that graph.

    Raises:
        ModelError: the graph cannot be differentiated.
    """
    if not score.requires_grad:
        return tuple(map(torch.zeros_like, layers))
    with differentiating():
        return torch.autograd.grad(score, layers, retain_graph=True, materialize_grads=True)


def self_attention(
    probe: InputProbe,
    during: Callable[[Attentions], AbstractContextManager[object]] = nullcontext,
) -> TokenAttention:
    """Run the model on the image and keep its attention.

    Args:
        probe: of the image.
        during: makes what surrounds the forward pass.

    Raises:
        NoEvidenceError: the model runs no self-attention, or one that is not of all tokens; or the
            cells of its tokens cannot be traced.
    """
    attentions = Attentions()
    with attentions, during(attentions):
        graph = probe.graph(probe.inputs)
    scores = graph.scores[:, 0]
    layers = [layer for layer in attentions.probabilities if reaches(scores, layer)]
    _check(layers)
    count = layers[-1].shape[-1]
    cells = probe.token_cells(count)
    if cells is None:
        raise NoEvidenceError(
            f"where the {count} tokens of this model's attention lie in the image cannot be traced",
            "state grid= (and prefix=)",
        )
    return TokenAttention(layers, scores, cells)


def _check(layers: Sequence[Tensor]) -> None:
    """Whether every token attends to every token in each layer, and the layers follow each other.

    Raises:
        NoEvidenceError: it is not so.
    """
    if not layers:
        raise NoEvidenceError(
            "the map is made of a transformer's self-attention, and this model's score depends on "
            "none that can be followed",
            OTHERS,
        )
    for layer in layers:
        queries, keys = layer.shape[-2:]
        if layer.ndim > 4 or (layer.ndim == 4 and len(layer) > 1):
            raise NoEvidenceError(
                f"this model attends within windows of {keys} tokens, and the map is defined for "
                "attention of all tokens to all",
                OTHERS,
            )
        if queries != keys:
            raise NoEvidenceError(
                f"{queries} {'token attends' if queries == 1 else 'tokens attend'} to {keys} in "
                "this model, and the map is defined for attention of all tokens to all",
                OTHERS,
            )
    counts = list(dict.fromkeys(layer.shape[-1] for layer in layers))
    if len(counts) > 1:
        raise NoEvidenceError(
            f"the number of tokens changes within this model ({', '.join(map(str, counts))}), and "
            "the map is defined for layers of the same tokens",
            OTHERS,
        )
    if not all(reaches(later, earlier) for earlier, later in pairwise(layers)):
        raise NoEvidenceError(
            "attentions run side by side in this model, and the map is defined for layers that "
            "follow each other",
            OTHERS,
        )


def _heads(layer: Tensor) -> Tensor:
    """(heads, N, N) of (1, heads, N, N) or (heads, N, N)."""
    return full(layer[0] if layer.ndim == 4 else layer)
