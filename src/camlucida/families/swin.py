"""Swin transformers (torchvision, timm): channels-last feature maps."""

from torch import Tensor, nn

from camlucida.families.base import CHANNELS_FIRST, CHANNELS_LAST, FAMILIES, Layout, ModelFamily, class_is


def _layout(model: nn.Module, output: Tensor, input_size: tuple[int, ...]) -> Layout | None:
    if output.ndim != 4:
        return None
    # A grid shrinks with depth while channels grow: the channel axis is the one that is no even division of the input.
    first_is_channel = output.shape[2] <= input_size[0] // 2 and input_size[0] * output.shape[3] == input_size[1] * output.shape[2]
    last_is_channel = output.shape[1] <= input_size[0] // 2 and input_size[0] * output.shape[2] == input_size[1] * output.shape[1]
    if last_is_channel:
        return CHANNELS_LAST
    return CHANNELS_FIRST if first_is_channel else None


FAMILIES.add(
    "swin",
    ModelFamily(
        "Swin transformer",
        matches=lambda m: class_is(m, "torchvision", "SwinTransformer")
        or class_is(m, "timm", "SwinTransformer", "SwinTransformerV2"),
        layer=lambda m: "norm",
        layout=_layout,
    ),
)
