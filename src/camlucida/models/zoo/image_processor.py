"""The image processor of a Hugging Face model, read as ``[input]`` of a card.

What is read is tried on images: a processor that does anything else is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.errors import ModelError
from camlucida.io.image import RawImage
from camlucida.models.preprocessing import prepare
from camlucida.models.preprocessing.spec import InputSpec

Steps = list[dict[str, Any]]

STATES_SCALE = frozenset(
    {"range", "mean", "std", "intensity", "window", "percentiles", "steps", "transform"}
)
"""Keys of ``[input]`` that say how grey levels become the model's numbers."""

_KERNELS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""Pillow's number of an interpolation → kernel; others are refused, as they reproduce nothing."""

_SIZES = ((67, 98), (301, 240))
"""Rows and columns of the images that a reading is tried on: smaller and larger than most."""

_MOST, _MEAN = 6.0, 0.4
"""Grey levels that a reading may be off, at most and in the mean: the kernels of torch for 8 bits
round and cut after each axis."""


def input_of_processor(processor: Any, channels: int, where: str) -> dict[str, Any]:
    """The keys of ``[input]`` that an image processor stands for.

    Args:
        processor: of ``transformers``; its attributes say what it does.
        channels: of the model's input.
        where: the model, for the message.

    Returns:
        ``steps`` and ``channels``; the simple keys, where the image is only resized and scaled.

    Raises:
        ModelError: the processor does something that is not read.
    """
    for fitting in _FITTINGS:
        steps = fitting(processor)
        if steps is None:
            continue
        steps = [*steps, *_scaling(processor, channels)]
        if _states(processor, "do_flip_channel_order"):
            steps.append({"do": "bgr"})
        fields = {"channels": channels, "steps": steps}
        if _reproduces(processor, fields):
            return _simple(fields)
    kind = type(processor).__name__
    raise ModelError(
        f"{where}: what its {kind} does is more than resize, centre crop, rescale, normalise "
        "and exchange red and blue",
        "write the preprocessing as steps = […] under [input] of a card",
    )


def _fitting(processor: Any) -> Steps | None:
    """Resize, then centre crop, each where the processor states it."""
    steps: Steps = []
    if _states(processor, "do_resize"):
        size = processor.size
        if size.shortest_edge and not size.longest_edge:
            steps.append(_resize(processor, short=size.shortest_edge))
        elif size.height and size.width:
            steps.append(_resize(processor, size=[size.height, size.width]))
        else:
            return None
    if _states(processor, "do_center_crop"):
        steps.append(_crop(processor.crop_size.height, processor.crop_size.width))
    return steps


def _fitting_of_convnext(processor: Any) -> Steps | None:
    """Below 384 pixels the shorter side is resized to more, and the rest is cropped off."""
    side, share = processor.size and processor.size.shortest_edge, _value(processor, "crop_pct")
    if not side or not share:
        return None
    if side >= 384:
        return [_resize(processor, size=[side, side])]
    return [_resize(processor, short=int(side / share)), _crop(side, side)]


def _fitting_of_levit(processor: Any) -> Steps | None:
    """The shorter side is resized to 256/224 of the size, and the rest is cropped off."""
    side = processor.size and processor.size.shortest_edge
    if not side or not _states(processor, "do_center_crop"):
        return None
    crop = processor.crop_size
    return [_resize(processor, short=int(256 / 224 * side)), _crop(crop.height, crop.width)]


_FITTINGS: tuple[Callable[[Any], Steps | None], ...] = (
    _fitting,
    _fitting_of_convnext,
    _fitting_of_levit,
)
"""What processors do with the size of an image; the first that reproduces one is taken."""


def _value(processor: Any, name: str) -> Any:
    return getattr(processor, name, None)


def _states(processor: Any, name: str) -> bool:
    return bool(_value(processor, name))


def _resize(processor: Any, **to: Any) -> dict[str, Any]:
    resample = _value(processor, "resample")
    kernel = _KERNELS.get(2 if resample is None else int(resample), "bilinear")
    return {"do": "resize", **to, "kernel": kernel, "rounding": "8-bit"}


def _crop(height: int, width: int) -> dict[str, Any]:
    return {"do": "crop", "size": [height, width], "anchor": "floor"}


def _scaling(processor: Any, channels: int) -> Steps:
    """From 0–1 to the model's numbers: a processor begins with grey levels of 0 to 255."""
    white = 255.0 * (processor.rescale_factor if _states(processor, "do_rescale") else 1.0)
    if not _states(processor, "do_normalize"):
        return [] if white == 1.0 else [{"do": "scale", "black": 0.0, "white": white}]
    mean, std = _numbers(processor.image_mean), _numbers(processor.image_std)
    if _states(processor, "include_top"):  # EfficientNet divides twice
        std = [value**2 for value in std]
    if channels == 1:
        mean, std = sorted(set(mean)), sorted(set(std))
    of_unit = {"mean": [x / white for x in mean], "std": [x / white for x in std]}
    return [{"do": "normalise", **of_unit}]


def _numbers(values: Any) -> list[float]:
    return [float(values)] * 3 if isinstance(values, (int, float)) else [*map(float, values)]


def _simple(fields: dict[str, Any]) -> dict[str, Any]:
    """The keys that a user may change one by one, where they say the same as the steps."""
    if len(fields["steps"]) != 2:
        return fields
    resize, scale = fields["steps"]
    kinds = {"bilinear": "antialias", "bicubic": "bicubic-antialias"}
    if resize["kernel"] not in kinds or "size" not in resize or scale["do"] != "normalise":
        return fields
    return {
        "channels": fields["channels"],
        "size": tuple(resize["size"]),
        "resize": kinds[resize["kernel"]],
        "rounding": "8-bit",
        "mean": tuple(scale["mean"]),
        "std": tuple(scale["std"]),
    }


def _reproduces(processor: Any, fields: dict[str, Any]) -> bool:
    """Whether a reading gives the numbers of the processor itself."""
    try:
        spec = InputSpec.model_validate(fields)
    except ValueError:
        return False
    for size in _SIZES:
        levels = _image(size, spec.channels)
        expected = processor(levels, return_tensors="pt")["pixel_values"][0]
        values = np.asarray(levels.squeeze() / 255, np.float32)
        image = RawImage(values, levels, "trial")
        if not _alike(prepare(image, spec).tensor, expected):
            return False
    return True


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    if ours.shape != theirs.shape:
        return False
    difference = (ours - theirs).abs()
    one_level = float(theirs.max() - theirs.min()) / 255
    close = difference.max() <= _MOST * one_level and difference.mean() <= _MEAN * one_level
    return bool(close)


def _image(size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Waves and noise, of other values in each channel: (H, W, channels)."""
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(*(torch.linspace(0, 9, side) for side in size), indexing="ij")
    waves = [(rows * (i + 1)).sin() + (columns * (i + 2)).cos() for i in range(channels)]
    values = torch.stack(waves, -1) / 4 + 0.5
    values = values + 0.2 * (torch.rand(values.shape, generator=generator) - 0.5)
    levels: NDArray[np.uint8] = (255 * values.clamp(0, 1)).round().to(torch.uint8).numpy()
    return levels
