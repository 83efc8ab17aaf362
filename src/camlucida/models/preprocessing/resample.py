"""Resizing as each library does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from camlucida.models.preprocessing.steps import Resize
from camlucida.models.preprocessing.values import of_levels, to_levels

Size = tuple[int, int]


def resized(values: Tensor, size: Size, step: Resize) -> Tensor:
    """An image of another size.

    Args:
        values: (C, H, W); 0 to 1 where the step rounds to 8 bits.
        size: height and width in pixels.
        step: kernel, library, antialiasing, rounding.

    Returns:
        (C, *size) float32.

    >>> ramp = torch.arange(4.0).reshape(1, 1, 4) / 4
    >>> resized(ramp, (1, 2), Resize(size=(1, 2), antialias=False))
    tensor([[[0.1250, 0.6250]]])
    """
    if step.library == "pillow":
        return _pillow(values, size, step)
    source = values
    if step.eight_bit:
        source = torch.from_numpy(to_levels(values)).float()
    result = _LIBRARIES[step.library](source, size, step)
    if step.eight_bit:
        return of_levels(np.rint(result.clamp(0, 255).numpy()))
    return result


def _torch(values: Tensor, size: Size, step: Resize) -> Tensor:
    batch = values[None]
    # torch's "nearest" samples off the pixel centres.
    plain = {"nearest": "nearest-exact", "nearest-floor": "nearest", "area": "area"}
    if step.kernel in plain:
        return F.interpolate(batch, size, mode=plain[step.kernel])[0]
    options: dict[str, Any] = {"mode": step.kernel, "antialias": step.antialias}
    return F.interpolate(batch, size, align_corners=False, **options)[0]


def _pillow(values: Tensor, size: Size, step: Resize) -> Tensor:
    from PIL import Image

    filters = {
        "nearest": Image.Resampling.NEAREST,
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
        "area": Image.Resampling.BOX,
        "lanczos": Image.Resampling.LANCZOS,
    }
    kernel = filters[step.kernel.removesuffix("-floor")]
    width_first = size[::-1]
    planes = []
    for plane in values:
        array = to_levels(plane) if step.eight_bit else plane.numpy()
        result = np.array(Image.fromarray(array).resize(width_first, kernel))
        planes.append(of_levels(result) if step.eight_bit else torch.from_numpy(result))
    return torch.stack(planes)


def _opencv(values: Tensor, size: Size, step: Resize) -> Tensor:
    if step.kernel in ("bilinear", "bicubic"):
        # The same sampling and, of bicubic, the same a = −0.75, without antialiasing.
        return _torch(values, size, step.model_copy(update={"antialias": False}))
    weights = _WEIGHTS[step.kernel]
    rows = torch.from_numpy(weights(values.shape[1], size[0]))
    columns = torch.from_numpy(weights(values.shape[2], size[1]))
    return rows @ values @ columns.T


def _skimage(values: Tensor, size: Size, step: Resize) -> Tensor:
    from skimage.transform import resize

    order = {"nearest": 0, "nearest-floor": 0, "bilinear": 1, "bicubic": 3}[step.kernel]
    planes = []
    for plane in values:
        pixels = plane.numpy().astype(np.float64)
        options = {"preserve_range": True, "anti_aliasing": step.antialias, "mode": "reflect"}
        result = resize(pixels, size, order=order, **options)  # type: ignore[no-untyped-call]
        planes.append(torch.from_numpy(np.asarray(result, np.float32)))
    return torch.stack(planes)


_LIBRARIES: dict[str, Callable[[Tensor, Size, Resize], Tensor]] = {
    "torch": _torch,
    "opencv": _opencv,
    "skimage": _skimage,
}

Weights = NDArray[np.float32]


def _floor_weights(count: int, target: int) -> Weights:
    """INTER_NEAREST: the pixel in which the target's first edge lies."""
    first = np.floor(np.arange(target) * (count / target)).astype(int)
    return _one_pixel(first, count)


def _centre_weights(count: int, target: int) -> Weights:
    """INTER_NEAREST_EXACT: the pixel in which the target's centre lies.

    A centre between two pixels falls to either, by the version of OpenCV.
    """
    centre = (np.arange(target) + 0.5) * (count / target)
    return _one_pixel(np.floor(centre).astype(int), count)


def _one_pixel(index: NDArray[Any], count: int) -> Weights:
    weights = np.zeros((len(index), count), np.float32)
    weights[np.arange(len(index)), np.minimum(index, count - 1)] = 1
    return weights


def _area_weights(count: int, target: int) -> Weights:
    """INTER_AREA: the share of each pixel that the target's pixel covers.

    When enlarging, as OpenCV, linear between the two pixels that it touches.
    """
    scale = count / target
    start = np.arange(target) * scale
    if scale < 1:
        first = np.floor(start)
        part = (np.arange(target) + 1) - (first + 1) / scale
        share = np.where(part <= 0, 0, part - np.floor(part))
        return _two_pixels(first.astype(int), share, count)
    pixels = np.arange(count)
    from_here = np.minimum(start[:, None] + scale, pixels + 1)
    until_here = np.maximum(start[:, None], pixels)
    covered = np.clip(from_here - until_here, 0, None)
    return np.asarray(covered / covered.sum(1, keepdims=True), np.float32)


def _two_pixels(first: NDArray[Any], share: NDArray[Any], count: int) -> Weights:
    rows = np.arange(len(first))
    weights = np.zeros((len(first), count), np.float32)
    weights[rows, np.minimum(first, count - 1)] += 1 - share
    weights[rows, np.minimum(first + 1, count - 1)] += share
    return weights


def _lanczos_weights(count: int, target: int) -> Weights:
    """INTER_LANCZOS4: eight pixels around the target's centre, without antialiasing."""
    centre = (np.arange(target) + 0.5) * (count / target) - 0.5
    first = np.floor(centre).astype(int)
    rows = np.arange(target)
    weights = np.zeros((target, count), np.float64)
    for tap in range(-3, 5):
        distance = centre - (first + tap)
        share = np.sinc(distance) * np.sinc(distance / 4)
        # Beyond the border its outermost pixel goes on.
        np.add.at(weights, (rows, np.clip(first + tap, 0, count - 1)), share)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


_WEIGHTS: dict[str, Callable[[int, int], Weights]] = {
    "nearest": _centre_weights,
    "nearest-floor": _floor_weights,
    "area": _area_weights,
    "lanczos": _lanczos_weights,
}
