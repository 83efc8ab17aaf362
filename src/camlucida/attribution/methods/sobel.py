"""Edges of the image, a baseline."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.intensity import grey


@method(
    "sobel",
    "Sobel edges",
    "baseline: no model",
    kind="input",
    class_specific=False,
    unit="none",
    cost="1 forward",
    description="the strength of the image's edges, a baseline that does not depend on the model",
    formula="|∇x|",
    use="a baseline of every score",
    avoid="anything else",
)
def sobel(probe: InputProbe) -> Tensor:
    """Length of the image's Sobel gradient. A baseline, no explanation.

    A map of the pixels that does not beat it has shown the image's edges (Adebayo et al. 2018).

    Args:
        probe: one image; the mean of its channels is used.

    Returns:
        (T, *spatial), ≥ 0, in grey levels.

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d((3, 4)), torch.nn.Flatten())
    >>> (explanation,) = explain(net, torch.arange(4.0).expand(1, 1, 3, 4), 0, "sobel")
    >>> explanation.raw[1]
    tensor([4., 8., 8., 4.])
    """
    image = grey(probe.inputs).double().cpu().numpy()
    lengths = torch.from_numpy(edges(image)).to(probe.inputs)
    return lengths.expand(len(probe.targets), *lengths.shape).clone()


def edges(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of the Sobel gradient of a grey image.

    Args:
        image: (*spatial), two axes or more.

    Returns:
        (*spatial), ≥ 0, in grey levels (8 times the slope a pixel, whatever the number of axes).

    >>> edges(np.tile(np.arange(4.0), (3, 1)))[1].tolist()
    [4.0, 8.0, 8.0, 4.0]
    """
    from scipy import ndimage

    squares = [ndimage.sobel(image, axis) ** 2 for axis in range(image.ndim)]
    # Each axis beyond two is smoothed with weights whose sum is 4.
    return np.asarray(np.sqrt(sum(squares)) / 4.0 ** (image.ndim - 2))
