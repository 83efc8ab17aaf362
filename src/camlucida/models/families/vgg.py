"""VGG (torchvision, timm).

The last ReLU before the last pooling, as in the Grad-CAM paper (conv5_3, a grid twice as fine).
"""

from torch import nn

from camlucida.models.families.base import ModelFamily, class_is


def _last_before_pool(model: nn.Module) -> str:
    children = list(model.get_submodule("features").named_children())
    return "features." + next(
        name for name, child in reversed(children) if not isinstance(child, nn.MaxPool2d)
    )


FAMILY = ModelFamily(
    "VGG",
    matches=lambda m: class_is(m, "torchvision", "VGG") or class_is(m, "timm", "VGG"),
    layer=_last_before_pool,
)
