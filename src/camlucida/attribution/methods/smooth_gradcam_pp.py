"""Smooth Grad-CAM++."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.probe import Probe
from camlucida.core.noise import noisy
from camlucida.core.tensors import spatial

SAMPLES = 16
"""Noisy copies of the image."""

DEVIATION = 0.15
"""Standard deviation of the noise, as a share of the image's range."""


@method(
    "smooth_gradcam_pp",
    "Smooth Grad-CAM++",
    "Omeiza et al. 2019, arXiv 1908.01224, Eq. 6–8",
    kind="probe",
    relu=True,
    cost="1 + 16 forwards + 16 backward passes",
    description=(
        "Grad-CAM++ with the moments of the gradient over 16 noisy copies of the image, then ReLU "
        "[@omeiza2019]"
    ),
    formula="Grad-CAM++ of 16 noisy copies",
    use="the same where single gradients are noisy",
    avoid="speed; networks that are linear behind the layer: no other map",
)
def smooth_gradcam_pp(probe: Probe) -> Tensor:
    """Grad-CAM++ with the first three moments of the gradient over noisy copies of the image.

    ``α = D₂ / (2 D₂ + ΣA · D₃)``, ``w_k = Σ_ij α ReLU(D₁)``, ``L = ReLU(Σ_k w_k A_k)``; D_n is the
    mean of gⁿ over 16 copies with Gaussian noise of 0.15 of the image's range, from a fixed seed. A
    are the activations of the image itself. As in Grad-CAM++ α lies in [0, ½]: ΣA and D₃ below 0
    count as 0, and 0/0 as 0.

    Args:
        probe: one image.

    Returns:
        (T, *grid), signed, in score units up to a factor.

    A linear model has the same gradient everywhere, here ¼, and Grad-CAM++ of it:

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.Identity(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> methods = ["gradcam_pp", "smooth_gradcam_pp"]
    >>> plain, smooth = explain(net, image, 0, methods, layer="0")
    >>> bool(torch.isclose(plain.raw, smooth.raw).all())
    True
    """
    activations = probe.activations
    images = noisy(probe.inputs[0], SAMPLES, DEVIATION)
    # In float64: the third power of a small gradient underflows in float32.
    moments = activations.new_zeros(3, len(probe.scores), *activations.shape[1:]).double()
    for _, gradients in probe.evidence(images):
        for power in range(3):
            moments[power] += (gradients.double() ** (power + 1)).sum(1)
    first, second, third = moments / SAMPLES
    total = activations.sum(spatial(activations), keepdim=True).relu()
    denominator = 2 * second + total * third.relu()
    used = (second > 0) & (denominator > 0)
    alpha = torch.where(used, second / torch.where(used, denominator, 1), 0)
    weights = (alpha * first.relu()).sum(spatial(first))
    return torch.einsum("tk,k...->t...", weights.to(activations.dtype), activations[0])
