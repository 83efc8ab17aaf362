"""The header of a volume in one file: an enhanced CT or MR image, whose frames are its slices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence

from camlucida.core.errors import ImageError
from camlucida.io.dicom_export.source import checked_dataset, reduced
from camlucida.io.volumes.multiframe import frame_order

SHARED = {
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
}
"""Functional groups of all frames, and what is kept of their items."""

OWN = {"PlanePositionSequence": ("ImagePositionPatient",)}
"""Functional groups of each frame."""


def read_frames(path: Path, sha256: str | None) -> tuple[Dataset, tuple[int, ...]]:
    """The reduced header of a volume in one file, and where its slices are.

    Args:
        path: of the file that was explained.
        sha256: of the file when it was explained; None where that is not recorded.

    Returns:
        The header, with the place of each frame; and of each slice of the volume the number of its
        frame, from 0.

    Raises:
        ImageError: no such file, or it has changed, or its frames do not state their place.
    """
    dataset = checked_dataset(path, sha256)
    header = reduced(path, dataset)
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    if not frames or "FrameOfReferenceUID" not in dataset:
        raise ImageError(
            f"{path} has frames without a place, so a segmentation has none",
            "export it again from the archive as an enhanced image or as a series",
        )
    header.FrameOfReferenceUID = dataset.FrameOfReferenceUID
    header.NumberOfFrames = len(frames)
    # highdicom wants what all frames have alike among the shared groups.
    alike = _groups(path, frames[0], shared, SHARED)
    header.SharedFunctionalGroupsSequence = DicomSequence([alike])
    header.PerFrameFunctionalGroupsSequence = DicomSequence(
        [_groups(path, frame, shared, OWN) for frame in frames]
    )
    return header, frame_order(path, dataset)


def _groups(
    path: Path, own: Dataset, shared: Dataset, wanted: Mapping[str, tuple[str, ...]]
) -> Dataset:
    """Some functional groups of a frame, or those that it shares with all."""
    groups = Dataset()
    for keyword, kept in wanted.items():
        items = own.get(keyword) or shared.get(keyword)
        item = items[0] if items else Dataset()
        if item.get(kept[0]) in (None, ""):
            raise ImageError(
                f"{path} has frames without {kept[0]}, so a segmentation has no place",
                "export it again from the archive",
            )
        group = Dataset()
        for name in kept:
            if item.get(name) not in (None, ""):
                group[name] = item[name]
        setattr(groups, keyword, DicomSequence([group]))
    return groups
