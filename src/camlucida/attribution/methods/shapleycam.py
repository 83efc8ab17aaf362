"""ShapleyCAM."""

from __future__ import annotations

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.gradcam import gradcam


@method(
    "shapleycam",
    "ShapleyCAM",
    "Cai 2025, arXiv 2501.06261, Eq. 12–14",
    relu=True,
    cost="1 forward + 2 backward passes",
    description=(
        "activations weighted by the mean gradient less half the Hessian times the activations, "
        "then ReLU [@cai2025]"
    ),
    formula="Σ_k mean(g − ½ H A)_k A_k",
    use="networks that bend: GELU, SiLU, attention",
    avoid="ReLU networks: it is Grad-CAM there",
    second_order=True,
)
def shapleycam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted by the gradient with a second-order term, a Shapley value's expansion.

    ``w_k = mean_ij (g − ½ H A)_k`` with H the Hessian of the score by the activations, ``L =
    ReLU(Σ_k w_k A_k)``. Behind a piecewise linear network H = 0, and this is Grad-CAM.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid), g − ½ H A.

    Returns:
        (B, *grid), signed, in score units.

    The cells add up to a score that is a square, 4 below; those of Grad-CAM give twice as much:

    >>> import torch
    >>> from camlucida import explain
    >>> class Square(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.mean((2, 3)) ** 2
    >>> net = torch.nn.Sequential(torch.nn.Identity(), Square())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, "output+", "gradcam", layer="0", task="regression")
    >>> explanation.raw.tolist()
    [[1.0, 2.0], [0.0, 5.0]]
    >>> (explanation,) = explain(net, image, "output+", "shapleycam", layer="0", task="regression")
    >>> explanation.raw.tolist()
    [[0.5, 1.0], [0.0, 2.5]]
    """
    return gradcam(activations, gradients)
