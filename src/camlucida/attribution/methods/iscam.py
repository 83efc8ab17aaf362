"""IS-CAM."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.scorecam import weighted_by_masks
from camlucida.attribution.probe import Probe

STEPS = 10
"""Strengths of each mask, evenly from a tenth to 1."""


@method(
    "iscam",
    "IS-CAM",
    "Naidu et al. 2020, arXiv 2010.03023",
    unit="activation",
    kind="probe",
    relu=True,
    slow=True,
    cost="1 + 10 K forwards",
    description=(
        "activations weighted by the mean score of the image masked with ten strengths of them, "
        "then ReLU [@naidu2020]"
    ),
    formula="Score-CAM of masks from faint to whole",
    use="Score-CAM where scores saturate",
    avoid="speed",
)
def iscam(probe: Probe) -> Tensor:
    """Score-CAM with the score of each mask integrated from nothing to the whole mask.

    ``S_k = (1/n) Σ_i f(i/n · X ∘ s(Up(A_k)))``, i = 1 … n = 10; ``w = softmax_k(S)``; ``L =
    ReLU(Σ_k w_k A_k)``. An image under a mask of the strength i/n is fainter on the model's scale.

    Args:
        probe: one image; scores altered inputs.

    Returns:
        (T, *grid), ≥ 0 where activations are, in activation units.

    The weight of the only channel below is 1, whatever its score:

    >>> import torch
    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "iscam", layer="0")
    >>> explanation.raw
    tensor([[1., 2.],
            [0., 5.]])
    """
    return weighted_by_masks(probe, _fainter, STEPS)


def _fainter(masks: Tensor) -> Iterator[Tensor]:
    for step in range(1, STEPS + 1):
        yield masks * (step / STEPS)
