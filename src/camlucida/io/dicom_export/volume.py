"""Objects of a volume, which is a series of DICOM images: a segmentation of all of its slices, and
a report that refers to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from camlucida.core.errors import ImageError
from camlucida.io.dicom_export.content import ImageContent
from camlucida.io.dicom_export.segmentation import binary_segmentation
from camlucida.io.dicom_export.source import PLACE, read_source
from camlucida.io.keyed_files import actual_path
from camlucida.io.volumes.series import series_sha256, slice_files


def is_series(path: Path) -> bool:
    """Whether a volume is the folder of a series.

    Args:
        path: of an image or volume; it may be keyed.
    """
    return actual_path(path).is_dir()


def read_sources(path: Path, sha256: str | None) -> list[Dataset]:
    """The reduced header of each slice of a series, in the order of the volume.

    Args:
        path: folder of the series.
        sha256: of the volume when it was explained; None where that is not recorded.

    Raises:
        ImageError: a slice cannot be read or has changed, or has no place in the patient.
    """
    folder = actual_path(path)
    if sha256 is not None and series_sha256(folder) != sha256:
        raise ImageError(
            f"{path} has changed since it was explained", "explain it again, then export"
        )
    headers = [read_source(file, None) for file in slice_files(folder)]
    for header in headers:
        missing = [keyword for keyword in PLACE if keyword not in header]
        if missing:
            raise ImageError(
                f"{path} has slices without {missing[0]}, so a segmentation has no place",
                "export the series again from the archive",
            )
    return headers


def volume_segmentation(
    headers: Sequence[Dataset], content: ImageContent, instance: dict[str, Any]
) -> Dataset:
    """One segment a map with a region, a frame for each slice that it meets.

    Args:
        headers: of the slices.
        content: of the volume, its masks (D, H, W) in the voxels of the series.
        instance: UIDs and numbers.
    """
    masks = np.stack([item.mask for item in content.drawn], axis=-1)
    return binary_segmentation(headers, masks, content, instance, omit_empty=True)


def volume_region(header: Dataset, segments: Dataset, number: int, shared: dict[str, Any]) -> Any:
    """The group of a report on one segment of a volume.

    Args:
        header: of a slice of the series.
        segments: the segmentation.
        number: of the segment, from 1.
        shared: what the group of a map says wherever it is.
    """
    from highdicom import sr

    described = segments.SegmentSequence[number - 1]
    region = sr.ReferencedSegment(
        sop_class_uid=segments.SOPClassUID,
        sop_instance_uid=segments.SOPInstanceUID,
        segment_number=number,
        source_series=sr.SourceSeriesForSegmentation(header.SeriesInstanceUID),
    )
    tracking = sr.TrackingIdentifier(described.TrackingUID, described.TrackingID)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking, referenced_segment=region, **shared
    )
