"""Grey DICOM frames in the units of their file, for series and multi-frame files alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.io.dicom.decode import decode
from camlucida.io.dicom.display import frame_rules, value_scale
from camlucida.io.dicom.header import bits_stored, code, described, number, photometric
from camlucida.io.dicom.pixels import stored_values
from camlucida.io.image import check_size


def frame_values(
    path: Path, dataset: Dataset, index: int, frames: int
) -> tuple[NDArray[np.float32], tuple[Message, ...]]:
    """One frame after its rescale: stored · slope + intercept. Its window and polarity are not
    applied.

    Args:
        path: of the file, for messages.
        dataset: of the file.
        index: number of the frame, from 0.
        frames: of the file.

    Returns:
        (H, W), and warnings.

    Raises:
        ImageError: colour, a modality LUT, or pixels that cannot be decoded.
    """
    check_grey(path, dataset)
    stored = decode(path, dataset, index, frames)
    signed = stored.dtype.kind == "i"
    values, notes = stored_values(dataset, stored, bits_stored(dataset), signed)
    rules = frame_rules(dataset, index)
    if rules.get("ModalityLUTSequence"):
        raise ImageError(
            f"{path} has a modality lookup table: its values are not on one scale",
            "export it with a rescale slope and intercept",
        )
    slope, intercept = number(rules, "RescaleSlope"), number(rules, "RescaleIntercept") or 0.0
    dose = number(dataset, "DoseGridScaling") or 1.0
    # A slope of 0 would leave nothing.
    units = values * (slope or 1.0) + intercept
    return (units * dose).astype(np.float32), notes


def check_grey(path: Path, dataset: Dataset) -> None:
    """Refuse what has no one number a pixel, or claims too many pixels.

    Args:
        path: of the file, for messages.
        dataset: its header.

    Raises:
        ImageError: colour, or a frame that is too large.
    """
    samples = int(number(dataset, "SamplesPerPixel") or 1)
    check_size(path, int(dataset.Rows), int(dataset.Columns), samples)
    grey = ("MONOCHROME1", "MONOCHROME2")
    if samples != 1 or photometric(dataset) not in grey:
        raise ImageError(f"{path} is in colour, and has no one value a voxel", "export grey values")


def stated_window(dataset: Dataset, index: int = 0) -> tuple[float, float] | None:
    """(low, high) of the first linear window of a frame, in the units after rescale.

    Args:
        dataset: its header.
        index: number of the frame, from 0.

    Returns:
        None where the file has none that can be used.

    >>> dataset = Dataset()
    >>> dataset.WindowCenter, dataset.WindowWidth = 40, 400
    >>> stated_window(dataset)
    (-160.0, 240.0)
    """
    rules = frame_rules(dataset, index)
    center, width = number(rules, "WindowCenter"), number(rules, "WindowWidth")
    if center is None or width is None or width <= 1:
        return None
    return center - width / 2, center + width / 2


def facts_of_slice(dataset: Dataset) -> dict[str, Any]:
    """What a record says of a slice: codes and numbers, nothing about a person.

    Args:
        dataset: its header.

    Returns:
        As :func:`~camlucida.io.dicom.header.described`, without what a volume states itself.
    """
    facts = described(dataset)
    for name in ("spacing_mm", "spacing_from", "row_direction"):
        facts.pop(name, None)
    unit = value_scale(dataset, 0).get("unit")
    return facts if unit is None else {**facts, "unit": unit}


def is_synthetic(dataset: Dataset) -> bool:
    """Whether the header says that the image was generated.

    Args:
        dataset: its header.

    >>> is_synthetic(Dataset())
    False
    """
    return code(dataset, "SyntheticData") == "YES"
