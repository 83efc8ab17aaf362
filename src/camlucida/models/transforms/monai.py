"""Transforms of MONAI, of arrays and of dictionaries, for two-dimensional images.

Their formulae are those of its documentation: percentiles and ranges map linearly onto
``b_min … b_max``, ``NormalizeIntensity`` divides by the standard deviation of the population.
"""

from __future__ import annotations

from typing import Any

from camlucida.models.transforms.reading import Reader, Reading, name_of, numbers, pair


def _inner(transform: Any, *names: str) -> Any:
    """The transform of arrays inside one of dictionaries; itself where there is none."""
    for name in names:
        if hasattr(transform, name):
            return getattr(transform, name)
    return transform


def _one(value: Any) -> Any:
    """A setting for each key as that of the first."""
    return value[0] if isinstance(value, (tuple, list)) else value


def _text(value: Any) -> str:
    return str(getattr(value, "value", value)).lower()


def _load(reading: Reading, transform: Any) -> None:
    # MONAI's readers hand an image over as (width, height), unless they are set to keep the axes.
    if not _is_upright(_inner(transform, "_loader")):
        reading.transposed = not reading.transposed
    reading.backend = "floats"
    reading.fields["grey"] = "itu"
    reading.add("scale", black=0, white=255)


def _is_upright(loader: Any) -> bool:
    """Whether the reader of pictures keeps rows and columns where they are."""
    readers = list(getattr(loader, "readers", ()))
    if getattr(loader, "auto_select", True):
        readers = [reader for reader in readers if name_of(reader) == "PILReader"]
    # Of several that were named, the last one is tried first.
    last = readers[-1] if readers else None
    return not (getattr(last, "reverse_indexing", True) and getattr(last, "swap_ij", True))


def _nothing(reading: Reading, transform: Any) -> None:
    """It changes no values."""


def _transpose(reading: Reading, transform: Any) -> None:
    indices = [int(index) for index in numbers(_inner(transform, "transform").indices)]
    if indices == [0, 2, 1]:
        reading.transposed = not reading.transposed
    elif indices != [0, 1, 2]:
        reading.refuse(transform, f"has indices {indices}, which a card cannot say")


def _ends(reading: Reading, transform: Any, low: Any, high: Any) -> None:
    if low is None or high is None:
        reading.refuse(transform, "keeps the range of each image")
    if (low, high) != (0, 1):
        reading.add("scale", black=float(low), white=float(high))


def _scale(reading: Reading, transform: Any) -> None:
    scaler = _inner(transform, "scaler")
    if scaler.minv is None or getattr(scaler, "channel_wise", False):
        reading.refuse(transform, "scales by a factor, or each channel by itself")
    reading.add("min-max")
    _ends(reading, transform, scaler.minv, scaler.maxv)


def _range(reading: Reading, transform: Any) -> None:
    scaler = _inner(transform, "scaler")
    if any(step["do"] not in ("scale", "resize", "crop", "pad") for step in reading.steps):
        reading.refuse(transform, "comes after a step that changes values")
    # Its ends are in the units of the file, as those of a window.
    reading.steps = [step for step in reading.steps if step["do"] != "scale"]
    low, high = float(scaler.a_min), float(scaler.a_max)
    reading.add("window", low=low, high=high, clip=bool(scaler.clip))
    _ends(reading, transform, scaler.b_min, scaler.b_max)


def _percentiles(reading: Reading, transform: Any) -> None:
    scaler = _inner(transform, "scaler")
    if scaler.relative or getattr(scaler, "channel_wise", False):
        reading.refuse(transform, "is relative, or scales each channel by itself")
    low, high = float(scaler.lower), float(scaler.upper)
    reading.add("percentiles", low=low, high=high, clip=bool(scaler.clip))
    _ends(reading, transform, scaler.b_min, scaler.b_max)


def _normalise(reading: Reading, transform: Any) -> None:
    normaliser = _inner(transform, "normalizer")
    if normaliser.nonzero:
        reading.refuse(transform, "leaves zeros out")
    if normaliser.subtrahend is None and normaliser.divisor is None:
        reading.add("z-score", per_channel=bool(normaliser.channel_wise))
    elif normaliser.subtrahend is None or normaliser.divisor is None:
        reading.refuse(transform, "has a subtrahend or a divisor, not both")
    else:
        reading.normalise(normaliser.subtrahend, normaliser.divisor)


def _contrast(reading: Reading, transform: Any) -> None:
    adjuster = _inner(transform, "adjuster")
    plain = not getattr(adjuster, "invert_image", False)
    plain &= not getattr(adjuster, "retain_stats", False)
    if not plain or not reading.steps or reading.steps[-1]["do"] != "min-max":
        reading.refuse(transform, "is read only directly after ScaleIntensity to 0–1")
    reading.add("gamma", gamma=float(adjuster.gamma))


def _resize(reading: Reading, transform: Any) -> None:
    resizer = _inner(transform, "resizer")
    mode = _text(_one(getattr(transform, "mode", resizer.mode)))
    kernels = {"nearest": "nearest-floor", "nearest-exact": "nearest", "linear": "bilinear"}
    kernel = kernels.get(mode, mode)
    if kernel not in ("nearest", "nearest-floor", "bilinear", "bicubic", "area"):
        reading.refuse(transform, f"interpolates by {mode!r}, which a card cannot")
    if _one(getattr(transform, "align_corners", None)):
        reading.refuse(transform, "aligns corners")
    if _one(getattr(transform, "anti_aliasing", False)):
        reading.refuse(transform, "smooths before it resizes (anti_aliasing)")
    settings = {"kernel": kernel, "antialias": False}
    if _text(resizer.size_mode) == "longest":
        reading.add("resize", long=int(numbers(resizer.spatial_size)[0]), **settings)
    else:
        reading.add("resize", size=_size(reading, resizer.spatial_size), **settings)


def _size(reading: Reading, size: Any) -> list[int]:
    """Rows and columns, whichever way the image lies now."""
    sides = pair(size)[:2]
    return sides[::-1] if reading.transposed else sides


def _crop(reading: Reading, transform: Any) -> None:
    cropper = _inner(transform, "cropper")
    reading.add("crop", size=_size(reading, cropper.roi_size), anchor="centre")


def _pad_or_crop(reading: Reading, transform: Any) -> None:
    inner = _inner(transform, "padder")
    # Of a dictionary the padder is a whole ResizeWithPadOrCrop in some versions.
    padder = _inner(inner, "padder")
    reading.add("crop", size=_size(reading, padder.spatial_size), anchor="centre")


def _pad(reading: Reading, transform: Any) -> None:
    padder = _inner(transform, "padder")
    mode = _text(_one(getattr(transform, "mode", padder.mode)))
    if mode != "constant":
        reading.refuse(transform, f"pads by {mode!r}, which a card cannot")
    settings = getattr(padder, "kwargs", {}) or {}
    value = settings.get("constant_values", settings.get("value", 0))
    end = _text(padder.method) == "end"
    size = _size(reading, padder.spatial_size)
    reading.add("pad", size=size, value=float(value), anchor="top-left" if end else "centre")


def _repeat(reading: Reading, transform: Any) -> None:
    repeats = int(_inner(transform, "repeater").repeats)
    if repeats != 3:
        reading.refuse(transform, f"repeats channels {repeats} times")
    reading.fields["channels"] = 3


MONAI: dict[str, Reader] = {
    "LoadImage": _load,
    "EnsureChannelFirst": _nothing,
    "AddChannel": _nothing,
    "EnsureType": _nothing,
    "CastToType": _nothing,
    "ToTensor": _nothing,
    "SelectItems": _nothing,
    "DeleteItems": _nothing,
    "Identity": _nothing,
    "Transpose": _transpose,
    "ScaleIntensity": _scale,
    "ScaleIntensityRange": _range,
    "ScaleIntensityRangePercentiles": _percentiles,
    "NormalizeIntensity": _normalise,
    "AdjustContrast": _contrast,
    "Resize": _resize,
    "CenterSpatialCrop": _crop,
    "ResizeWithPadOrCrop": _pad_or_crop,
    "SpatialPad": _pad,
    "RepeatChannel": _repeat,
}
"""Class, without the ``d`` of dictionaries → how it is read."""


def array_name(name: str) -> str:
    """The name of a transform of arrays: without the ``d`` of dictionaries.

    >>> array_name("Resized"), array_name("ResizeDict"), array_name("ScaleIntensity")
    ('Resize', 'Resize', 'ScaleIntensity')
    """
    for suffix in ("Dict", "d", "D"):
        if name.removesuffix(suffix) in MONAI:
            return name.removesuffix(suffix)
    return name
