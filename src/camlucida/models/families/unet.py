"""segmentation-models-pytorch.

U-Net, U-Net++ and its other encoder–decoder networks, and others built of the same parts.
"""

from collections.abc import Mapping

from torch import nn

from camlucida.models.families.base import ModelFamily, class_is, has

# The encoder returns a list of feature maps, strides 1, 2, 4, 8, 16, 32; an index behind its path
# picks one of them.
ALIASES = {
    "encoder_last": "encoder[-1]",
    "encoder_mid": "encoder[3]",
    "encoder_early": "encoder[2]",
    "decoder_last": "decoder",
    "seg_head": "segmentation_head[0]",
}


def restates(path: str) -> bool:
    """Whether a layer, by its path, lies behind the encoder: its maps restate the segmentation.

    >>> restates("decoder.blocks.4"), restates("encoder.layer4")
    (True, False)
    """
    behind = ("decoder", "segmentation_head", "seg_head")
    return any(part.startswith(behind) for part in path.split("."))


def _matches(model: nn.Module) -> bool:
    """By class, or by its parts.

    An encoder that says how many channels each of its feature maps has, a decoder and a head.
    """
    parts = has(model, "encoder", "decoder", "segmentation_head.0")
    built_alike = parts and isinstance(getattr(model.encoder, "out_channels", None), (list, tuple))
    return built_alike or class_is(model, "segmentation_models_pytorch", "SegmentationModel")


def _aliases(model: nn.Module) -> Mapping[str, str]:
    middle = _middle_of_decoder(model)
    return ALIASES if middle is None else {**ALIASES, "decoder_mid": middle}


def _middle_of_decoder(model: nn.Module) -> str | None:
    """The middle block of the decoder; of U-Net++, of its row with the finest grid.

    None where the decoder has no blocks.
    """
    blocks = getattr(getattr(model, "decoder", None), "blocks", None)
    if not isinstance(blocks, (nn.ModuleList, nn.ModuleDict, nn.Sequential)) or not len(blocks):
        return None
    names = [name for name, _ in blocks.named_children()]
    finest = sorted(name for name in names if name.startswith("x_0_"))
    names = finest or names
    return f"decoder.blocks.{names[len(names) // 2]}"


FAMILY = ModelFamily(
    "Encoder–decoder (segmentation-models-pytorch)",
    matches=_matches,
    layer=lambda m: "encoder[-1]",
    aliases=_aliases,
)
