"""The usual pipelines: a grid of sizes, intensities, scales, fits and resizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from pydantic import ValidationError

from camlucida.models.assumptions import IMAGENET
from camlucida.models.preprocessing.spec import ALWAYS, InputSpec
from camlucida.models.preprocessing.steps import (
    Anchor,
    Crop,
    Resize,
    Step,
)

Fields = Mapping[str, Any]

SCALE_KEYS = ("range", "mean", "std")

Options = tuple[tuple[int, Fields], ...]
"""What a part of a candidate may be, each with its cost: the likely ones have 0."""

_SIZES = (
    *((224, 0), (256, 1), (128, 2), (512, 2), (320, 2), (384, 2), (299, 2)),
    *((64, 3), (96, 3), (160, 3), (192, 3), (448, 3)),
)
SIZES: Options = tuple((cost, {"size": size}) for size, cost in _SIZES)
"""Heights and widths in pixels that networks are usually trained at."""

_CUT = {"eight_bit": "cut"}

INTENSITIES: Options = (
    (0, {}),
    (1, {"intensity": "min-max"}),
    (1, {"intensity": "min-max", **_CUT}),
    (2, {"percentiles": (1.0, 99.0), **_CUT}),
    (2, {"percentiles": (1.0, 99.0)}),
    (3, {"percentiles": (0.5, 99.5), **_CUT}),
    (3, {"percentiles": (0.5, 99.5)}),
    (3, {"percentiles": (2.0, 98.0), **_CUT}),
    (3, {"percentiles": (2.0, 98.0)}),
    (3, {"clahe": {"clip": 2.0}}),
    (4, {"percentiles": (5.0, 95.0), **_CUT}),
    (4, {"percentiles": (5.0, 95.0)}),
    (4, {"clahe": {"clip": 4.0}}),
    (4, {"clahe": {"clip": 0.01, "library": "skimage"}}),
    (4, {"invert": True}),
)

DICOM_INTENSITIES: Options = (
    (1, {"dicom": "windowed"}),
    (2, {"monochrome1": "as-stored"}),
    (2, {"monochrome1": "as-stored", "intensity": "min-max"}),
    (2, {"monochrome1": "as-stored", "intensity": "min-max", **_CUT}),
    (3, {"monochrome1": "as-stored", "percentiles": (1.0, 99.0), **_CUT}),
    (3, {"dicom": "windowed", "clahe": {"clip": 2.0}}),
)
"""Only of DICOM files."""

FITS: Options = (
    (0, {"fit": "stretch"}),
    (1, {"fit": "short-side"}),
    (1, {"fit": "pad"}),
    (1, {"fit": "short-side", "crop": 0.875}),
    (2, {"fit": "center-crop"}),
    (3, {"fit": "short-side", "crop": 0.95}),
    (3, {"fit": "short-side", "crop": 0.9}),
)

RESIZES: Options = (
    (0, {"resize": "antialias"}),
    (0, {"resize": "bilinear", "library": "pillow"}),
    (1, {"resize": "bicubic", "library": "pillow"}),
    (1, {"resize": "bilinear", "library": "opencv", "rounding": "8-bit"}),
    (1, {"resize": "area", "library": "opencv", "rounding": "8-bit"}),
    (1, {"resize": "bilinear"}),
    (2, {"resize": "lanczos", "library": "pillow"}),
    (2, {"resize": "nearest", "library": "pillow"}),
    (2, {"resize": "bicubic", "library": "opencv", "rounding": "8-bit"}),
    (2, {"resize": "bicubic"}),
    (2, {"resize": "bicubic-antialias"}),
    (3, {"resize": "antialias", "rounding": "8-bit"}),
    (3, {"resize": "area"}),
    (3, {"resize": "nearest"}),
    (3, {"resize": "antialias", "library": "skimage"}),
)


def scales(channels: int) -> Options:
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
        (0, {"mean": mean, "std": std}),
        (1, {}),
        (1, {"range": (-1.0, 1.0)}),
        (2, {"intensity": "z-score"}),
        (3, {"mean": half, "std": quarter}),
        (3, {"range": (0.0, 255.0)}),
        (3, {"range": (-1024.0, 1024.0)}),
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
    def keys(self) -> dict[str, Any]:
        """All keys of ``[input]``."""
        image = {**self.fixed, **self.size, **self.intensity, **self.fit, **self.resize}
        return {**image, **self.scale}

    def spec(self) -> InputSpec:
        """The pipeline.

        Raises:
            ValueError: no card can say it.
        """
        return InputSpec.model_validate(self.keys)

    def with_each(self, **axes: Sequence[Fields]) -> Iterator[Candidate]:
        """The candidate with each combination of these parts.

        >>> fits = [fit for _, fit in FITS[:2]]
        >>> [each.keys for each in Candidate().with_each(size=[{"size": 64}], fit=fits)]
        [{'size': 64, 'fit': 'stretch'}, {'size': 64, 'fit': 'short-side'}]
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


@dataclass(frozen=True)
class Grid:
    """What each part of a pipeline may be, beginning with what a card states.

    Attributes:
        base: what the card states.
        options: part → what it may be.
    """

    base: Candidate
    options: Mapping[str, Options]

    @classmethod
    def around(cls, base: Candidate, channels: int, open_size: bool, dicom: bool) -> Grid:
        """The usual pipelines.

        Args:
            base: what the card states.
            channels: of the model's input, 1 or 3.
            open_size: whether the size is only assumed.
            dicom: whether there are DICOM files among the images.
        """
        usual: dict[str, Options] = {
            "scale": scales(channels),
            "fit": FITS,
            "resize": RESIZES,
            "intensity": INTENSITIES + (DICOM_INTENSITIES if dicom else ()),
            "size": SIZES if open_size else (),
        }
        return cls(base, {part: _stated_first(getattr(base, part), usual[part]) for part in usual})

    def each(self, *parts: str) -> dict[str, list[Fields]]:
        """The options of some parts, as :meth:`Candidate.with_each` takes them."""
        axes = {}
        for part in parts:
            axes[part] = [fields for _, fields in self.options[part]]
        return axes

    def by_likelihood(self) -> Iterator[Candidate]:
        """All pipelines, those of the lowest cost first.

        >>> grid = Grid.around(Candidate(), 1, open_size=False, dicom=False)
        >>> next(grid.by_likelihood()).keys
        {}
        """
        counts = [len(options) for options in self.options.values()]
        costs = np.zeros(counts, np.int16)
        for axis, options in enumerate(self.options.values()):
            along_axis = [-1 if k == axis else 1 for k in range(len(counts))]
            costs += np.array([cost for cost, _ in options], np.int16).reshape(along_axis)
        for flat in costs.argsort(axis=None, kind="stable"):
            choice = np.unravel_index(flat, counts)
            yield self._candidate(choice)

    def _candidate(self, choice: Sequence[int]) -> Candidate:
        parts = {}
        for (part, options), k in zip(self.options.items(), choice):
            parts[part] = options[k][1]
        return replace(self.base, **parts)


def _stated_first(stated: Fields, usual: Options) -> Options:
    others = [(cost, fields) for cost, fields in usual if fields != stated]
    return ((0, stated), *others)


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


def stepwise(spec: InputSpec) -> list[InputSpec]:
    """A pipeline with the rounding of sides and the first pixel of other training scripts.

    No simple key says these; they are written as steps.

    Args:
        spec: the pipeline.

    >>> len(stepwise(InputSpec(size=64, fit="short-side"))), len(stepwise(InputSpec(size=64)))
    (5, 0)
    """
    stated = spec.model_dump(include=set(ALWAYS) - {"steps", "transform"}, exclude_defaults=True)
    variants = []
    for anchor, side in product(ANCHORS, SIDES):
        steps = tuple(_fitted(step, anchor, side) for step in spec.pipeline())
        if steps != spec.pipeline():
            written = [step.model_dump() for step in steps]
            fields = {**stated, "size": spec.size, "steps": written}
            variants.append(InputSpec.model_validate(fields))
    return list(dict.fromkeys(variants))


def _fitted(step: Step, anchor: Anchor, side: str) -> Step:
    if isinstance(step, Crop):
        return step.model_copy(update={"anchor": anchor})
    if isinstance(step, Resize) and step.short is not None:
        return step.model_copy(update={"other_side": side})
    return step


ANCHORS: tuple[Anchor, ...] = ("round", "floor", "centre")
SIDES = ("cut", "rounded")


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
    "fixed": ("channels", "grey", "always_grey", "bgr", "transposed"),
    "size": ("size",),
    "intensity": (
        *("window", "percentiles", "intensity", "clahe", "gamma", "invert"),
        *("dicom", "monochrome1", "eight_bit"),
    ),
    "fit": ("fit", "crop"),
    "resize": ("resize", "library", "rounding"),
    "scale": SCALE_KEYS,
}


def card_keys(spec: InputSpec) -> dict[str, Any]:
    """``[input]`` of a card, without the keys that are as by default.

    Args:
        spec: the preprocessing.

    >>> card_keys(InputSpec(size=64, steps=[{"do": "resize", "size": (64, 64)}]))["steps"]
    [{'do': 'resize', 'size': [64, 64]}]
    """
    keys = spec.model_dump(mode="json", exclude_defaults=True)
    if spec.steps is not None:
        keys["steps"] = [_step_keys(step) for step in spec.steps]
    return keys


def _step_keys(step: Step) -> dict[str, Any]:
    return {"do": step.do, **step.model_dump(mode="json", exclude_defaults=True)}


def described(fields: Fields) -> str:
    """A pipeline as a card has it, on one line.

    Args:
        fields: keys of ``[input]``.

    >>> described({"size": 64, "clahe": {"clip": 2.0}, "mean": (0.5,), "std": (0.25,)})
    'size 64 · clahe clip 2.0 · mean 0.5 · std 0.25'
    >>> described({"steps": [{"do": "min-max"}, {"do": "resize", "short": 64}]})
    'steps min-max, resize short 64'
    """
    return " · ".join(f"{key} {_words(value)}" for key, value in fields.items())


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(
            _words(each) if key == "do" else f"{key} {_words(each)}" for key, each in value.items()
        )
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) and abs(value) >= 10 else str(value)
