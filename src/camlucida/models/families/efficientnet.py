"""EfficientNet and MobileNet (torchvision, timm)."""

from torch import nn

from camlucida.models.families.base import ModelFamily, class_is, has


def _timm_layer(model: nn.Module) -> str:
    # MobileNetV3 of timm pools before its head convolution, so the last grid is that of the last
    # block.
    return "blocks" if class_is(model, "timm", "MobileNetV3") else "bn2"


TORCHVISION = ModelFamily(
    "EfficientNet / MobileNet (torchvision)",
    matches=lambda m: class_is(m, "torchvision", "EfficientNet", "MobileNetV2", "MobileNetV3"),
    layer=lambda m: "features[-1]",
)
TIMM = ModelFamily(
    "EfficientNet / MobileNet (timm)",
    matches=lambda m: (
        class_is(m, "timm", "EfficientNet", "MobileNetV3") and has(m, "conv_stem", "blocks")
    ),
    layer=_timm_layer,
)
