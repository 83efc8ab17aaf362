"""segmentation-models-pytorch: U-Net, U-Net++ and its other encoder–decoder networks."""

from collections.abc import Mapping

from torch import nn

from camlucida.families.base import FAMILIES, ModelFamily, class_is

# The encoder returns a list of feature maps, strides 1, 2, 4, 8, 16, 32; an index behind its path picks one of them.
ALIASES = {
    "encoder_last": "encoder[-1]",
    "encoder_mid": "encoder[3]",
    "encoder_early": "encoder[2]",
    "decoder_last": "decoder",
    "seg_head": "segmentation_head[0]",
}


def _aliases(model: nn.Module) -> Mapping[str, str]:
    return ALIASES


FAMILIES.add(
    "unet",
    ModelFamily(
        "Encoder–decoder (segmentation-models-pytorch)",
        matches=lambda m: class_is(m, "segmentation_models_pytorch", "SegmentationModel"),
        layer=lambda m: "encoder[-1]",
        aliases=_aliases,
    ),
)
