"""The image's own brightness, a baseline."""

import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method


@method(
    "intensity",
    "Intensity",
    "baseline: no model",
    kind="input",
    class_specific=False,
    unit="none",
    cost="1 forward",
    description="the image's own brightness, a baseline that does not depend on the model",
    formula="x − min x",
    use="a baseline of every score",
    avoid="anything else",
)
def intensity(probe: InputProbe) -> Tensor:
    """Brightness of the image itself, above its darkest pixel. A baseline, no explanation.

    Args:
        probe: one image; the mean of its channels is used.

    Returns:
        (T, *spatial), ≥ 0, on the scale of the model's input.

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> (explanation,) = explain(net, torch.tensor([[[[-1.0, 1.0], [0.0, 3.0]]]]), 0, "intensity")
    >>> explanation.raw
    tensor([[0., 2.],
            [1., 4.]])
    """
    brightness = grey(probe.inputs)
    above = brightness - brightness.min()
    return above.expand(len(probe.targets), *above.shape).clone()


def grey(images: Tensor) -> Tensor:
    """The mean of the channels of one image.

    Args:
        images: (1, C, *spatial).

    Returns:
        (*spatial), in at least float32.

    >>> grey(torch.tensor([[[1.0], [3.0]]]))
    tensor([2.])
    """
    return images[0].double().mean(0).to(torch.promote_types(images.dtype, torch.float32))
