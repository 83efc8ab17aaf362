"""One invertible map between an original image's pixels and the model's input pixels.

Crop, pad, resize and flip are all the same thing on each axis: ``model = scale * original + offset``, written in *edge*
coordinates (pixel ``i`` covers ``[i, i + 1]``, its centre is ``i + 0.5``; the convention of ``align_corners=False``).
So any chain of them is one pair of numbers an axis, and its inverse is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Per-axis affine from original to model pixels, any spatial rank (axes in array order: rows, columns).

    Attributes:
        original: size of the original image in pixels.
        model: size of the model input in pixels.
        scale: model pixels per original pixel, an axis each; negative where the axis is flipped.
        offset: model edge coordinate of the original's edge 0.
    """

    original: tuple[int, ...]
    model: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @staticmethod
    def identity(size: Sequence[int]) -> Geometry:
        """The geometry of an image that is fed to the model as it is."""
        size = tuple(int(n) for n in size)
        return Geometry(size, size, (1.0,) * len(size), (0.0,) * len(size))

    def crop(self, start: Sequence[int], size: Sequence[int]) -> Geometry:
        """Keep the window of ``size`` pixels from ``start`` (current model pixels); a start < 0 or an end beyond pads."""
        offset = tuple(o - s for o, s in zip(self.offset, start))
        return Geometry(self.original, tuple(int(n) for n in size), self.scale, offset)

    def pad(self, before: Sequence[int], after: Sequence[int]) -> Geometry:
        """Add pixels before and after each axis."""
        size = [b + n + a for b, n, a in zip(before, self.model, after)]
        return self.crop([-b for b in before], size)

    def resize(self, size: Sequence[int]) -> Geometry:
        """Stretch the current model image to ``size`` (half-pixel centres)."""
        factor = [new / old for new, old in zip(size, self.model)]
        scale = tuple(s * f for s, f in zip(self.scale, factor))
        offset = tuple(o * f for o, f in zip(self.offset, factor))
        return Geometry(self.original, tuple(int(n) for n in size), scale, offset)

    def flip(self, axis: int) -> Geometry:
        """Mirror one axis."""
        scale = tuple(-s if i == axis else s for i, s in enumerate(self.scale))
        offset = tuple(self.model[i] - o if i == axis else o for i, o in enumerate(self.offset))
        return Geometry(self.original, self.model, scale, offset)

    def to_model(self, point: Sequence[float]) -> tuple[float, ...]:
        """Edge coordinates in the original → edge coordinates in the model input."""
        return tuple(p * s + o for p, s, o in zip(point, self.scale, self.offset))

    def to_original(self, point: Sequence[float]) -> tuple[float, ...]:
        """Edge coordinates in the model input → edge coordinates in the original."""
        return tuple((p - o) / s for p, s, o in zip(point, self.scale, self.offset))

    def seen(self) -> tuple[tuple[int, int], ...]:
        """The part of the original that the model saw: (first, last + 1) pixel of each axis; the rest was cropped away."""
        corners = zip(
            self.to_original([0.0] * len(self.model)),
            self.to_original([float(n) for n in self.model]),
        )
        # Both ends are held inside the image: a window wholly beside it has seen nothing, first = last.
        return tuple(
            (min(size, max(0, round(min(a, b)))), min(size, max(0, round(max(a, b)))))
            for (a, b), size in zip(corners, self.original)
        )

    def cell(self, grid: Sequence[int]) -> tuple[float, ...]:
        """Size of one cell of a grid over the model's input, in original pixels, an axis each."""
        return tuple(n / cells / abs(s) for n, cells, s in zip(self.model, grid, self.scale))

    def map_to_original(self, values: Tensor) -> Tensor:
        """Carry a map on the model's input pixels back to original pixels.

        Args:
            values: (B, *model).

        Returns:
            (B, *original), linear interpolation at half-pixel centres; 0 where the model saw nothing.
        """
        return _resample(values, self.model, self.original, self.scale, self.offset)

    def map_to_model(self, values: Tensor) -> Tensor:
        """Carry a map on original pixels, (B, *original), into model pixels, (B, *model); 0 in padding."""
        inverse = tuple(1 / s for s in self.scale)
        return _resample(
            values,
            self.original,
            self.model,
            inverse,
            tuple(-o / s for o, s in zip(self.offset, self.scale)),
        )


def _resample(
    values: Tensor,
    source: tuple[int, ...],
    size: tuple[int, ...],
    scale: tuple[float, ...],
    offset: tuple[float, ...],
) -> Tensor:
    """Sample ``values`` (B, *source) at ``scale * centre + offset`` for each pixel centre of ``size``."""
    if tuple(values.shape[1:]) != source:
        raise ValueError(
            f"map has shape {tuple(values.shape)}, expected (B, {', '.join(map(str, source))})"
        )
    # One axis at a time: the affine is separable, and this needs no dense sampling grid (and no rank limit).
    for axis, (n_in, n_out, s, o) in enumerate(zip(source, size, scale, offset), start=1):
        if n_in == n_out and s == 1.0 and o == 0.0:
            continue
        edge = (torch.arange(n_out, device=values.device, dtype=torch.float64) + 0.5) * s + o
        centre = (edge - 0.5).clamp(0, n_in - 1)
        low = centre.floor().long()
        high = (low + 1).clamp(max=n_in - 1)
        shape = [1] * values.ndim
        shape[axis] = n_out
        weight = (centre - low).to(values.dtype).reshape(shape)
        seen = ((edge >= 0) & (edge <= n_in)).to(values.dtype).reshape(shape)
        values = (
            values.index_select(axis, low) * (1 - weight) + values.index_select(axis, high) * weight
        ) * seen
    return values
