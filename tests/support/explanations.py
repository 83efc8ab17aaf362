"""Explanations written by hand, for figures."""

import numpy as np
import torch

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan


def explanation(
    raw,
    name="gradcam",
    target="lung",
    image="film",
    relu=True,
    unit="logit",
    empty=None,
    synthetic=False,
    size=(40, 60),
):
    """A map of a grey image of 40 × 60 pixels."""
    scan = Scan(
        torch.zeros(1, *size),
        np.full(size, 100, np.uint8),
        Geometry.identity(size),
        image,
        synthetic=synthetic,
    )
    about = {"score_kind": "logit", "method": name.upper(), "unit": unit}
    return Explanation(
        torch.tensor(raw, dtype=torch.float32),
        1.5,
        0.82,
        target,
        name,
        "layer4",
        relu,
        scan,
        empty,
        about,
    )


def figure_text(figure) -> str:
    """Every text of a figure, a line each; also of its legends and its parts."""
    from matplotlib.text import Text

    return "\n".join(item.get_text() for item in figure.findobj(Text))


def pictures(figure) -> list[np.ndarray]:
    """The images of a figure, in order."""
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]
