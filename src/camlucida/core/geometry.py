"""One invertible map between an original image's pixels and the model's input pixels.

Crop, pad, resize and flip are the same thing on each axis: ``model = scale * original + offset``,
in *edge* coordinates (pixel ``i`` covers ``[i, i + 1]``, its centre is ``i + 0.5``; the convention
of ``align_corners=False``). So a chain of them is one pair of numbers an axis, with an exact
inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.tensors import resize


@dataclass(frozen=True)
class Geometry:
    """Per-axis affine from original to model pixels, of any spatial rank.

    Axes are in array order: rows, columns. Every method that changes the model's side returns a new
    geometry.

    Attributes:
        original: size of the original image in pixels.
        model: size of the model input in pixels.
        scale: model pixels per original pixel, an axis each; negative where the axis is flipped.
        offset: model edge coordinate of the original's edge 0.

    >>> geometry = Geometry.identity((100, 80)).crop((10, 0), (80, 80)).resize((40, 40))
    >>> geometry.to_model((10, 0)), geometry.to_original((40, 40))
    ((0.0, 0.0), (90.0, 80.0))
    """

    original: tuple[int, ...]
    model: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @staticmethod
    def identity(size: Sequence[int]) -> Geometry:
        """The geometry of an image that is fed to the model as it is.

        Args:
            size: of the image in pixels, an axis each.

        Returns:
            Scale 1 and offset 0 on each axis.

        >>> Geometry.identity((4, 6)).scale
        (1.0, 1.0)
        """
        size = tuple(int(n) for n in size)
        scale = (1.0,) * len(size)
        offset = (0.0,) * len(size)
        return Geometry(size, size, scale, offset)

    def crop(self, start: Sequence[int], size: Sequence[int]) -> Geometry:
        """Keep a window.

        Args:
            start: its first pixel, in current model pixels; below 0 it pads.
            size: in pixels; beyond the end it pads.

        Returns:
            The geometry after the crop; its model size is ``size``.

        >>> Geometry.identity((10, 10)).crop((2, 0), (4, 10)).offset
        (-2.0, 0.0)
        """
        model = tuple(int(n) for n in size)
        offset = tuple(o - s for o, s in zip(self.offset, start))
        return replace(self, model=model, offset=offset)

    def pad(self, before: Sequence[int], after: Sequence[int]) -> Geometry:
        """Add pixels before and after each axis.

        Args:
            before: model pixels before the first, an axis each.
            after: model pixels after the last, an axis each.

        Returns:
            The geometry after the padding.

        >>> Geometry.identity((4, 4)).pad((1, 0), (1, 0)).model
        (6, 4)
        """
        start = [-b for b in before]
        size = [b + n + a for b, n, a in zip(before, self.model, after)]
        return self.crop(start, size)

    def resize(self, size: Sequence[int]) -> Geometry:
        """Stretch the current model image to ``size`` (half-pixel centres).

        Args:
            size: in model pixels, an axis each.

        Returns:
            The geometry after the resize; its model size is ``size``.

        >>> Geometry.identity((4, 8)).resize((2, 2)).scale
        (0.5, 0.25)
        """
        factors = [new / old for new, old in zip(size, self.model)]
        model = tuple(int(n) for n in size)
        scale = tuple(s * f for s, f in zip(self.scale, factors))
        offset = tuple(o * f for o, f in zip(self.offset, factors))
        return Geometry(self.original, model, scale, offset)

    def flip(self, axis: int) -> Geometry:
        """Mirror one axis.

        Args:
            axis: its number, from 0.

        Returns:
            The geometry after the flip.

        >>> Geometry.identity((4, 8)).flip(1).to_model((1, 1))
        (1.0, 7.0)
        """
        scale = list(self.scale)
        offset = list(self.offset)
        scale[axis] = -scale[axis]
        offset[axis] = self.model[axis] - offset[axis]
        return replace(self, scale=tuple(scale), offset=tuple(offset))

    def to_model(self, point: Sequence[float]) -> tuple[float, ...]:
        """Edge coordinates in the original → edge coordinates in the model input.

        Args:
            point: in original pixels, an axis each; may lie outside the image.

        Returns:
            The point in model pixels, an axis each.

        >>> Geometry.identity((100, 80)).resize((50, 40)).to_model((10, 20))
        (5.0, 10.0)
        """
        by_axis = zip(point, self.scale, self.offset)
        return tuple(p * s + o for p, s, o in by_axis)

    def to_original(self, point: Sequence[float]) -> tuple[float, ...]:
        """Edge coordinates in the model input → edge coordinates in the original.

        Args:
            point: in model pixels, an axis each; may lie outside the input.

        Returns:
            The point in original pixels, an axis each.

        >>> Geometry.identity((100, 80)).resize((50, 40)).to_original((5, 10))
        (10.0, 20.0)
        """
        by_axis = zip(point, self.scale, self.offset)
        return tuple((p - o) / s for p, s, o in by_axis)

    def seen(self) -> tuple[tuple[int, int], ...]:
        """The part of the original that the model saw; the rest was cropped away.

        Returns:
            (first, last + 1) pixel of each axis; first = last where it saw nothing.

        >>> Geometry.identity((10, 10)).crop((2, 0), (4, 10)).seen()
        ((2, 6), (0, 10))
        """
        start = [0.0] * len(self.model)
        end = [float(n) for n in self.model]
        first = self.to_original(start)
        last = self.to_original(end)
        by_axis = zip(first, last, self.original)
        return tuple(_inside(a, b, size) for a, b, size in by_axis)

    def cell(self, grid: Sequence[int]) -> tuple[float, ...]:
        """Size of one cell of a grid over the model's input, in original pixels, an axis each.

        Args:
            grid: number of cells, an axis each.

        Returns:
            Original pixels, an axis each; positive also where an axis is flipped.

        >>> Geometry.identity((224, 224)).cell((7, 7))
        (32.0, 32.0)
        """
        by_axis = zip(self.model, grid, self.scale)
        return tuple(n / cells / abs(s) for n, cells, s in by_axis)

    def map_to_original(self, values: Tensor) -> Tensor:
        """Carry a map on the model's input pixels back to original pixels.

        Args:
            values: (B, *model).

        Returns:
            (B, *original), linear interpolation at half-pixel centres; 0 where the model saw
            nothing.

        Raises:
            ValueError: ``values`` is of another size.

        >>> Geometry.identity((1, 4)).crop((0, 1), (1, 2)).map_to_original(torch.ones(1, 1, 2))
        tensor([[[0., 1., 1., 0.]]])
        """
        return _resample(values, self.model, self.original, self.scale, self.offset)

    def interpolation(self, grid: Sequence[int]) -> tuple[NDArray[np.float32], ...]:
        """What a map on a grid of cells is multiplied by on each axis to lie on original pixels.

        Args:
            grid: cells, an axis each.

        Returns:
            (original, cells) of each axis: the linear interpolation to model pixels at half-pixel
            centres, and from there to original pixels.

        >>> rows, columns = Geometry.identity((1, 4)).interpolation((1, 2))
        >>> columns.tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
        """
        axes = zip(grid, self.original, self.model, self.scale, self.offset)
        return tuple(_axis_interpolation(*axis) for axis in axes)

    def map_to_model(self, values: Tensor) -> Tensor:
        """Carry a map on original pixels into model pixels.

        Args:
            values: (B, *original).

        Returns:
            (B, *model), linear interpolation at half-pixel centres; 0 in padding.

        Raises:
            ValueError: ``values`` is of another size.

        >>> Geometry.identity((1, 2)).pad((0, 1), (0, 1)).map_to_model(torch.ones(1, 1, 2))
        tensor([[[0., 1., 1., 0.]]])
        """
        # The inverse of the affine: original = (model − offset) / scale.
        scale = tuple(1 / s for s in self.scale)
        offset = tuple(-o / s for o, s in zip(self.offset, self.scale))
        return _resample(values, self.original, self.model, scale, offset)


@lru_cache(maxsize=64)
def _axis_interpolation(
    cells: int, original: int, model: int, scale: float, offset: float
) -> NDArray[np.float32]:
    on_model = resize(torch.eye(cells), (model,))
    axis = Geometry((original,), (model,), (scale,), (offset,))
    weights = axis.map_to_original(on_model).T
    return np.ascontiguousarray(weights.numpy())


def _inside(a: float, b: float, size: int) -> tuple[int, int]:
    """The pixels between two edges, in order, both ends held inside the image."""
    low, high = sorted((round(a), round(b)))  # a flipped axis has its edges the other way round
    first = min(size, max(0, low))
    last = min(size, max(0, high))
    return first, last


def _resample(
    values: Tensor,
    source: tuple[int, ...],
    size: tuple[int, ...],
    scale: tuple[float, ...],
    offset: tuple[float, ...],
) -> Tensor:
    """Sample ``values`` (B, *source) at ``scale * centre + offset`` of each pixel of ``size``."""
    shape = tuple(values.shape)
    if shape[1:] != source:
        expected = ", ".join(map(str, source))
        raise ValueError(f"map has shape {shape}, expected (B, {expected})")
    # The affine is separable: one axis at a time needs no dense sampling grid, and has no rank
    # limit.
    by_axis = zip(source, size, scale, offset)
    for axis, (source_size, n, s, o) in enumerate(by_axis, start=1):
        unchanged = (n, s, o) == (source_size, 1.0, 0.0)
        if not unchanged:
            values = _resample_axis(values, axis, n, s, o)
    return values


def _resample_axis(values: Tensor, axis: int, size: int, scale: float, offset: float) -> Tensor:
    count = values.shape[axis]
    # float64: in float32 the coordinates of a large image would lose the fraction of a pixel.
    pixels = torch.arange(size, device=values.device, dtype=torch.float64)
    target_centre = pixels + 0.5
    edge = target_centre * scale + offset
    # Edge coordinate → index of pixel centres. Beyond the outer centres the outer value goes on.
    last = count - 1
    centre = (edge - 0.5).clamp(0, last)
    low = centre.floor().long()
    high = (low + 1).clamp(max=last)
    shape = [1] * values.ndim
    shape[axis] = size
    weight = (centre - low).to(values.dtype).reshape(shape)
    after_start = edge >= 0
    before_end = edge <= count
    in_source = after_start & before_end
    inside = in_source.to(values.dtype).reshape(shape)
    before = values.index_select(axis, low)
    after = values.index_select(axis, high)
    lower_part = before * (1 - weight)
    upper_part = after * weight
    return (lower_part + upper_part) * inside
