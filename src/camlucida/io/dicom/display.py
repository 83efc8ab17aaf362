"""How a grey DICOM frame is shown: rescale → window → polarity, on plain arrays.

Polarity is applied exactly once, inside the window, by swapping its ends: so MONOCHROME1 and the
same image stored as MONOCHROME2 give the same numbers, not only the same up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from camlucida.core.messages import Message, declare
from camlucida.io.dicom.header import code, number
from camlucida.io.dicom.lookup import look_up, table
from camlucida.io.grey_levels import window_ends

declare(
    "image",
    {
        "window_unusable": (
            "the file's window is unusable ({problem}): shown over the range of its pixels"
        ),
        "polarity": "PresentationLUTShape {shape} contradicts {name}; {name} was followed",
    },
)

_KEYWORDS = (
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PresentationLUTShape",
)
# Enhanced multi-frame objects keep the same elements a frame each, inside these items.
_FRAME_ITEMS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")


@dataclass(frozen=True)
class Grey:
    """One grey frame.

    Attributes:
        stored: (H, W) stored values.
        inverted: MONOCHROME1, where the lowest value is white.
        padding: (H, W), True outside the picture; None if there is no padding.
        full_scale: (lowest value, number of steps) of the bit depth.
    """

    stored: NDArray[np.int64]
    inverted: bool
    padding: NDArray[np.bool_] | None
    full_scale: tuple[int, int]


def display_grey(
    dataset: Dataset, frame: int, grey: Grey
) -> tuple[NDArray[np.float64], dict[str, Any], tuple[Message, ...]]:
    """Values for people: (H, W) float64, 0 = black, 1 = white; what window was used; warnings.

    Padding is black. With several windows the first is used; without one, the range of the pixels
    that are no padding.

    Args:
        dataset: the header.
        frame: its number, from 0.
        grey: the frame's stored values.

    Raises:
        ValueError: a lookup table or a number of the header cannot be used.
    """
    rules = frame_rules(dataset, frame)
    values = _rescaled(rules, grey.stored)
    valid = values if grey.padding is None else values[~grey.padding]
    notes = _polarity_notes(rules, grey.inverted)
    unit, window = _windowed(rules, values, grey.inverted)
    if unit is None:
        problem = window.get("unusable")
        if problem:
            notes += (Message("image.window_unusable", {"problem": problem}),)
        low, high = float(valid.min()), float(valid.max())
        window = {"from": "pixel range", "low": low, "high": high}
        if low == high:
            first, steps = grey.full_scale
            ends = _rescaled(rules, np.array([first, first + steps]))
            low, high = float(ends.min()), float(ends.max())
            window = {"from": "bit depth (all pixels are equal)", "low": low, "high": high}
        unit = ramp(values, low, high, grey.inverted)
    if grey.padding is not None:
        unit = np.where(grey.padding, 0.0, unit)
    return unit, window, notes


def frame_rules(dataset: Dataset, frame: int) -> Dataset:
    """The display elements that hold for one frame.

    Those of the frame take precedence over the shared ones, and these over the top level's.

    Args:
        dataset: the header.
        frame: its number, from 0.

    >>> dataset = Dataset()
    >>> dataset.WindowWidth = 400
    >>> number(frame_rules(dataset, 0), "WindowWidth")
    400.0
    """
    rules = Dataset()
    sources = [dataset]
    groups = (("SharedFunctionalGroupsSequence", 0), ("PerFrameFunctionalGroupsSequence", frame))
    for name_of_groups, index in groups:
        items = dataset.get(name_of_groups) or []
        if index >= len(items):
            continue
        group = items[index]
        sources += [group[name][0] for name in _FRAME_ITEMS if group.get(name)]
    # A later source overwrites an earlier one.
    for source in sources:
        for keyword in _KEYWORDS:
            if keyword in source:
                rules[keyword] = source[keyword]
    return rules


def ramp(values: NDArray[Any], low: float, high: float, inverted: bool) -> NDArray[np.float64]:
    """Linear from ``low`` (0) to ``high`` (1), clipped; inverted: ``high`` (0) to ``low`` (1).

    Where the two ends meet it is a step.

    Args:
        values: of any shape.
        low: in the unit of ``values``.
        high: in the unit of ``values``.
        inverted: whether the lowest value is white.

    >>> ramp(np.array([-1, 5, 20]), 0, 10, inverted=False).tolist()
    [0.0, 0.5, 1.0]
    """
    if high <= low:
        is_white = values <= low if inverted else values > low
        return is_white.astype(np.float64)
    part = high - values if inverted else values - low
    width = high - low
    return np.clip(part / width, 0.0, 1.0)


def window(
    values: NDArray[Any], center: float, width: float, function: str, inverted: bool
) -> NDArray[np.float64]:
    """A window centre and width (DICOM PS3.3 C.11.2.1.2 and .3) → [0, 1].

    LINEAR and LINEAR_EXACT: 0 up to the first of :func:`~camlucida.io.grey_levels.window_ends`, 1
    above the second. SIGMOID: 1 / (1 + exp(−4 (x − c) / w)).

    Args:
        values: of any shape, after rescale.
        center: c, in the unit of ``values``.
        width: w, in the unit of ``values``; at least 1 for LINEAR, else above 0.
        function: LINEAR, LINEAR_EXACT or SIGMOID.
        inverted: whether the lowest value is white.

    >>> window(np.array([0, 50, 100]), 50, 100, "LINEAR_EXACT", inverted=False).tolist()
    [0.0, 0.5, 1.0]
    """
    if function == "SIGMOID":
        sign = 4.0 if inverted else -4.0
        exponent = np.clip(sign * (values - center) / width, -700, 700)  # exp overflows at 710
        return np.asarray(1 / (1 + np.exp(exponent)), np.float64)
    return ramp(values, *window_ends(center, width, function), inverted)


def _windowed(
    rules: Dataset, values: NDArray[Any], inverted: bool
) -> tuple[NDArray[np.float64] | None, dict[str, Any]]:
    if rules.get("VOILUTSequence"):
        entries, first, bits = _item_table(rules.VOILUTSequence[0])
        # Some writers give too few bits; the entries themselves are right.
        top = max(2**bits - 1, int(entries.max()))
        levels = look_up(values, entries, first)
        unit = (top - levels if inverted else levels) / top
        return unit, {"from": "VOI LUT", "entries": len(entries), "bits": bits}
    center, width = number(rules, "WindowCenter"), number(rules, "WindowWidth")
    if center is None or width is None:
        return None, {}
    function = code(rules, "VOILUTFunction") or "LINEAR"
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return None, {"unusable": "its function is none of LINEAR, LINEAR_EXACT, SIGMOID"}
    if width < 1 if function == "LINEAR" else width <= 0:
        return None, {"unusable": f"width {width:g} for {function}"}
    used = {"from": "window", "center": center, "width": width, "function": function}
    return window(values, center, width, function, inverted), used


def _rescaled(rules: Dataset, stored: NDArray[Any]) -> NDArray[np.float64]:
    if rules.get("ModalityLUTSequence"):
        entries, first, _ = _item_table(rules.ModalityLUTSequence[0])
        return look_up(stored, entries, first).astype(np.float64)
    slope, intercept = number(rules, "RescaleSlope"), number(rules, "RescaleIntercept")
    if not slope:  # absent, or a slope of 0, which would leave nothing to see
        return stored.astype(np.float64)
    return stored * slope + (intercept or 0.0)


def value_scale(dataset: Dataset, frame: int) -> dict[str, Any]:
    """How the values of one frame follow from what is stored.

    Args:
        dataset: the header.
        frame: its number, from 0.

    Returns:
        "rescale": [slope, intercept] where it changes anything; "unit": "HU" of Hounsfield units;
        "modality_table": True where a lookup table takes the place of both.

    >>> dataset = Dataset()
    >>> dataset.Modality, dataset.RescaleSlope, dataset.RescaleIntercept = "CT", 1, -1024
    >>> value_scale(dataset, 0)
    {'unit': 'HU', 'rescale': [1.0, -1024.0]}
    """
    rules = frame_rules(dataset, frame)
    if rules.get("ModalityLUTSequence"):
        return {"modality_table": True}
    slope = number(rules, "RescaleSlope")
    intercept = number(rules, "RescaleIntercept") or 0.0
    if not slope:
        return {}
    # A CT without a type is in Hounsfield units (PS3.3 C.11.1.1.2).
    kind = code(rules, "RescaleType") or ("HU" if code(dataset, "Modality") == "CT" else "")
    scale: dict[str, Any] = {"unit": "HU"} if kind == "HU" else {}
    return scale if (slope, intercept) == (1.0, 0.0) else {**scale, "rescale": [slope, intercept]}


def _item_table(item: Dataset) -> tuple[NDArray[np.int64], int, int]:
    return table(item.LUTDescriptor, item.LUTData, item.original_encoding[1] is not False)


def _polarity_notes(rules: Dataset, inverted: bool) -> tuple[Message, ...]:
    shape = code(rules, "PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != inverted:
        name = "MONOCHROME1" if inverted else "MONOCHROME2"
        return (Message("image.polarity", {"shape": shape, "name": name}),)
    return ()
