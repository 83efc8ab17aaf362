"""A forward pass that can be differentiated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from camlucida.attribution.capture_errors import differentiating
from camlucida.core.tensors import full

Score = Callable[[Tensor], Tensor]
"""logits (N, C, …) → (N,)"""


@dataclass(frozen=True)
class Graph:
    """A forward pass that can be differentiated.

    Attributes:
        leaf: what the scores are differentiated by: activations (N, K, *grid), or the images.
        logits: (N, C, …) of the graph.
        scores: (T, N) of the graph.
    """

    leaf: Tensor
    logits: Tensor
    scores: Tensor

    def gradients(self) -> Tensor:
        """The gradient of each target's score.

        Returns:
            (T, N, K, *grid), in at least float32; 0 where a score does not depend on the leaf.

        Raises:
            ModelError: the graph cannot be differentiated.
        """
        return torch.stack([self._gradient(score.sum()) for score in self.scores])

    def gradient(self, score: Callable[[Tensor], Tensor]) -> Tensor:
        """The gradient of another score.

        Args:
            score: logits (N, C, …) → a scalar.

        Returns:
            (N, K, *grid), in at least float32; 0 where the score does not depend on the leaf.

        Raises:
            ModelError: the graph cannot be differentiated.
        """
        return self._gradient(score(full(self.logits)))

    def _gradient(self, score: Tensor) -> Tensor:
        if not score.requires_grad:
            return torch.zeros_like(full(self.leaf))
        with differentiating():
            (gradient,) = torch.autograd.grad(
                score, [self.leaf], retain_graph=True, allow_unused=True
            )
        return torch.zeros_like(full(self.leaf)) if gradient is None else full(gradient)
