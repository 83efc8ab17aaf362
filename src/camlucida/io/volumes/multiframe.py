"""A volume in one DICOM file of several frames (enhanced CT and MR, RT dose)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.io.dicom.header import number, remarks
from camlucida.io.dicom.parse import check_image, parse, parsing
from camlucida.io.image import HeaderError, image_id
from camlucida.io.volumes.frames import (
    facts_of_slice,
    frame_values,
    is_synthetic,
    stated_window,
)
from camlucida.io.volumes.slices import SlicePlane, plane_of, plane_of_dataset, stacked
from camlucida.io.volumes.volume import Volume, check_finite, check_voxels, placed


def read_multiframe(path: Path, data: bytes) -> Volume:
    """Read the frames of a file as slices, sorted by their positions.

    Args:
        path: of the file.
        data: its bytes.

    Raises:
        ImageError: damaged, too large, colour, or frames without positions (a cine loop).
    """
    with parsing(path, "a DICOM volume"):
        dataset = parse(path, data)
        check_image(path, dataset)
        frames = int(number(dataset, "NumberOfFrames") or 1)
        check_voxels(path, frames, int(dataset.Rows), int(dataset.Columns))
        stack = stacked(path, _planes(path, dataset, frames))
        slices = [frame_values(path, dataset, index, frames) for index in stack.order]
        values = np.stack([values for values, _ in slices])
        source = facts_of_slice(dataset)
        window = stated_window(dataset, stack.order[len(stack.order) // 2])
    check_finite(path, values)
    notes: dict[Message, None] = {}
    for _, remarked in slices:
        notes |= dict.fromkeys(remarked)
    sha256 = hashlib.sha256(data).hexdigest()
    facts: dict[str, Any] = {"path": str(path), "sha256": sha256, "format": "DICOM", **source}
    facts |= placed(stack.affine, values.shape)
    warnings = (*stack.notes, *remarks(dataset), *notes)
    synthetic = is_synthetic(dataset)
    name = image_id(path, None)
    return Volume(values, stack.affine, name, True, window, facts, warnings, synthetic)


def frame_count(path: Path, data: bytes) -> int:
    """Frames of a DICOM file, by its header.

    Args:
        path: of the file, for messages.
        data: its bytes.

    Raises:
        ImageError: the header cannot be read.
    """
    with parsing(path):
        return int(number(parse(path, data), "NumberOfFrames") or 1)


def frame_order(path: Path, dataset: Dataset) -> tuple[int, ...]:
    """Of each slice of a volume the number of its frame, from 0.

    Args:
        path: of the file, for messages.
        dataset: its header.

    Raises:
        ImageError: as of :func:`read_multiframe`.
    """
    frames = int(number(dataset, "NumberOfFrames") or 1)
    with parsing(path, "a DICOM volume"):
        return stacked(path, _planes(path, dataset, frames)).order


def _planes(path: Path, dataset: Dataset, frames: int) -> list[SlicePlane]:
    if dataset.get("GridFrameOffsetVector"):
        return _offset_planes(path, dataset, frames)
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if frames > 1 and len(per_frame) != frames:
        raise ImageError(
            f"{path} has {frames} frames without positions (a cine loop?): it is no volume",
            "explain a frame of it as an image",
        )
    if not per_frame:
        return [plane_of_dataset(path, dataset)]
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    return [_frame_plane(shared, own) for own in per_frame]


def _frame_plane(shared: Dataset, own: Dataset) -> SlicePlane:
    """A frame's functional groups, or those that it shares with all."""
    return plane_of(
        _item(shared, own, "PlanePositionSequence").get("ImagePositionPatient"),
        _item(shared, own, "PlaneOrientationSequence").get("ImageOrientationPatient"),
        _item(shared, own, "PixelMeasuresSequence").get("PixelSpacing"),
    )


def _item(shared: Dataset, own: Dataset, keyword: str) -> Dataset:
    items = own.get(keyword) or shared.get(keyword)
    if not items:
        raise HeaderError(f"its frames have no {keyword}")
    item: Dataset = items[0]
    return item


def _offset_planes(path: Path, dataset: Dataset, frames: int) -> list[SlicePlane]:
    """RT dose: offsets along the normal from the first frame (PS3.3 C.8.8.3.2)."""
    first = plane_of_dataset(path, dataset)
    offsets = [float(offset) for offset in dataset.GridFrameOffsetVector]
    if len(offsets) != frames:
        raise HeaderError(f"its GridFrameOffsetVector has {len(offsets)} entries, not {frames}")
    if offsets[0] != 0:
        raise HeaderError("its GridFrameOffsetVector does not begin with 0")
    return [
        SlicePlane(
            first.position + offset * first.normal,
            first.across,
            first.down,
            first.row_mm,
            first.column_mm,
        )
        for offset in offsets
    ]
