"""SmoothGrad."""

from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.core.noise import noisy

SAMPLES = 25
"""Noisy copies of the image."""

DEVIATION = 0.15
"""Standard deviation of the noise, as a share of the image's range: the paper's 10–20 %."""


@method(
    "smoothgrad",
    "SmoothGrad",
    "Smilkov et al. 2017, arXiv 1706.03825, Section 3",
    kind="input",
    unit="none",
    cost="1 + 25 forwards + 25 backward passes",
    description=(
        "the mean gradient of the score by each pixel over 25 noisy copies of the image "
        "[@smilkov2017]"
    ),
    formula="mean of Σ_c ∂y/∂x_c",
    use="where the score is sensitive",
    avoid="a share of the score: it has no unit",
)
def smoothgrad(probe: InputProbe) -> Tensor:
    """Mean gradient by the pixels over noisy copies of the image; a map of the pixels.

    ``L = (1/n) Σ_i Σ_c ∂y/∂x_c (x + ε_i)`` of n = 25 copies with Gaussian noise of 0.15 of the
    image's range, from a fixed seed. Signed: a bright pixel can be for a label or against it. The
    paper shows magnitudes.

    Args:
        probe: one image.

    Returns:
        (T, *spatial), signed, in score units for a unit of the model's input.

    >>> import torch
    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, -5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "smoothgrad")
    >>> explanation.raw.tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    """
    images = noisy(probe.inputs[0], SAMPLES, DEVIATION)
    return probe.gradients(images).mean(1).sum(1)
