"""The self-attention of a transformer, layer by layer, and what a score makes of it.

Methods of attention are defined for layers in which every token attends to every token. Others are
refused, each in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.graph_nodes import reaches
from camlucida.attribution.token_cells import Cells
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import full

OTHERS = "choose a method that works at a layer, as gradcam"


class TokenAttention:
    """The self-attention of a batch of images, and one score of each.

    Args:
        layers: probabilities of each layer as the model made them; the last is part of the graph.
        score: the sum of the images' scores, a scalar of the graph.
        cells: (B, N) numbers of tokens → (B, *grid).
        gradients: makes the gradient of the score by each layer.
        own: makes, of each layer, the gradient by its attention of the sum of the scores that the
            model's head gives the tokens behind its block.
    """

    def __init__(
        self,
        layers: Sequence[Tensor],
        score: Tensor,
        cells: Cells,
        gradients: Callable[[], Sequence[Tensor]],
        own: Callable[[], Iterator[Tensor]],
    ) -> None:
        self._layers, self._score = layers, score
        self._gradients, self._own = gradients, own
        self.cells = cells

    @cached_property
    def probabilities(self) -> list[Tensor]:
        """(B, heads, N, N) of each layer, a row a query; in at least float32."""
        return [_heads(layer.detach()) for layer in self._layers]

    @cached_property
    def gradients(self) -> list[Tensor]:
        """∂score/∂A: (B, heads, N, N) of each layer, in at least float32."""
        return [_heads(gradient) for gradient in self._gradients()]

    @cached_property
    def read_by_score(self) -> Tensor:
        """(B, N) weights, which add up to 1, of the rows that a score reads behind the last layer.

        Of a head on the class token it is that row alone; of a mean over tokens, each in equal
        parts. All are 0 for a score that no row reaches.
        """
        if "gradients" in vars(self):
            gradient = self.gradients[-1]
        else:
            gradient = _heads(gradients_by(self._score, self._layers[-1:])[0])
        is_read = gradient.ne(0).any(-1).any(1)
        weights = is_read / is_read.sum(1, keepdim=True).clamp(min=1)
        return weights.to(gradient.dtype)

    def gradients_of_own_scores(self) -> Iterator[Tensor]:
        """(B, heads, N, N) of each layer: the gradient of the score of the tokens behind it.

        One after the other, for together they would take as much memory as all attentions.

        Raises:
            NoEvidenceError: the blocks are not modules that follow each other.
        """
        return map(_heads, self._own())


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


def attention_layers(probabilities: Sequence[Tensor], logits: Tensor) -> list[Tensor]:
    """Those attentions on which logits depend, in order.

    Args:
        probabilities: of each attention.
        logits: (B, C, …) of the same graph.

    Raises:
        NoEvidenceError: there are none, or not every token attends to every token in each; or they
            do not follow each other; or some of them run without a graph.
    """
    layers = [layer for layer in probabilities if reaches(logits, layer)]
    _check(layers, len(logits))
    alike = [layer for layer in probabilities if layer.shape == layers[-1].shape]
    hidden = sum(not layer.requires_grad for layer in alike)
    if hidden:
        raise NoEvidenceError(
            f"{hidden} of {len(alike)} attentions of this model run under torch.no_grad() or "
            "torch.inference_mode(), and the map is made of all",
            f"take it out of forward, or {OTHERS}",
        )
    return layers


def heads_apart(layers: Sequence[Tensor], images: int) -> bool:
    """Whether the heads of one image can be separated from those of another.

    Args:
        layers: probabilities of each layer.
        images: number of images.
    """
    return images == 1 or all(layer.ndim == 4 for layer in layers)


def _check(layers: Sequence[Tensor], images: int) -> None:
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
        if layer.ndim > 4 or (layer.ndim == 4 and len(layer) != images):
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
    """(B, heads, N, N); of one image, the model may have it as (heads, N, N)."""
    return full(layer if layer.ndim == 4 else layer[None])
