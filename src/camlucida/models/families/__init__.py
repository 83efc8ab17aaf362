"""Model families: one file each. A new family is a file and a line here; the first match wins."""

from camlucida.models.families import unet, vit, swin, efficientnet, convnext, vgg, densenet, resnet  # noqa: F401, I001
from camlucida.models.families.base import FAMILIES, Layout, ModelFamily, image_layout

__all__ = ["FAMILIES", "Layout", "ModelFamily", "find_family", "image_layout"]

from torch import nn


def find_family(model: nn.Module) -> tuple[str, ModelFamily] | None:
    """(path of the network's root inside ``model``, family); the root is "" or a user's backbone.

    None if unknown.
    """
    for path, module in model.named_modules():
        for _, family in FAMILIES.items():
            if family.matches(module):
                return path, family
    return None
