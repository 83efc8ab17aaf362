"""Vision transformers (torchvision, timm): tokens laid back on the patch grid, prefix tokens dropped.

The first normalisation of the last block is explained: after the block itself a class-token head has no gradient left on the
patch tokens.
"""

from typing import Any, cast

from torch import Tensor, nn

from camlucida.families.base import CHANNELS_FIRST, FAMILIES, Layout, ModelFamily, class_is, tokens


def _patch(model: nn.Module) -> tuple[int, int]:
    size = cast(Any, model).patch_size if hasattr(model, "patch_size") else cast(Any, model).patch_embed.patch_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _layout(model: nn.Module, output: Tensor, input_size: tuple[int, ...]) -> Layout | None:
    if output.ndim == 4:  # the patch embedding's convolution
        return CHANNELS_FIRST
    if output.ndim != 3:
        return None
    grid = tuple(n // p for n, p in zip(input_size, _patch(model)))
    prefix = output.shape[1] - grid[0] * grid[1]
    known = getattr(model, "num_prefix_tokens", 1)
    return tokens(prefix, grid) if prefix in (0, known) else None


def _layer(model: nn.Module) -> str:
    return "blocks[-1].norm1" if hasattr(model, "blocks") else "encoder.layers[-1].ln_1"


FAMILIES.add(
    "vit",
    ModelFamily(
        "Vision transformer",
        matches=lambda m: class_is(m, "timm", "VisionTransformer") or class_is(m, "torchvision", "VisionTransformer"),
        layer=_layer,
        layout=_layout,
    ),
)
