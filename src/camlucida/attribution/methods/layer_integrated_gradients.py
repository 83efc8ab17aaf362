"""Integrated gradients at a layer."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.paths import check_completeness, path_attributions
from camlucida.attribution.probe import Probe

NODES = 32
"""Points of the Gauss–Legendre rule between the two activations."""


@method(
    "layer_integrated_gradients",
    "Layer integrated gradients",
    "Sundararajan et al. 2017, ICML, Eq. 1, with activations in the place of pixels",
    kind="probe",
    cost="2 forwards + 35 replays of the tail + 33 backward passes",
    description=(
        "each activation, less that of an image of zeros, times the gradient of the score by it, "
        "averaged on the way between the two [@sundararajan2017]"
    ),
    formula="Σ_k (A_k − A'_k) ∫ ∂y/∂A_k",
    use="integrated gradients on a layer's grid",
    avoid="speed, where the tail cannot be replayed",
)
def layer_integrated_gradients(probe: Probe) -> Tensor:
    """Integrated gradients of a layer's activations, from those of an image of zeros.

    ``L = Σ_k (A_k − A'_k) ⊙ ∫₀¹ ∂y/∂A_k (A' + α (A − A')) dα`` with A' the activations of an image
    of zeros on the model's scale, by the Gauss–Legendre rule with 32 points. What goes round the
    layer stays as it is for the image. The cells add up to y less the score with A' in the place of
    A; where they do not, to 5 %, the record warns.

    Args:
        probe: one image.

    Returns:
        (T, *grid), signed, in score units.

    >>> from camlucida import explain
    >>> parts = torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Tanh()
    >>> image = torch.tensor([[[[1.0, 3.0], [-2.0, 0.0]]]])
    >>> about = {"layer": "0", "task": "regression"}
    >>> name = "layer_integrated_gradients"
    >>> (explanation,) = explain(torch.nn.Sequential(*parts), image, "output+", name, **about)
    >>> explanation.raw.round(decimals=4)  # tanh(1) = 0.7616, in the ratio 1 : 3
    tensor([[0.1904, 0.5712],
            [0.0000, 0.0000]])
    """
    return layer_attributions(probe, torch.zeros_like(probe.inputs), NODES)


def layer_attributions(probe: Probe, references: Tensor, nodes: int) -> Tensor:
    """Attributions of a layer's activations against those of reference images.

    Args:
        probe: one image; takes the note of an integral that is not exact.
        references: (R, C, *spatial).
        nodes: of the Gauss–Legendre rule on each line.

    Returns:
        (T, *grid).
    """
    begin = torch.cat([activations for activations, _ in probe.evidence(references)])
    begin = begin.to(probe.activations)
    probe.steps.expect(len(begin) * (nodes + 1))
    maps = path_attributions(probe.activations, begin, probe.gradients_tail, nodes).sum(1)
    without = probe.score_tail(begin.clone()).mean(1)
    check_completeness(maps, probe.scores - without, probe.cautions)
    return maps
