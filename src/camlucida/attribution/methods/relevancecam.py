"""Relevance-CAM."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.graph import Graph
from camlucida.attribution.methods.base import method
from camlucida.attribution.probe import Probe
from camlucida.attribution.relevance import relevances
from camlucida.attribution.targets import Label
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import full, spatial


@method(
    "relevancecam",
    "Relevance-CAM",
    "Lee et al. 2021, CVPR, Eq. 5–8",
    kind="probe",
    extra="lrp",
    relu=True,
    cost="2 forwards + 2 backward passes",
    description=(
        "activations weighted by the sum of each channel's relevance for the label less that for "
        "the others, then ReLU [@lee2021]"
    ),
    formula="Σ_k (Σ R_k) A_k",
    use="what sets a label apart, at an early layer",
    avoid="independent findings, and what lrp refuses",
)
def relevancecam(probe: Probe) -> Tensor:
    """Activations weighted by each channel's relevance, for the label against the others.

    ``L = ReLU(Σ_k (Σ_ij R_k) A_k)``. R is the relevance of the layer's activations where it begins
    with the label's logit y_c at its output and with −y_c / (N − 1) at each of the N − 1 others:
    what all labels share cancels. The rules are those of ``lrp``.

    Args:
        probe: one image; the targets are labels.

    Returns:
        (T, *grid), signed, in score times activation units.

    Raises:
        UsageError: zennit is not installed.
        NoEvidenceError: a target is no label, the model has one label alone, or relevance is lost
            or gained on the way.

    The first label sees the first channel alone, the second the second:

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[4.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 4.0]]]])
    >>> (explanation,) = explain(net, image, 0, "relevancecam", layer="0")
    >>> explanation.raw.round(decimals=3)
    tensor([[ 4.,  0.],
            [ 0., -4.]])
    """

    def contrast(graph: Graph, number: int) -> list[Tensor]:
        return _contrast(probe.targets[number], full(graph.logits.detach()))

    relevance = relevances(probe, contrast)
    weights = relevance.sum(spatial(relevance))
    return torch.einsum("tk,k...->t...", weights, probe.activations[0].to(weights.dtype))


def _contrast(target: object, logits: Tensor) -> list[Tensor]:
    """(1, C) relevance of the logits twice: a label's own, and as much against all others."""
    if not isinstance(target, Label) or logits.ndim != 2 or logits.shape[1] < 2:
        raise NoEvidenceError(
            "relevancecam sets a label against the others, and there are none for this target",
            "choose a label of a classifier of two labels or more, or lrp",
        )
    score = target.sign * logits[0, target.index]
    own = torch.zeros_like(logits)
    own[0, target.index] = score
    others = torch.full_like(logits, -float(score) / (logits.shape[1] - 1))
    others[0, target.index] = 0
    return [own, others]
