"""``[input]`` of a model card: what the model was trained on."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from camlucida.models.preprocessing.steps import (
    Bgr,
    Clahe,
    Crop,
    CropShare,
    Gamma,
    Invert,
    Kernel,
    Library,
    MinMax,
    Normalise,
    Pad,
    Percentiles,
    Quantise,
    Resize,
    Rounding,
    Scale,
    Step,
    Window,
    ZScore,
    check_order,
    output_size,
)

ResizeKind = Literal[
    "antialias", "bilinear", "nearest", "bicubic", "bicubic-antialias", "area", "lanczos"
]

_Pair = tuple[float, float]

ALWAYS = (
    *("size", "channels", "grey", "always_grey", "dicom", "monochrome1"),
    *("transposed", "transform", "steps"),
)
"""Keys that may stand beside ``steps``."""


LARGEST = 16_384
"""Pixels a side of a model's input; a larger one is a slip of the keyboard."""


class InputSpec(BaseModel):
    """``[input]``: what the model was trained on. Either ``range``, or ``mean`` and ``std``.

    Else [0, 1]. What the simple keys cannot say, ``steps`` can, in its order.

    Raises:
        ValueError: a field of another type or range; both ``range`` and ``mean``; ``mean`` or
            ``std`` alone, or not of one value a channel; two kinds of intensity; ``steps`` beside
            keys that they replace.

    >>> InputSpec(size=512, channels=1, range=(-1, 1)).height_width
    (512, 512)
    >>> [step.do for step in InputSpec(percentiles=(1, 99), fit="pad").pipeline()]
    ['percentiles', 'resize', 'pad']
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    size: int | tuple[int, int] = 224
    """Height and width in pixels, or one number for a square."""
    channels: Literal[1, 3] = 3
    range: tuple[float, float] | None = None
    """Value of black and of white (the ends of the full grey scale, not of this image)."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    """Per channel, applied after scaling to [0, 1]."""
    resize: ResizeKind = "antialias"
    library: Library = "torch"
    """Whose resize: those of Pillow and OpenCV differ from torch's."""
    rounding: Rounding | None = None
    """Whether resized values are whole 8-bit levels; by default Pillow's are."""
    fit: Literal["stretch", "center-crop", "short-side", "pad"] = "stretch"
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """With ``fit = "center-crop"`` or ``"short-side"``.

    The share of the largest fitting window that is kept (0.875 for 256 → 224).
    """
    dicom: Literal["stored", "windowed"] = "stored"
    """DICOM pixels for the model.

    The stored values over their bit depth, or the windowed display values.
    """
    monochrome1: Literal["inverted", "as-stored"] = "inverted"
    """Polarity of MONOCHROME1: shown as a film, or as the file stores it."""
    transposed: bool = False
    """Whether the network was trained on images with rows and columns exchanged.

    All sizes are of images as they lie: the network's kernels are exchanged in place of the images
    (:mod:`camlucida.models.exchanged_axes`).
    """
    invert: bool = False
    """Whether black and white change places, in every image."""
    bgr: bool = False
    """Whether red and blue change places; ``mean`` and ``std`` are then in this order as well."""
    window: _Pair | None = None
    """A fixed window, in the units of the file; see :class:`.steps.Window`."""
    percentiles: _Pair | None = None
    """A window between two percentiles of each image."""
    intensity: Literal["stored", "min-max", "z-score"] = "stored"
    """Of each image: its full scale, its extremes, or its mean and standard deviation."""
    clahe: Clahe | None = None
    gamma: Annotated[float, Field(gt=0)] | None = None
    eight_bit: Literal["cut", "nearest"] | None = None
    """Whether the image becomes one of whole 8-bit levels before it is fitted into its size.

    ``(255 * x).astype("uint8")`` cuts the rest off.
    """
    grey: Literal["mean", "itu"] = "mean"
    """Colour to grey: the mean, or 0.299 red + 0.587 green + 0.114 blue."""
    always_grey: bool = False
    """Whether colour images lose their colour for 3 channels too."""
    transform: str | None = None
    """A transform in Python, ``train.py:val_transform``; it is read into ``steps``."""
    steps: tuple[Step, ...] | None = None
    """The whole preprocessing in its order, where the keys above do not suffice."""

    @property
    def height_width(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def pipeline(self) -> tuple[Step, ...]:
        """The steps that the card's keys stand for, in their order."""
        if self.steps is not None:
            return self.steps
        if self.transform is not None:
            raise ValueError(f"transform {self.transform!r} has not been read into steps yet")
        return (*self._values(), *self._fitting(), *self._scaling())

    def _values(self) -> list[Step]:
        steps: list[Step] = [Bgr()] if self.bgr else []
        if self.window is not None:
            steps.append(Window(low=self.window[0], high=self.window[1]))
        if self.percentiles is not None:
            steps.append(Percentiles(low=self.percentiles[0], high=self.percentiles[1]))
        if self.intensity == "min-max":
            steps.append(MinMax())
        if self.invert:
            steps.append(Invert())
        if self.clahe is not None:
            steps.append(self.clahe)
        if self.gamma is not None:
            steps.append(Gamma(gamma=self.gamma))
        if self.eight_bit is not None:
            steps.append(Quantise(rounding=self.eight_bit))
        return steps

    def _fitting(self) -> list[Step]:
        size = self.height_width
        if self.fit == "center-crop":
            aspect = size[0] / size[1]
            return [CropShare(aspect=aspect, share=self.crop), self._resize(size=size)]
        if self.fit == "short-side":
            # As timm does; 224 / 0.875 is 256.
            short = math.floor(min(size) / self.crop)
            return [self._resize(short=short), Crop(size=size)]
        if self.fit == "pad":
            # Resized before padding: the other way round, black would bleed into the border.
            return [self._resize(inside=size), Pad(size=size)]
        return [self._resize(size=size)]

    def _resize(self, **to: Any) -> Resize:
        kernel, antialias = _KERNELS[self.resize]
        return Resize(
            kernel=kernel, antialias=antialias, library=self.library, rounding=self.rounding, **to
        )

    def _scaling(self) -> list[Step]:
        if self.intensity == "z-score":
            return [ZScore()]
        if self.range is not None:
            return [Scale(black=self.range[0], white=self.range[1])]
        if self.mean is not None and self.std is not None:
            return [Normalise(mean=self.mean, std=self.std)]
        return []

    @model_validator(mode="before")
    @classmethod
    def _size_of_steps(cls, data: Any) -> Any:
        """Steps have a size of their own, which may then be left out."""
        if not isinstance(data, dict) or not data.get("steps") or "size" in data:
            return data
        try:
            probe = _Steps.model_validate({"steps": data["steps"]})
        except ValueError:
            return data  # the steps are refused with their own message
        size = output_size(probe.steps)
        return data if size is None else {**data, "size": size}

    @model_validator(mode="after")
    def _checked(self) -> InputSpec:
        self._check_scale()
        if min(self.height_width) < 1:
            raise ValueError("size must be at least 1 pixel")
        if max(self.height_width) > LARGEST:
            raise ValueError(f"size must be at most {LARGEST} pixels a side")
        if self.steps is not None:
            self._check_steps(self.steps)
        elif self.transform is None:
            self._check_intensity()
        return self

    def _check_scale(self) -> None:
        if self.range is not None and (self.mean is not None or self.std is not None):
            raise ValueError("give either range, or mean and std, not both")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("std must be positive")
        if self.range is not None and self.range[0] == self.range[1]:
            raise ValueError("range needs two different ends")

    def _check_intensity(self) -> None:
        windows = (self.window, self.percentiles)
        kinds = sum(each is not None for each in windows) + (self.intensity != "stored")
        if kinds > 1:
            raise ValueError("give one of window, percentiles and intensity, or write steps")
        if self.intensity == "z-score" and (self.range or self.mean):
            raise ValueError('intensity = "z-score" replaces range, mean and std')
        self._check_bgr(self.bgr)
        check_order(self.pipeline())

    def _check_bgr(self, stated: bool) -> None:
        if stated and self.channels == 1:
            raise ValueError("bgr exchanges red and blue, and the model has one channel")

    def _check_steps(self, steps: tuple[Step, ...]) -> None:
        replaced = sorted(self.model_fields_set - set(ALWAYS))
        stated = [name for name in replaced if getattr(self, name) != _DEFAULTS[name].default]
        if stated:
            raise ValueError(f"steps replace {', '.join(stated)}: write it as a step")
        size = output_size(steps)
        if size is None:
            raise ValueError("steps end without a size: add resize or crop with one")
        if size != self.height_width:
            raise ValueError(f"size is {self.height_width}, but the steps end with {size}")
        self._check_bgr(any(isinstance(step, Bgr) for step in steps))
        for step in steps:
            if isinstance(step, Normalise) and len(step.mean) not in (1, self.channels):
                count = len(step.mean)
                raise ValueError(f"normalise has {count} values for {self.channels} channels")
        check_order(steps)


class _Steps(BaseModel):
    steps: tuple[Step, ...]


_DEFAULTS = InputSpec.model_fields

_KERNELS: dict[str, tuple[Kernel, bool]] = {
    "antialias": ("bilinear", True),
    "bilinear": ("bilinear", False),
    "nearest": ("nearest", False),
    "bicubic": ("bicubic", False),
    "bicubic-antialias": ("bicubic", True),
    "area": ("area", False),
    "lanczos": ("lanczos", True),
}
