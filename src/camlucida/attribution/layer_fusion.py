"""One map of several layers' maps of the same image, target and method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import NoEvidenceError, UsageError, did_you_mean
from camlucida.core.messages import Message
from camlucida.core.tensors import resize

GAMMA = 2
"""Of LayerCAM's scaling (Jiang et al. 2021, IEEE TIP, Eq. 9)."""


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(0)


def _largest(maps: Tensor) -> Tensor:
    """The value of the largest magnitude, with its sign."""
    which = maps.abs().argmax(0, keepdim=True)
    return maps.gather(0, which)[0]


def _product(maps: Tensor) -> Tensor:
    if bool((maps < 0).any()):
        raise NoEvidenceError(
            "a product of maps with both signs says nothing: two negative values make a positive",
            "fuse by mean or max, or choose a method without negative values, as gradcam",
        )
    return maps.prod(0)


def _layercam(maps: Tensor) -> Tensor:
    return _largest(torch.tanh(GAMMA * maps))


FUSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": _mean,
    "max": _largest,
    "product": _product,
    "layercam": _layercam,
}
"""Name → what makes (*grid) of (layers, *grid), each layer's map in [−1, 1]."""


def fused(explanations: Sequence[Explanation], how: str) -> Explanation:
    """The maps of several layers as one, on the finest of their grids.

    Each map is taken after its method's ReLU and divided by its largest magnitude, so that layers
    count alike whatever their units; a map without evidence counts as 0. Coarser maps are enlarged
    linearly.

    Args:
        explanations: of one image, target and method, at two or more layers.
        how: ``"mean"``; ``"max"``, the value of the largest magnitude; ``"product"``, of maps
            ≥ 0; ``"layercam"``, the max of tanh(2 M) (Jiang et al. 2021, IEEE TIP, Eq. 9–10; the
            paper scales the shallow layers alone so).

    Returns:
        An explanation without a unit, whose ``provenance["fused"]`` has ``how`` and ``layers``.

    Raises:
        UsageError: no such fusion, one layer, or maps of different images, targets or methods.
        LayerError: a map lies over no image.
        NoEvidenceError: the product of maps with negative values.

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> (of_pixels,) = explain(net, image, 0, "hirescam", layer="0")
    >>> both = fused([of_pixels, of_pixels], "product")
    >>> both.layer, both.raw.tolist()
    ('product(0, 0)', [[0.0625, 0.25], [0.0, 1.0]])
    """
    if how not in FUSIONS:
        raise UsageError(f"unknown fusion {how!r}", did_you_mean(how, FUSIONS))
    if len(explanations) < 2:
        raise UsageError("maps of one layer cannot be fused", "name two or more layers")
    if len(set(map(_subject, explanations))) > 1:
        raise UsageError("the maps to fuse are of different images, targets or methods")
    first = explanations[0]
    for explanation in explanations:
        explanation.geometry()  # refuses a map that lies over no image
    grid = max((explanation.grid for explanation in explanations), key=math.prod)
    scaled = [resize(e.scaled(e.grid)[None], grid)[0] for e in explanations]
    raw = FUSIONS[how](torch.stack(scaled))
    layers = [explanation.layer for explanation in explanations]
    of_layer = ("activation", "activation_note", "replay", "precision")
    about = {key: value for key, value in first.provenance.items() if key not in of_layer}
    return replace(
        first,
        raw=raw,
        layer=f"{how}({', '.join(layers)})",
        relu=False,
        empty_reason=None if bool(raw.any()) else Message("empty.zero"),
        provenance={**about, "unit": "none", "fused": {"how": how, "layers": layers}},
    )


def _subject(explanation: Explanation) -> tuple[str, str, str]:
    return explanation.scan.id, explanation.target, explanation.method
