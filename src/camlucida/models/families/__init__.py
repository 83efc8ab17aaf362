"""Model families: one file each. A new family is a file and a line here; the first match wins."""

from torch import nn

from camlucida.models.families import (
    convnext,
    densenet,
    efficientnet,
    resnet,
    swin,
    torchvision_segmentation,
    unet,
    vgg,
    vit,
)
from camlucida.models.families.base import FAMILIES, Layout, ModelFamily, image_layout
from camlucida.models.remembered import Remembered
from camlucida.models.walk import named_modules

__all__ = ["FAMILIES", "Layout", "ModelFamily", "find_family", "image_layout"]

# Encoder–decoders first, for their encoder is a network of another family.
FAMILIES.add("unet", unet.FAMILY)
FAMILIES.add("torchvision_segmentation", torchvision_segmentation.FAMILY)
FAMILIES.add("vit", vit.FAMILY)
FAMILIES.add("swin", swin.FAMILY)
FAMILIES.add("efficientnet_torchvision", efficientnet.TORCHVISION)
FAMILIES.add("efficientnet_timm", efficientnet.TIMM)
FAMILIES.add("convnext", convnext.FAMILY)
FAMILIES.add("vgg", vgg.FAMILY)
FAMILIES.add("densenet", densenet.FAMILY)
FAMILIES.add("resnet", resnet.FAMILY)


_Match = tuple[str, ModelFamily] | None

_MATCHES: Remembered[tuple[str, ...], _Match] = Remembered()
"""The families that were looked for → what was found in the model."""


def find_family(model: nn.Module) -> _Match:
    """The family of a model. It is looked for again where the model's parts have changed.

    Args:
        model: a network, or a module around one.

    Returns:
        (path of the network's root inside ``model``, family); the root is "" or a user's backbone.
        None if the family is unknown.

    >>> find_family(nn.Sequential(nn.Conv2d(1, 2, 3))) is None
    True
    """
    # Every family is tried on every module of a network that is of none.
    matches, families = _MATCHES.of(model), tuple(FAMILIES)
    if families not in matches:
        matches[families] = _find_family(model)
    return matches[families]


def _find_family(model: nn.Module) -> _Match:
    for path, module in named_modules(model):
        for _, family in FAMILIES.items():
            if family.matches(module):
                return path, family
    return None
