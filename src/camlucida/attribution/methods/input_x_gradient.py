"""Input × gradient."""

from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method


@method(
    "input_x_gradient",
    "Input × gradient",
    "Shrikumar et al. 2016, arXiv 1605.01713, Section 2",
    kind="input",
    cost="2 forwards + 1 backward pass",
    description=(
        "each pixel's value times the gradient of the score by it, summed over colours "
        "[@shrikumar2016]"
    ),
    formula="Σ_c x_c ∂y/∂x_c",
    use="a quick map of pixels",
    avoid="dark pixels: 0 whatever the gradient",
)
def input_x_gradient(probe: InputProbe) -> Tensor:
    """Pixels of the model's input times the score's gradient by them; a map of the pixels.

    ``L = Σ_c x_c ⊙ ∂y/∂x_c``. A pixel of value 0 on the model's scale counts as 0, whatever the
    gradient: with ``mean`` and ``std`` that is a mid-grey.

    Args:
        probe: one image.

    Returns:
        (T, *spatial), signed, in score units.

    >>> import torch
    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, -5.0]]]])
    >>> (explanation,) = explain(net, image, 0, "input_x_gradient")
    >>> explanation.layer, explanation.raw.tolist()
    ('(input)', [[0.25, 0.5], [0.0, -1.25]])
    """
    gradients = probe.gradients(probe.inputs)[:, 0]
    return (gradients * probe.inputs[0]).sum(1)
