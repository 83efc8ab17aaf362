"""ResNet, ResNeXt, Wide ResNet, and networks with their layer1 … layer4.

Of torchvision, timm and TorchXRayVision.
"""

from camlucida.models.families.base import ModelFamily, has

FAMILY = ModelFamily(
    "ResNet",
    matches=lambda m: has(m, "layer1", "layer2", "layer3", "layer4"),
    layer=lambda m: "layer4",
)
