"""SS-CAM."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.scorecam import weighted_by_masks
from camlucida.attribution.probe import Probe

SAMPLES = 10
"""Noisy copies of each mask."""

DEVIATION = 2.0
"""Standard deviation of the noise on a mask in [0, 1]."""


@method(
    "sscam",
    "SS-CAM",
    "Wang et al. 2020, arXiv 2006.14255, SS-CAM (2)",
    unit="activation",
    kind="probe",
    relu=True,
    slow=True,
    cost="1 + 10 K forwards",
    description=(
        "activations weighted by the mean score of the image masked with ten noisy copies of them, "
        "then ReLU [@wang2020ss]"
    ),
    formula="Score-CAM of noisy masks",
    use="Score-CAM where masks are ragged",
    avoid="speed",
)
def sscam(probe: Probe) -> Tensor:
    """Score-CAM with the score of each mask averaged over noisy copies of it.

    ``S_k = mean over i of f(X ∘ (s(Up(A_k)) + ε_i))``, ``w = softmax_k(S)``, ``L = ReLU(Σ_k w_k
    A_k)``; ε_i are ten fields of Gaussian noise of deviation 2, a number a pixel, from fixed seeds:
    the same for every channel, so that channels are compared under the same noise. Masks are
    neither scaled nor cut after that, as in the paper: they take pixels beyond their range and turn
    their sign.

    Args:
        probe: one image; scores altered inputs.

    Returns:
        (T, *grid), ≥ 0 where activations are, in activation units.

    The weight of the only channel below is 1, whatever its score:

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "sscam", layer="0")
    >>> explanation.raw
    tensor([[1., 2.],
            [0., 5.]])
    """
    return weighted_by_masks(probe, _noisy, SAMPLES)


def _noisy(masks: Tensor) -> Iterator[Tensor]:
    for seed in range(SAMPLES):
        generator = torch.Generator().manual_seed(seed)
        # Drawn on the CPU and in one type, so that every device and precision sees the same noise.
        noise = torch.randn(masks.shape[1:], generator=generator)
        yield masks + DEVIATION * noise.to(masks)
