"""The usual pipelines: a declared grid of sizes, intensities, scales, fits and resizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from pydantic import ValidationError

from camlucida.models.assumptions import IMAGENET
from camlucida.models.preprocessing.spec import InputSpec

Fields = Mapping[str, Any]

SCALE_KEYS = ("range", "mean", "std")

SIZES = (64, 96, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512)
"""Heights and widths in pixels that networks are usually trained at."""

INTENSITIES: tuple[Fields, ...] = (
    {},
    {"intensity": "min-max"},
    {"percentiles": (1.0, 99.0)},
    {"percentiles": (0.5, 99.5)},
    {"percentiles": (2.0, 98.0)},
    {"percentiles": (5.0, 95.0)},
    {"clahe": {"clip": 2.0}},
    {"clahe": {"clip": 4.0}},
    {"clahe": {"clip": 0.01, "library": "skimage"}},
    {"invert": True},
)

DICOM_INTENSITIES: tuple[Fields, ...] = (
    {"dicom": "windowed"},
    {"monochrome1": "as-stored"},
    {"monochrome1": "as-stored", "intensity": "min-max"},
    {"monochrome1": "as-stored", "percentiles": (1.0, 99.0)},
    {"dicom": "windowed", "clahe": {"clip": 2.0}},
)
"""Only of DICOM files."""

FIRST_INTENSITIES = INTENSITIES[:2]
"""Those that decide the basin: the file's scale, or that of each image."""

FITS: tuple[Fields, ...] = (
    {"fit": "stretch"},
    {"fit": "pad"},
    {"fit": "short-side"},
    {"fit": "short-side", "crop": 0.875},
    {"fit": "short-side", "crop": 0.95},
    {"fit": "short-side", "crop": 0.9},
    {"fit": "center-crop"},
)

RESIZES: tuple[Fields, ...] = (
    {"resize": "antialias"},
    {"resize": "bilinear", "library": "pillow"},
    {"resize": "bicubic", "library": "pillow"},
    {"resize": "lanczos", "library": "pillow"},
    {"resize": "nearest", "library": "pillow"},
    {"resize": "bilinear", "library": "opencv", "rounding": "8-bit"},
    {"resize": "bicubic", "library": "opencv", "rounding": "8-bit"},
    {"resize": "area", "library": "opencv", "rounding": "8-bit"},
    {"resize": "bilinear"},
    {"resize": "bicubic"},
    {"resize": "bicubic-antialias"},
    {"resize": "antialias", "rounding": "8-bit"},
    {"resize": "area"},
    {"resize": "nearest"},
    {"resize": "antialias", "library": "skimage"},
)


def scales(channels: int) -> tuple[Fields, ...]:
    """The usual scales of a model of this many channels.

    Args:
        channels: 1 or 3.

    >>> len(scales(1)), len(scales(3))
    (7, 7)
    """
    grey = (0.449,), (0.226,)
    mean, std = IMAGENET if channels == 3 else grey
    half = (0.5,) * channels
    quarter = (0.25,) * channels
    return (
        {},
        {"mean": mean, "std": std},
        {"range": (-1.0, 1.0)},
        {"range": (-1024.0, 1024.0)},
        {"range": (0.0, 255.0)},
        {"mean": half, "std": quarter},
        {"intensity": "z-score"},
    )


@dataclass(frozen=True)
class Candidate:
    """One pipeline of the grid, by its parts; each part is some keys of ``[input]``.

    Attributes:
        fixed: what is known: channels, for instance.
        size: of the input.
        intensity: window, contrast, polarity.
        fit: how the image is fitted into the size.
        resize: kernel and library.
        scale: of the model's input.
    """

    fixed: Fields = field(default_factory=dict)
    size: Fields = field(default_factory=dict)
    intensity: Fields = field(default_factory=dict)
    fit: Fields = field(default_factory=dict)
    resize: Fields = field(default_factory=dict)
    scale: Fields = field(default_factory=dict)

    @property
    def unscaled(self) -> dict[str, Any]:
        """Keys of the image in 0 to 1, before the model's scale."""
        return {**self.fixed, **self.size, **self.intensity, **self.fit, **self.resize}

    @property
    def keys(self) -> dict[str, Any]:
        """All keys of ``[input]``."""
        return {**self.unscaled, **self.scale}

    def spec(self) -> InputSpec:
        """The pipeline.

        Raises:
            ValueError: no card can say it.
        """
        return InputSpec.model_validate(self.keys)

    def with_each(self, **axes: Sequence[Fields]) -> Iterator[Candidate]:
        """The candidate with each combination of these parts.

        >>> [each.keys for each in Candidate().with_each(size=[{"size": 64}], fit=FITS[:2])]
        [{'size': 64, 'fit': 'stretch'}, {'size': 64, 'fit': 'pad'}]
        """
        for choice in product(*axes.values()):
            yield replace(self, **dict(zip(axes, choice)))

    @property
    def possible(self) -> bool:
        """Whether a card can say it."""
        # A min–max of the image and its z-score are one key.
        if "intensity" in self.intensity and "intensity" in self.scale:
            return False
        try:
            self.spec()
        except ValidationError:
            return False
        return True


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates that a card can say, each pipeline once.

    Args:
        candidates: in their order.

    >>> twice = Candidate(size={"size": 64}), Candidate(size={"size": 64}, fit={"fit": "stretch"})
    >>> len(distinct(twice))
    1
    """
    by_pipeline: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.possible:
            by_pipeline.setdefault(candidate.spec().model_dump_json(), candidate)
    return list(by_pipeline.values())


def parts_of(spec: InputSpec) -> Candidate:
    """A pipeline of simple keys as a candidate.

    Args:
        spec: what a card states.

    >>> parts_of(InputSpec(size=64, fit="pad")).fit
    {'fit': 'pad'}
    """
    stated = spec.model_dump(exclude_defaults=True)
    parts: dict[str, dict[str, Any]] = {name: {} for name in _PART_OF}
    for key, value in stated.items():
        scale = key == "intensity" and value == "z-score"
        part = "scale" if scale else next(name for name, keys in _PART_OF.items() if key in keys)
        parts[part][key] = value
    return Candidate(**parts)


_PART_OF = {
    "fixed": ("channels", "grey", "always_grey"),
    "size": ("size",),
    "intensity": (
        *("window", "percentiles", "intensity", "clahe", "gamma", "invert"),
        *("dicom", "monochrome1"),
    ),
    "fit": ("fit", "crop"),
    "resize": ("resize", "library", "rounding"),
    "scale": SCALE_KEYS,
}


def described(fields: Fields) -> str:
    """A pipeline as a card has it, on one line.

    Args:
        fields: keys of ``[input]``.

    >>> described({"size": 64, "clahe": {"clip": 2.0}, "mean": (0.5,), "std": (0.25,)})
    'size 64 · clahe clip 2.0 · mean 0.5 · std 0.25'
    """
    return " · ".join(f"{key} {_words(value)}" for key, value in fields.items())


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_words(each)}" for key, each in value.items())
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) and abs(value) >= 10 else str(value)
