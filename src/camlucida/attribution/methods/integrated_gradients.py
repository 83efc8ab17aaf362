"""Integrated gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.attribution.paths import check_completeness, path_attributions

NODES = 32
"""Points of the Gauss–Legendre rule between the reference and the image."""


@method(
    "integrated_gradients",
    "Integrated gradients",
    "Sundararajan et al. 2017, ICML, Eq. 1",
    kind="input",
    cost="2 + 32 forwards + 32 backward passes",
    description=(
        "each pixel's value times the gradient of the score by it, averaged on the way from an "
        "image of zeros [@sundararajan2017]"
    ),
    formula="Σ_c x_c ∫ ∂y/∂x_c",
    use="pixels that add up to a difference of scores",
    avoid="images where 0 means something",
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
    reference = torch.zeros_like(probe.inputs)
    probe.steps.expect(NODES + 1)
    maps = path_attributions(probe.inputs, reference, probe.gradients, NODES).sum(1)
    check_completeness(maps, probe.scores - probe.score(reference)[:, 0], probe.cautions)
    return maps
