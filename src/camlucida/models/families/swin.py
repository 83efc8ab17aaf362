"""Swin transformers (torchvision, timm): channels-last feature maps."""

from torch import Tensor, nn

from camlucida.models.families.base import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    Layout,
    ModelFamily,
    class_is,
)

STRIDES = (2, 4, 8, 16, 32, 64)


def _layout(model: nn.Module, output: Tensor, input_size: tuple[int, ...]) -> Layout | None:
    if output.ndim != 4:
        return None
    if _is_grid(output.shape[1:3], input_size):
        return CHANNELS_LAST
    return CHANNELS_FIRST if _is_grid(output.shape[2:], input_size) else None


def _is_grid(cells: tuple[int, ...], input_size: tuple[int, ...]) -> bool:
    """Whether these axes are the input's at one stride, an odd size rounded up or down."""

    def fits(stride: int) -> bool:
        return all(abs(n - size / stride) < 1 for n, size in zip(cells, input_size))

    return any(map(fits, STRIDES))


FAMILY = ModelFamily(
    "Swin transformer",
    matches=lambda m: (
        class_is(m, "torchvision", "SwinTransformer")
        or class_is(m, "timm", "SwinTransformer", "SwinTransformerV2")
    ),
    layer=lambda m: "norm",
    layout=_layout,
)
