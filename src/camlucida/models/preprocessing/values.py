"""Steps that change values, on arrays of 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.io.grey_levels import file_values
from camlucida.io.image import RawImage, to_display
from camlucida.models.preprocessing.clahe import clahe, equalise_opencv
from camlucida.models.preprocessing.steps import (
    Clahe,
    Equalise,
    Normalise,
    Percentiles,
    Scale,
    Window,
)

ITU = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), as Pillow and OpenCV have them."""


def stored_units(image: RawImage, unit: Tensor) -> Tensor:
    """0 to 1 of the full scale → the units of the file: stored values, of a DICOM after rescale.

    A MONOCHROME1 image keeps its own order: its lowest value is white.

    Args:
        image: the image.
        unit: its pixels, of any shape.

    >>> image = RawImage(np.ones((1, 1), np.float32), np.ones((1, 1), np.uint8), "a")
    >>> stored_units(image, torch.tensor([0.5]))
    tensor([127.5000])
    """
    units: Tensor = file_values(image.source, unit)
    return units


def is_monochrome1(image: RawImage) -> bool:
    """Whether the file's lowest value is white.

    >>> is_monochrome1(RawImage(np.ones((1, 1), np.float32), np.ones((1, 1), np.uint8), "a"))
    False
    """
    return image.source.get("photometric") == "MONOCHROME1"


def windowed(values: Tensor, step: Window) -> Tensor:
    """Values in the units of the file → 0 to 1 between the window's ends.

    Args:
        values: of any shape.
        step: the window.

    >>> windowed(torch.tensor([0.0, 50.0, 200.0]), Window(low=0, high=100))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _ramp(values, step.low, step.high, step.clip)


def percentiles(values: Tensor, step: Percentiles) -> tuple[Tensor, tuple[float, float]]:
    """0 to 1 between two percentiles of the image; and these.

    ``(x - a) / (b - a)``, the percentiles by linear interpolation, as NumPy's and MONAI's
    ``ScaleIntensityRangePercentiles``.

    Args:
        values: of any shape.
        step: the percentiles.

    >>> percentiles(torch.arange(101.0), Percentiles(low=10, high=90))[1]
    (10.0, 90.0)
    """
    low, high = np.percentile(values.numpy(), [step.low, step.high])
    return _ramp(values, float(low), float(high), step.clip), (float(low), float(high))


def extremes(values: Tensor) -> tuple[float, float]:
    """Lowest and highest value.

    >>> extremes(torch.tensor([3.0, 1.0]))
    (1.0, 3.0)
    """
    return float(values.min()), float(values.max())


def min_max(values: Tensor) -> Tensor:
    """The lowest value becomes 0, the highest 1; an image of one value becomes 0.

    Args:
        values: of any shape.

    >>> min_max(torch.tensor([2.0, 3.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    low, high = extremes(values)
    return _ramp(values, low, high, clip=False)


def z_score(values: Tensor, per_channel: bool) -> Tensor:
    """Minus the mean, over the standard deviation (of the population); 0 where it is 0.

    Args:
        values: (C, *spatial).
        per_channel: whether each channel has its own.

    >>> z_score(torch.tensor([[[1.0, 3.0]]]), per_channel=False)
    tensor([[[-1.,  1.]]])
    """
    axes = tuple(range(1 if per_channel else 0, values.ndim))
    exact = values.double()
    mean = exact.mean(axes, keepdim=True)
    std = exact.std(axes, correction=0, keepdim=True)
    scaled = (exact - mean) / torch.where(std > 0, std, 1)
    return scaled.float()


def scaled(values: Tensor, step: Scale | Normalise) -> Tensor:
    """0 to 1 → the model's scale.

    Args:
        values: (C, *spatial).
        step: the scale.

    >>> scaled(torch.tensor([0.0, 1.0]), Scale(black=-1, white=1))
    tensor([-1.,  1.])
    """
    if isinstance(step, Scale):
        return values * (step.white - step.black) + step.black
    mean, std = _per_channel(step, values)
    return (values - mean) / std


def unscaled(values: Tensor, step: Scale | Normalise) -> Tensor:
    """The inverse of :func:`scaled`.

    Args:
        values: (C, *spatial).
        step: the scale.

    >>> unscaled(torch.tensor([-1.0, 1.0]), Scale(black=-1, white=1))
    tensor([0., 1.])
    """
    if isinstance(step, Scale):
        return (values - step.black) / (step.white - step.black)
    mean, std = _per_channel(step, values)
    return values * std + mean


def _per_channel(step: Normalise, values: Tensor) -> tuple[Tensor, Tensor]:
    shape = (-1, *(1,) * (values.ndim - 1))
    mean = torch.tensor(step.mean).reshape(shape)
    std = torch.tensor(step.std).reshape(shape)
    return mean.to(values), std.to(values)


def to_levels(values: Tensor) -> NDArray[np.uint8]:
    """0 to 1 → 0–255, rounded, cut to its ends.

    Args:
        values: of any shape.
    """
    return to_display(np.clip(values.numpy(), 0, 1))


def of_levels(levels: NDArray[Any]) -> Tensor:
    """0–255 → 0 to 1.

    Args:
        levels: of any shape.
    """
    return torch.from_numpy(levels.astype(np.float32) / np.float32(255))


def cut(values: Tensor) -> Tensor:
    """To whole 8-bit levels as ``(255 * x).astype("uint8")``: the rest is cut off.

    Args:
        values: of any shape, 0 to 1.

    >>> cut(torch.tensor([0.999])) * 255
    tensor([254.])
    """
    # A whole level may have lost a millionth on its way to 0–1 and back.
    levels = torch.floor(values.double() * 255 + 1e-4).clamp(0, 255)
    return (levels / 255).float()


def equalised(values: Tensor, step: Clahe | Equalise) -> Tensor:
    """Histogram equalisation of each channel.

    Args:
        values: (C, H, W), 0 to 1.
        step: which.
    """
    planes = [_equalised_plane(plane, step) for plane in values]
    return torch.stack(planes)


def _equalised_plane(plane: Tensor, step: Clahe | Equalise) -> Tensor:
    if isinstance(step, Clahe) and step.library == "skimage":
        from skimage.exposure import equalize_adapthist

        sides = zip(plane.shape, reversed(step.tiles))
        kernel = tuple(max(1, side // tiles) for side, tiles in sides)
        pixels = plane.numpy().astype(np.float64).clip(0, 1)
        result = equalize_adapthist(pixels, kernel_size=kernel, clip_limit=step.clip)
        return torch.from_numpy(np.asarray(result, np.float32))
    levels = to_levels(plane)
    if isinstance(step, Clahe):
        return of_levels(clahe(levels, step.clip, step.tiles))
    if step.library == "opencv":
        return of_levels(equalise_opencv(levels))
    from PIL import Image, ImageOps

    return of_levels(np.asarray(ImageOps.equalize(Image.fromarray(levels))))


def _ramp(values: Tensor, low: float, high: float, clip: bool) -> Tensor:
    if high <= low:
        return torch.zeros_like(values)
    scaled = (values - low) / (high - low)
    return scaled.clamp(0, 1) if clip else scaled
