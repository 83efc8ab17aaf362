"""ResNet, ResNeXt, Wide ResNet, and whatever keeps their layer1 … layer4 (torchvision, timm, TorchXRayVision)."""

from camlucida.models.families.base import FAMILIES, ModelFamily, has

FAMILIES.add(
    "resnet",
    ModelFamily(
        "ResNet",
        matches=lambda m: has(m, "layer1", "layer2", "layer3", "layer4"),
        layer=lambda m: "layer4",
    ),
)
