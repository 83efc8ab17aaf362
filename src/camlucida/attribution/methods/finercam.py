"""Finer-CAM."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.gradcam import gradcam
from camlucida.attribution.targets import Label, Target
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import full

SIMILAR = 3
"""Labels of the nearest logits that the label is compared with."""

SHARE = 0.6
"""α: the share of their mean that is subtracted."""


@dataclass(frozen=True)
class LessSimilar:
    """The logit of a label less a share of the mean logit of others.

    Attributes:
        label: that is explained.
        similar: indices of the others.

    >>> LessSimilar(Label(0, "a"), (1, 2))(torch.tensor([[3.0, 1.0, 2.0]]))
    tensor([2.1000])
    """

    label: Label
    similar: tuple[int, ...]

    @property
    def name(self) -> str:
        """What people read."""
        return self.label.name

    @property
    def probability(self) -> float | None:
        """Of the label."""
        return self.label.probability

    def __call__(self, logits: Tensor) -> Tensor:
        others = logits[:, self.similar].mean(1)
        return self.label.sign * (logits[:, self.label.index] - SHARE * others)


def contrast(target: Target, logits: Tensor) -> LessSimilar:
    """What sets a label apart from those of the nearest logits.

    Args:
        target: a label.
        logits: (C,) of the image.

    Raises:
        NoEvidenceError: the target is no label, or the model has one label alone.

    >>> contrast(Label(0, "a"), torch.tensor([0.0, 5.0, 1.0, -2.0, 9.0])).similar
    (2, 3, 1)
    """
    if not isinstance(target, Label) or logits.ndim != 1 or len(logits) < 2:
        raise NoEvidenceError(
            "finercam compares a label with the labels of the nearest logits, and there is none "
            "for this target",
            "choose a label of a classifier of two labels or more, or gradcam",
        )
    distances = (full(logits) - full(logits)[target.index]).abs()
    distances[target.index] = torch.inf
    similar = distances.argsort(stable=True)[: min(SIMILAR, len(distances) - 1)]
    return LessSimilar(target, tuple(similar.tolist()))


@method(
    "finercam",
    "Finer-CAM",
    "Zhang et al. 2025, CVPR, Eq. 4–6",
    relu=True,
    description=(
        "Grad-CAM of the label's logit less 0.6 times the mean logit of the three labels with the "
        "nearest logits, then ReLU [@zhang2025]"
    ),
    formula="Grad-CAM of y − 0.6 ȳ",
    use="what tells a label from similar ones",
    avoid="independent findings of a multi-label model",
    contrast=contrast,
)
def finercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM of what sets a label apart from the labels with the nearest logits.

    ``L = ReLU(Σ_k mean(∂(y_c − α ȳ_D)/∂A_k) A_k)`` with ȳ_D the mean logit of the three labels
    whose logits are nearest to y_c, fewer where the model has fewer, and α = 0.6.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid) of the score of :func:`contrast`.

    Returns:
        (B, *grid), signed, in score units.

    The second label takes 0.6 of its logit from the first:

    >>> from camlucida import explain
    >>> conv = torch.nn.Conv2d(1, 2, 1, bias=False)
    >>> conv.weight.data = torch.tensor([1.0, 0.5]).reshape(2, 1, 1, 1)
    >>> net = torch.nn.Sequential(conv, torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "finercam", layer="0")
    >>> explanation.raw
    tensor([[0.1750, 0.3500],
            [0.0000, 0.8750]])
    """
    return gradcam(activations, gradients)
