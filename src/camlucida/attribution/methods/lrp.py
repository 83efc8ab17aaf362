"""Layer-wise relevance propagation to a layer."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.graph import Graph
from camlucida.attribution.methods.base import method
from camlucida.attribution.probe import Probe
from camlucida.attribution.relevance import relevances
from camlucida.core.tensors import full


@method(
    "lrp",
    "LRP",
    "Bach et al. 2015, PLOS ONE 10(7):e0130140, Eq. 56–60; z⁺ of Montavon et al. 2017",
    kind="probe",
    extra="lrp",
    cost="2 forwards + 1 backward pass",
    description=(
        "the score, propagated back to the layer by the rules of layer-wise relevance propagation "
        "(z⁺ for convolutions, ε for linear layers) [@bach2015]"
    ),
    formula="Σ_k R_k",
    use="shares of the score at an early layer of a DenseNet, ResNet or VGG",
    avoid="gates, attention, layer normalisation, skip connections round the layer",
)
def lrp(probe: Probe) -> Tensor:
    """Relevance of the layer's cells: the score, handed back layer by layer in shares.

    ``L = Σ_k R_k``. Each output hands its relevance to its inputs in the ratio of what they
    contributed: of a convolution what was positive (z⁺), of a linear layer all of it (ε); biases
    get none. The rules are those of zennit's EpsilonPlus. The cells add up to the score; where more
    than 5 % is lost on the way, the method refuses.

    Args:
        probe: one image.

    Returns:
        (T, *grid), signed, in score units.

    Raises:
        UsageError: zennit is not installed.
        NoEvidenceError: relevance is lost or gained on the way.

    With pooling and a linear layer it is activation times weight, scaled to the score:

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "lrp", layer="0")
    >>> explanation.raw.round(decimals=3)
    tensor([[0.2500, 0.5000],
            [0.0000, 1.2500]])
    """
    return relevances(probe, lambda graph, number: [_score_of(graph, number)]).sum(1)


def _score_of(graph: Graph, number: int) -> Tensor:
    """What each logit contributes to a score: itself times the score's gradient by it."""
    (gradient,) = torch.autograd.grad(graph.scores[number].sum(), graph.logits, retain_graph=True)
    return full(graph.logits.detach() * gradient)
