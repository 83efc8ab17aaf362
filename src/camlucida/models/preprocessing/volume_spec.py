"""``[volume]`` of a model card: what a model of volumes was trained on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from camlucida.core.orientation import is_orientation
from camlucida.models.preprocessing.steps import (
    MinMax,
    Normalise,
    Percentiles,
    Scale,
    Window,
    ZScore,
)

Kernel = Literal["trilinear", "area", "nearest"]

_Voxels = Annotated[int, Field(ge=1, le=2048)]
_Millimetres = Annotated[float, Field(gt=0)]
_Pair = tuple[float, float]

AS_STORED = "stored"
"""Of ``orientation``: the axes of the file, (slices, rows, columns)."""


class VolumeInput(BaseModel):
    """``[volume]``: orientation, then spacing, intensity, size and scale, in this order.

    Raises:
        ValueError: a field of another type or range; both ``range`` and ``mean``; two kinds of
            intensity; a ``size`` of another number of axes than the model has.

    >>> spec = VolumeInput(orientation="RAS", size=(96, 96, 64), window=(-1000, 400))
    >>> spec.voxels, [step.do for step in spec.value_steps()]
    ((96, 96, 64), ['window'])
    >>> VolumeInput(orientation="SPL", size=(256, 256), slices=5).voxels
    (5, 256, 256)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    orientation: str
    """Where the three axes of the input run in the patient.

    ``RAS`` as MONAI's ``Orientation``, ``SPL`` (slices to the head, rows to the back, columns to
    the left) as an axial series, or ``stored``.
    """
    size: tuple[_Voxels, _Voxels, _Voxels] | tuple[_Voxels, _Voxels]
    """Voxels an axis of the input; with ``slices`` those of the last two."""
    slices: _Voxels | None = None
    """Of a 2.5-D model: how many slices are its channels."""
    spacing: _Millimetres | tuple[_Millimetres, _Millimetres, _Millimetres] | None = None
    """Of the input's axes, in mm, to which a volume is resampled before it is fitted."""
    fit: Literal["resize", "crop-pad"] = "resize"
    """Stretched into ``size``, or cropped and padded around its middle."""
    resize: Kernel = "trilinear"
    """With ``fit = "resize"``; MONAI's ``Resize`` is ``area`` by default."""
    pad: float | None = None
    """Value of the padding, after the intensity: 0 where that makes 0 to 1 or a z-score."""
    channels: Literal[1, 3] = 1
    """Whether the grey values are repeated."""
    window: _Pair | None = None
    """A fixed window, in the units of the file."""
    percentiles: _Pair | None = None
    """A window between two percentiles of each volume."""
    intensity: Literal["stored", "min-max", "z-score"] = "stored"
    """Of each volume: the units of the file, its extremes, or its mean and standard deviation."""
    range: _Pair | None = None
    """Where 0 and 1 of a window or of the extremes go."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    """Subtracted and divided by at the end."""

    @property
    def voxels(self) -> tuple[int, int, int]:
        """(D, H, W) of the input, in the order of its axes."""
        if len(self.size) == 3:
            return self.size
        return (self.slices or 1, *self.size)

    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Of each axis of the input; None where volumes keep their own."""
        if self.spacing is None or isinstance(self.spacing, tuple):
            return self.spacing
        return (self.spacing,) * 3

    def value_steps(self) -> list[Window | Percentiles | MinMax | ZScore]:
        """What is done to the values before the volume is fitted."""
        if self.window is not None:
            return [Window(low=self.window[0], high=self.window[1])]
        if self.percentiles is not None:
            return [Percentiles(low=self.percentiles[0], high=self.percentiles[1])]
        if self.intensity == "min-max":
            return [MinMax()]
        return [ZScore()] if self.intensity == "z-score" else []

    def scale_steps(self) -> list[Scale | Normalise]:
        """What is done to the values at the end."""
        if self.range is not None:
            return [Scale(black=self.range[0], white=self.range[1])]
        if self.mean is not None and self.std is not None:
            return [Normalise(mean=self.mean, std=self.std)]
        return []

    @model_validator(mode="after")
    def _checked(self) -> VolumeInput:
        if self.orientation != AS_STORED and not is_orientation(self.orientation):
            raise ValueError(
                f"orientation = {self.orientation!r} is none: write one of R or L, A or P, S or I "
                'for each axis of the input, such as "RAS", or "stored"'
            )
        self._check_size()
        self._check_values()
        self._check_scale()
        self.value_steps()
        self.scale_steps()
        return self

    def _check_size(self) -> None:
        if self.slices is None and len(self.size) == 2:
            raise ValueError("size needs three numbers, or slices = N beside two")
        if self.slices is not None and len(self.size) == 3:
            raise ValueError("with slices, size has two numbers: the slices are channels")
        if self.slices is not None and self.channels != 1:
            raise ValueError("with slices, the channels are the slices")
        if self.fit == "crop-pad" and self.resize != "trilinear":
            raise ValueError('fit = "crop-pad" does not resize')

    def _check_values(self) -> None:
        windows = (self.window, self.percentiles)
        kinds = sum(each is not None for each in windows) + (self.intensity != "stored")
        if kinds > 1:
            raise ValueError("give one of window, percentiles and intensity")
        if self.fit == "crop-pad" and self.pad is None and not self.value_steps():
            raise ValueError(
                'fit = "crop-pad" needs pad, the value of air in the units of the file '
                "(-1000 in a CT), or a window"
            )

    def _check_scale(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together")
        if self.range is not None and self.mean is not None:
            raise ValueError("give either range, or mean and std, not both")
        is_unit = any(
            isinstance(step, (Window, Percentiles, MinMax)) for step in self.value_steps()
        )
        if self.range is not None and not is_unit:
            raise ValueError('range needs a window, percentiles or intensity = "min-max"')
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers is not None and len(numbers) != self.channels:
                raise ValueError(f"{name} has {len(numbers)} values for {self.channels} channels")
