"""Vision transformers (torchvision, timm).

Tokens laid back on the patch grid, prefix tokens dropped.

Of a head on the class token the first normalisation of the last block is explained: after the block
itself no gradient is left on the patch tokens. A head that pools the patches takes them past that
normalisation too, and they are explained where it takes them.
"""

from typing import Any

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
    embed: Any = getattr(model, "patch_embed", None)
    if hasattr(embed, "feat_ratio"):
        # Also counts the stride of a hybrid's backbone.
        ratio: tuple[int, int] = embed.feat_ratio(as_scalar=False)
        return ratio
    network: Any = model
    size = network.patch_size if hasattr(model, "patch_size") else embed.patch_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _layout(model: nn.Module, output: Tensor, input_size: tuple[int, ...]) -> Layout | None:
    prefixes = (0, getattr(model, "num_prefix_tokens", 1))
    patch = _patch(model)
    # A last patch that the image does not fill is left out, or padded (timm's dynamic_img_pad).
    for floor in (True, False):
        grid = _cells(input_size, patch, floor)
        # The patch embedding's convolution.
        if output.ndim == 4 and tuple(output.shape[2:]) == grid:
            return CHANNELS_FIRST
        # The patch embedding of a model for any image size.
        if output.ndim == 4 and tuple(output.shape[1:3]) == grid:
            return CHANNELS_LAST
        if output.ndim != 3:
            continue
        prefix = output.shape[1] - grid[0] * grid[1]
        if prefix in prefixes:
            return tokens(prefix, grid)
    return None


def _cells(size: tuple[int, ...], patch: tuple[int, int], floor: bool) -> tuple[int, ...]:
    return tuple(n // p if floor else -(-n // p) for n, p in zip(size, patch))


def _matches(model: nn.Module) -> bool:
    if class_is(model, "torchvision", "VisionTransformer"):
        return True
    # Blocks of other kinds (parallel ones, say) are surveyed as any unknown model.
    blocks: Any = getattr(model, "blocks", None)
    if not class_is(model, "timm", "VisionTransformer") or not isinstance(blocks, nn.Sequential):
        return False
    return len(blocks) > 0 and class_is(blocks[-1], "timm", "Block")


def _layer(model: nn.Module) -> str:
    if not hasattr(model, "blocks"):
        return "encoder.layers[-1].ln_1"
    if getattr(model, "global_pool", "token") == "token":
        return "blocks[-1].norm1"
    # timm leaves the norm out where it normalises the mean.
    return "blocks[-1]" if isinstance(model.norm, nn.Identity) else "norm"


FAMILY = ModelFamily(
    "Vision transformer",
    matches=_matches,
    layer=_layer,
    layout=_layout,
)
