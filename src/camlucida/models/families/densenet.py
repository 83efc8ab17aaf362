"""DenseNet (torchvision, timm, TorchXRayVision, JF Healthcare).

The last normalisation, before the functional ReLU.
"""

from camlucida.models.families.base import ModelFamily, has

FAMILY = ModelFamily(
    "DenseNet",
    matches=lambda m: has(m, "features.denseblock1", "features.norm5"),
    layer=lambda m: "features.norm5",
)
