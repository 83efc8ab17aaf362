"""The steps of a preprocessing as data: what ``steps = […]`` of a card may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kernel = Literal["nearest", "nearest-floor", "bilinear", "bicubic", "area", "lanczos"]
Library = Literal["torch", "pillow", "opencv", "skimage"]
Rounding = Literal["8-bit", "float"]
Anchor = Literal["round", "floor", "centre", "top-left"]

_Pixels = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0, le=100)]


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Window(_Step):
    """A fixed window: ``low`` becomes 0 and ``high`` 1; outside it values are cut (``clip``).

    In the units of the file: stored values (0–255 of an 8-bit image), of a DICOM after its rescale
    (Hounsfield units of a CT).
    """

    do: Literal["window"] = "window"
    low: float
    high: float
    clip: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.low >= self.high:
            raise ValueError("window needs low < high")
        return self


class Percentiles(_Step):
    """A window between two percentiles of the image, in percent."""

    do: Literal["percentiles"] = "percentiles"
    low: _Share = 1.0
    high: _Share = 99.0
    clip: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Percentiles:
        if self.low >= self.high:
            raise ValueError("percentiles need low < high")
        return self


class MinMax(_Step):
    """The lowest value of the image becomes 0, its highest 1."""

    do: Literal["min-max"] = "min-max"


class ZScore(_Step):
    """Minus the mean of the image, over its standard deviation; or of each channel."""

    do: Literal["z-score"] = "z-score"
    per_channel: bool = False


class Clahe(_Step):
    """Contrast-limited adaptive histogram equalisation of 0–1.

    ``opencv``: ``createCLAHE(clipLimit=clip, tileGridSize=tiles)`` on 8 bits. ``skimage``:
    ``equalize_adapthist(clip_limit=clip)`` with kernels of image size / ``tiles``.
    """

    do: Literal["clahe"] = "clahe"
    clip: Annotated[float, Field(ge=0)] = 2.0
    tiles: tuple[_Pixels, _Pixels] = (8, 8)
    library: Literal["opencv", "skimage"] = "opencv"


class Equalise(_Step):
    """Histogram equalisation on 8 bits: ``equalizeHist`` of OpenCV, or ``ImageOps.equalize``."""

    do: Literal["equalise"] = "equalise"
    library: Literal["opencv", "pillow"] = "opencv"


class Gamma(_Step):
    """``gain · value ** gamma``, of 0–1."""

    do: Literal["gamma"] = "gamma"
    gamma: Annotated[float, Field(gt=0)]
    gain: Annotated[float, Field(gt=0)] = 1.0


class Invert(_Step):
    """Black and white change places: 1 − value."""

    do: Literal["invert"] = "invert"


class Bgr(_Step):
    """Red and blue change places, as OpenCV's ``imread`` has them; nothing on a grey image."""

    do: Literal["bgr"] = "bgr"


class Quantise(_Step):
    """To whole 8-bit grey levels: cut off, as ``(255 * x).astype("uint8")``, or rounded."""

    do: Literal["8-bit"] = "8-bit"
    rounding: Literal["cut", "nearest"] = "nearest"


class Scale(_Step):
    """0 becomes ``black``, 1 becomes ``white``."""

    do: Literal["scale"] = "scale"
    black: float = 0.0
    white: float = 1.0

    @model_validator(mode="after")
    def _different(self) -> Scale:
        if self.black == self.white:
            raise ValueError("scale needs two different ends")
        return self


class Normalise(_Step):
    """Minus ``mean``, over ``std``: one number for all channels, or one a channel."""

    do: Literal["normalise"] = "normalise"
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _paired(self) -> Normalise:
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError("mean and std are 1 or 3 numbers each, as many of one as of the other")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        return self


class Resize(_Step):
    """To ``size``; or so that the shorter or longer side is given; or to fit ``inside``.

    Attributes:
        size: height and width in pixels.
        short: shorter side in pixels, the aspect ratio kept.
        other_side: whether the longer side that follows from ``short`` is cut to whole pixels, as
            torchvision does, or rounded.
        long: longer side in pixels, the aspect ratio kept.
        inside: the largest size of the image's aspect ratio within this height and width.
        kernel: ``nearest-floor`` is the older nearest of torch and OpenCV, half a pixel off.
        antialias: of torch and scikit-image; Pillow always does, OpenCV never.
        library: whose resize it is.
        rounding: whether the resized values are whole 8-bit levels; None: of Pillow they are.
    """

    do: Literal["resize"] = "resize"
    size: tuple[_Pixels, _Pixels] | None = None
    short: _Pixels | None = None
    other_side: Literal["cut", "rounded"] = "cut"
    long: _Pixels | None = None
    inside: tuple[_Pixels, _Pixels] | None = None
    kernel: Kernel = "bilinear"
    antialias: bool = True
    library: Library = "torch"
    rounding: Rounding | None = None

    @property
    def eight_bit(self) -> bool:
        """Whether the resized values are whole 8-bit levels."""
        return (self.rounding or ("8-bit" if self.library == "pillow" else "float")) == "8-bit"

    @model_validator(mode="after")
    def _possible(self) -> Resize:
        sizes = (self.size, self.short, self.long, self.inside)
        if sum(each is not None for each in sizes) != 1:
            raise ValueError("resize needs one of size, short, long, inside")
        missing = {"torch": ("lanczos",), "skimage": ("area", "lanczos")}
        if self.kernel in missing.get(self.library, ()):
            raise ValueError(f"{self.library} has no {self.kernel} resize")
        return self


class Crop(_Step):
    """A centred window of ``size``; where the image is smaller, zeros are added.

    ``anchor`` is the rule for its first pixel: ``round`` (torchvision, timm), ``floor`` (half of
    the rest, rounded down), ``centre`` (MONAI), or ``top-left``.
    """

    do: Literal["crop"] = "crop"
    size: tuple[_Pixels, _Pixels]
    anchor: Anchor = "round"


class CropShare(_Step):
    """The largest centred window of height / width = ``aspect``, times ``share``."""

    do: Literal["crop-share"] = "crop-share"
    aspect: Annotated[float, Field(gt=0)] = 1.0
    share: Annotated[float, Field(gt=0, le=1)] = 1.0


class Pad(_Step):
    """Pixels of ``value`` around the image: up to ``size``, or to a square.

    A side that is long enough stays.
    """

    do: Literal["pad"] = "pad"
    size: tuple[_Pixels, _Pixels] | None = None
    value: float = 0.0
    anchor: Literal["centre", "top-left"] = "centre"


Step = Annotated[
    Window
    | Percentiles
    | MinMax
    | ZScore
    | Clahe
    | Equalise
    | Gamma
    | Invert
    | Bgr
    | Quantise
    | Scale
    | Normalise
    | Resize
    | Crop
    | CropShare
    | Pad,
    Field(discriminator="do"),
]
"""One step; its ``do`` says which."""

_NO_VALUES = (Resize, Crop, CropShare, Pad, Bgr)
"""What moves values and leaves each as it is, or interpolates between them."""

AFTER_SCALE = (*_NO_VALUES, Scale, Normalise, ZScore, MinMax, Percentiles)
"""What is possible on values that are no longer 0 to 1."""


def output_size(steps: tuple[Step, ...]) -> tuple[int, int] | None:
    """Height and width after the steps; None where they depend on the image.

    Args:
        steps: in their order.

    >>> output_size((Resize(short=256), Crop(size=(224, 224))))
    (224, 224)
    """
    size: tuple[int, int] | None = None
    for step in steps:
        if isinstance(step, (Resize, Crop)):
            size = step.size
        elif isinstance(step, Pad) and size is None:
            # Of an image that was fitted inside it; of a larger one the size stays unknown.
            size = step.size
        elif isinstance(step, CropShare):
            size = None
    return size


def check_order(steps: tuple[Step, ...]) -> None:
    """Check that each step gets values that it can work on.

    Args:
        steps: in their order.

    Raises:
        ValueError: a window of stored values that is not the first change of values; a step of
            0–1 after ``scale``, ``normalise`` or ``z-score``.

    >>> check_order((Normalise(mean=(0.5,), std=(0.5,)), Clahe()))
    Traceback (most recent call last):
        ...
    ValueError: steps: clahe works on 0 to 1, but it comes after normalise
    """
    changed, scaled = "", ""
    for step in steps:
        if isinstance(step, Window) and changed:
            raise ValueError(f"steps: window is of stored values, but it comes after {changed}")
        eight_bit = isinstance(step, Resize) and step.eight_bit
        if scaled and (eight_bit or not isinstance(step, AFTER_SCALE)):
            what = "an 8-bit resize" if eight_bit else step.do
            raise ValueError(f"steps: {what} works on 0 to 1, but it comes after {scaled}")
        if not isinstance(step, _NO_VALUES):
            changed = step.do
        if isinstance(step, (Scale, Normalise, ZScore)):
            scaled = step.do
        elif isinstance(step, (MinMax, Percentiles)):
            scaled = ""
