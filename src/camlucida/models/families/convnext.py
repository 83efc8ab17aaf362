"""ConvNeXt (torchvision, timm): the output of the last stage.

Torchvision's normalisation after pooling has no grid.
"""

from camlucida.models.families.base import ModelFamily, class_is

FAMILY = ModelFamily(
    "ConvNeXt",
    matches=lambda m: class_is(m, "torchvision", "ConvNeXt") or class_is(m, "timm", "ConvNeXt"),
    layer=lambda m: "features[-1]" if class_is(m, "torchvision", "ConvNeXt") else "stages[-1]",
)
