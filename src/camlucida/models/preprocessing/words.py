"""What was done to an image, as messages."""

from __future__ import annotations

from collections.abc import Mapping

from camlucida.core.messages import Message, Value, declare
from camlucida.core.numbers import number
from camlucida.models.preprocessing.steps import Clahe, Equalise, Normalise, Resize, Scale

declare(
    "preprocessing",
    {
        "window": "pixels: windowed as displayed ({window}), to 0–1",
        "stored": "pixels: stored values over the full scale of {bits} bits, to 0–1",
        "as_stored": (
            "pixels: stored values over the full scale of {bits} bits, to 0–1; "
            "MONOCHROME1 left as stored, its lowest value 0"
        ),
        "unit": "pixels: 0–1",
        "grey": "channels: grey repeated {channels} times",
        "mean": "channels: mean of red, green and blue",
        "itu": "channels: 0.299 red + 0.587 green + 0.114 blue",
        "fixed_window": "window: {low} to {high} in the units of the file, to 0–1",
        "percentiles": "window: percentiles {first} to {last} ({low} to {high}), to 0–1",
        "min_max": "window: lowest to highest value ({low} to {high}), to 0–1",
        "z_score": "scale: minus the mean of the image, over its standard deviation",
        "z_score_channel": "scale: minus the mean of each channel, over its standard deviation",
        "clahe": "contrast: CLAHE as {library}, clip limit {clip}, {columns} × {rows} tiles",
        "equalise": "contrast: histogram equalised as {library}",
        "gamma": "contrast: gamma {gamma}, gain {gain}",
        "bgr": "channels: red and blue exchanged (BGR)",
        "transposed": "axes: rows and columns exchanged, within the network",
        "invert": "polarity: black and white exchanged",
        "cut": "levels: 8 bits, the rest cut off",
        "rounded": "levels: 8 bits, rounded",
        "crop": "crop: rows {top}–{bottom}, columns {left}–{right} of {rows} × {columns}",
        "antialias": "resize: {rows} × {columns} → {height} × {width}, bilinear with antialiasing",
        "bilinear": (
            "resize: {rows} × {columns} → {height} × {width}, bilinear without antialiasing"
        ),
        "nearest": "resize: {rows} × {columns} → {height} × {width}, nearest pixel",
        "resized": "resize: {rows} × {columns} → {height} × {width}, {kernel}",
        "by_library": "{kernel} as {library}",
        "eight_bit": "{kernel}, rounded to 8 bits",
        "kernel_bilinear": "bilinear",
        "kernel_bicubic": "bicubic",
        "kernel_area": "mean of the area",
        "kernel_lanczos": "Lanczos",
        "kernel_nearest": "nearest pixel",
        "kernel_nearest_floor": "nearest pixel, rounded down",
        "with_antialias": "{kernel} with antialiasing",
        "without_antialias": "{kernel} without antialiasing",
        "stretched": "{resize}, width stretched {stretch} times against height",
        "pad": "pad: black rows {above} above, {below} below, columns {left} left, {right} right",
        "pad_value": (
            "pad: rows {above} above, {below} below, columns {left} left, {right} right, "
            "of value {value}"
        ),
        "range": "scale: black to {black}, white to {white}",
        "normalise": "normalise: minus {mean}, over {std}",
        "no_scale": "scale: black 0, white 1",
    },
)

_LIBRARIES = {"torch": "torch", "pillow": "Pillow", "opencv": "OpenCV", "skimage": "scikit-image"}
_SHORT = {("bilinear", True): "antialias", ("bilinear", False): "bilinear"}


def resize(step: Resize, sizes: Mapping[str, int]) -> Message:
    """The note on a resize.

    Args:
        step: the step.
        sizes: rows, columns → height, width.

    >>> sizes = {"rows": 8, "columns": 8, "height": 4, "width": 4}
    >>> str(resize(Resize(size=(4, 4), kernel="bicubic", library="pillow"), sizes))
    'resize: 8 × 8 → 4 × 4, bicubic with antialiasing as Pillow, rounded to 8 bits'
    """
    interpolates = step.kernel in ("bilinear", "bicubic")
    if step.library == "torch" and not step.eight_bit:
        plain = _SHORT.get((step.kernel, step.antialias))
        code = "nearest" if step.kernel == "nearest" else plain
        if code is not None:
            return Message(f"preprocessing.{code}", sizes)
    kernel = Message(f"preprocessing.kernel_{step.kernel.replace('-', '_')}")
    if interpolates:
        always, never = step.library == "pillow", step.library == "opencv"
        antialias = always or (step.antialias and not never)
        code = "with_antialias" if antialias else "without_antialias"
        kernel = Message(f"preprocessing.{code}", {"kernel": kernel})
    library: dict[str, Value] = {"kernel": kernel, "library": _LIBRARIES[step.library]}
    kernel = Message("preprocessing.by_library", library)
    if step.eight_bit:
        kernel = Message("preprocessing.eight_bit", {"kernel": kernel})
    return Message("preprocessing.resized", {**sizes, "kernel": kernel})


def equalisation(step: Clahe | Equalise) -> Message:
    """The note on an equalisation of the histogram.

    Args:
        step: the step.

    >>> str(equalisation(Clahe(clip=2)))
    'contrast: CLAHE as OpenCV, clip limit 2, 8 × 8 tiles'
    """
    library = _LIBRARIES[step.library]
    if isinstance(step, Equalise):
        return Message("preprocessing.equalise", {"library": library})
    columns, rows = step.tiles
    tiles = {"columns": columns, "rows": rows}
    values: dict[str, Value] = {"library": library, "clip": f"{step.clip:g}", **tiles}
    return Message("preprocessing.clahe", values)


def scale(step: Scale | Normalise) -> Message:
    """The note on the model's scale.

    Args:
        step: the step.

    >>> str(scale(Scale(black=-1)))
    'scale: black to −1, white to 1'
    """
    if isinstance(step, Scale):
        ends = {"black": number(step.black, "g"), "white": number(step.white, "g")}
        return Message("preprocessing.range", ends)
    values = {"mean": str(list(step.mean)), "std": str(list(step.std))}
    return Message("preprocessing.normalise", values)
