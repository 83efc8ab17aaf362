"""Integrated gradients."""

import numpy as np
import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.core.messages import Message, declare

NODES = 32
"""Points of the Gauss–Legendre rule between the reference and the image."""

TOLERATED = 0.05
"""A gap of the sum of a larger share of the difference in score is said."""

declare(
    "caution",
    {
        "completeness": (
            "the cells of the integrated gradients add up to {sum:.3g}, and the score differs from "
            "that of the reference by {difference:.3g}: the integral is not exact here"
        )
    },
)


@method(
    "integrated_gradients",
    "Integrated gradients",
    "Sundararajan et al. 2017, ICML, Eq. 1",
    kind="input",
    cost="2 + 32 forwards",
    description=(
        "each pixel's value times the gradient of the score by it, averaged on the way from an "
        "image of zeros [@sundararajan2017]"
    ),
)
def integrated_gradients(probe: InputProbe) -> Tensor:
    """Gradients by the pixels, integrated on the line from an image of zeros; a map of the pixels.

    ``L = Σ_c x_c ⊙ ∫₀¹ ∂y/∂x_c (αx) dα``, by the Gauss–Legendre rule with 32 points. The reference
    is 0 on the model's scale: with ``mean`` and ``std`` a mid-grey. The cells add up to
    y(x) − y(0); where they do not, to 5 %, the record warns.

    Args:
        probe: one image.

    Returns:
        (T, *spatial), signed, in score units.

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Tanh())
    >>> image = torch.tensor([[[[1.0, 3.0], [0.0, 0.0]]]])
    >>> task = {"task": "regression"}
    >>> (explanation,) = explain(net, image, "output+", "integrated_gradients", **task)
    >>> explanation.raw.round(decimals=4)  # tanh(1) = 0.7616, in the ratio 1 : 3
    tensor([[0.1904, 0.5712],
            [0.0000, 0.0000]])
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    image = probe.inputs[0]
    steps = torch.from_numpy((nodes + 1) / 2).to(image)
    along = steps.reshape(-1, *(1,) * image.ndim) * image
    gradients = probe.gradients(along)
    shares = torch.from_numpy(weights / 2).to(gradients)
    mean = torch.einsum("n,tn...->t...", shares, gradients)
    maps = (mean * image).sum(1)
    _check_completeness(probe, maps)
    return maps


def _check_completeness(probe: InputProbe, maps: Tensor) -> None:
    reference = probe.score(torch.zeros_like(probe.inputs))[:, 0]
    differences = probe.scores - reference
    sums = maps.flatten(1).sum(1)
    scale = torch.maximum(differences.abs(), maps.abs().flatten(1).sum(1) * 1e-2)
    gaps = (sums - differences).abs() > TOLERATED * scale
    if bool(gaps.any()):
        worst = int((sums - differences).abs().argmax())
        values = {"sum": float(sums[worst]), "difference": float(differences[worst])}
        probe.cautions.append(Message("caution.completeness", values))
