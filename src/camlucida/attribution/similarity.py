"""The similarity of an image's embedding with a vector: what a text and an image share in CLIP."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from camlucida.core.errors import TargetError


@dataclass(frozen=True)
class Similarity:
    """The cosine of the angle between the model's output, an embedding, and a vector.

    For the image tower of CLIP and its like, whose output is no label: Radford et al. 2021, ICML,
    §2.3. Give ``explain`` the tower, ``task="regression"``, and beside the text that is meant a
    nonsense text: what both maps share is not evidence for the text.

    Attributes:
        name: what people read, such as the text.
        vector: (D,) the embedding of the text.
        probability: None: a similarity has none.

    >>> east = Similarity("east", torch.tensor([2.0, 0.0]))
    >>> east(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([1., 0.])
    """

    name: str
    vector: Tensor = field(repr=False, compare=False)
    probability: float | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, D) embeddings → (B,) in [−1, 1].

        Raises:
            TargetError: the embeddings have another length.
        """
        if logits.ndim != 2 or self.vector.shape != logits.shape[1:]:
            raise TargetError(
                f"target {self.name!r} is a vector of shape {tuple(self.vector.shape)}, and the "
                f"model's output has shape {tuple(logits.shape)}",
                "explain the tower whose output is the embedding, and give one vector (D,)",
            )
        return torch.cosine_similarity(logits, self.vector.to(logits)[None])
