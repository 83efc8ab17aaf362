"""Finer-CAM."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.graph import Graph
from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.gradcam import gradcam
from camlucida.attribution.probe import Probe
from camlucida.attribution.targets import Label
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import full

SIMILAR = 3
"""Labels of the nearest logits that the label is compared with."""

SHARE = 0.6
"""α: the share of their mean that is subtracted."""


@method(
    "finercam",
    "Finer-CAM",
    "Zhang et al. 2025, CVPR, Eq. 4–6",
    kind="probe",
    relu=True,
    cost="2 forwards",
    description=(
        "Grad-CAM of the label's logit less 0.6 times the mean logit of the three labels with the "
        "nearest logits, then ReLU [@zhang2025]"
    ),
    formula="Grad-CAM of y − 0.6 ȳ",
    use="what tells a label from similar ones",
    avoid="independent findings of a multi-label model",
)
def finercam(probe: Probe) -> Tensor:
    """Grad-CAM of what sets a label apart from the labels with the nearest logits.

    ``L = ReLU(Σ_k mean(∂(y_c − α ȳ_D)/∂A_k) A_k)`` with ȳ_D the mean logit of the three labels
    whose logits are nearest to y_c, fewer where the model has fewer, and α = 0.6.

    Args:
        probe: one image; the targets are labels.

    Returns:
        (T, *grid), signed, in score units.

    Raises:
        NoEvidenceError: a target is no label, or the model has one label alone.

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
    graph = probe.graph(probe.inputs)
    return torch.stack([_map(graph, target) for target in probe.targets])


def _map(graph: Graph, target: object) -> Tensor:
    """(*grid) of one label."""
    logits = graph.logits
    if not isinstance(target, Label) or logits.ndim != 2 or logits.shape[1] < 2:
        raise NoEvidenceError(
            "finercam compares a label with the labels of the nearest logits, and there is none "
            "for this target",
            "choose a label of a classifier of two labels or more, or gradcam",
        )
    index = target.index
    distances = (logits[0] - logits[0, index]).detach().abs()
    distances[index] = torch.inf
    similar = distances.argsort(stable=True)[: min(SIMILAR, len(distances) - 1)]

    def difference(logits: Tensor) -> Tensor:
        other = logits[0, similar].mean()
        return target.sign * (logits[0, index] - SHARE * other)

    return gradcam(full(graph.leaf.detach()), graph.gradient(difference))[0]
