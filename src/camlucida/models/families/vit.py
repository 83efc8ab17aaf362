"""Vision transformers (torchvision, timm).

Tokens laid back on the patch grid, prefix tokens dropped.

The first normalisation of the last block is explained: after the block itself a class-token head
has no gradient left on the patch tokens.
"""

from typing import Any, cast

from torch import Tensor, nn

from camlucida.models.families.base import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    Layout,
    ModelFamily,
    class_is,
    tokens,
)


def _patch(model: nn.Module) -> tuple[int, int]:
    if hasattr(
        embed := getattr(model, "patch_embed", None), "feat_ratio"
    ):  # also counts the stride of a hybrid's backbone
        ratio: tuple[int, int] = cast(Any, embed).feat_ratio(as_scalar=False)
        return ratio
    size = (
        cast(Any, model).patch_size
        if hasattr(model, "patch_size")
        else cast(Any, model).patch_embed.patch_size
    )
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _layout(model: nn.Module, output: Tensor, input_size: tuple[int, ...]) -> Layout | None:
    known = (0, getattr(model, "num_prefix_tokens", 1))
    # A last patch that the image does not fill is left out, or padded (timm's dynamic_img_pad).
    for grid in (
        _cells(input_size, _patch(model), floor=True),
        _cells(input_size, _patch(model), floor=False),
    ):
        if (
            output.ndim == 4 and tuple(output.shape[2:]) == grid
        ):  # the patch embedding's convolution
            return CHANNELS_FIRST
        if (
            output.ndim == 4 and tuple(output.shape[1:3]) == grid
        ):  # the patch embedding of a model for any image size
            return CHANNELS_LAST
        if output.ndim == 3 and output.shape[1] - grid[0] * grid[1] in known:
            return tokens(output.shape[1] - grid[0] * grid[1], grid)
    return None


def _cells(size: tuple[int, ...], patch: tuple[int, int], floor: bool) -> tuple[int, ...]:
    return tuple(n // p if floor else -(-n // p) for n, p in zip(size, patch))


def _layer(model: nn.Module) -> str:
    return "blocks[-1].norm1" if hasattr(model, "blocks") else "encoder.layers[-1].ln_1"


FAMILY = ModelFamily(
    "Vision transformer",
    matches=lambda m: (
        class_is(m, "timm", "VisionTransformer") or class_is(m, "torchvision", "VisionTransformer")
    ),
    layer=_layer,
    layout=_layout,
)
