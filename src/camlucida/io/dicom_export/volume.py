"""Objects of a volume, which is a series of DICOM images or one of several frames: segmentations of
all of its slices, and a report that refers to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from camlucida.core.errors import ImageError
from camlucida.io.dicom_export.content import ImageContent
from camlucida.io.dicom_export.fractional import fractions
from camlucida.io.dicom_export.frames import read_frames
from camlucida.io.dicom_export.segmentation import binary_segmentation
from camlucida.io.dicom_export.source import PLACE, read_source
from camlucida.io.keyed_files import actual_path
from camlucida.io.volumes.series import series_sha256, slice_files


@dataclass(frozen=True)
class Source:
    """The images that objects refer to.

    Attributes:
        headers: reduced, of each slice of a volume; or the one of a film, or of a file of several
            frames.
        order: of each slice of the volume the number of its image or frame, from 0.
    """

    headers: tuple[Dataset, ...]
    order: tuple[int, ...]

    def stored(self, items: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Values of several maps as (frames, H, W, maps), in the order of images or frames.

        Args:
            items: (D, H, W) of the volume, one a map.
        """
        together = np.stack(items, axis=-1)
        frames = np.empty_like(together)
        frames[list(self.order)] = together
        return frames


def volume_source(path: Path, sha256: str | None) -> Source:
    """The reduced headers of a volume.

    Args:
        path: folder of a series, or a file of several frames; it may be keyed.
        sha256: of the volume when it was explained; None where that is not recorded.

    Raises:
        ImageError: it is no DICOM volume, cannot be read or has changed, or has no place in the
            patient.
    """
    if not actual_path(path).is_dir():
        header, order = read_frames(path, sha256)
        return Source((header,), order)
    headers = _read_slices(path, sha256)
    return Source(tuple(headers), tuple(range(len(headers))))


def _read_slices(path: Path, sha256: str | None) -> list[Dataset]:
    """The reduced header of each slice of a series, in the order of the volume."""
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


def volume_segmentation(source: Source, content: ImageContent, instance: dict[str, Any]) -> Dataset:
    """One segment a map with a region, a frame for each slice that it meets.

    Args:
        source: of the volume.
        content: of the volume, its masks (D, H, W) in the voxels of the file or series.
        instance: UIDs and numbers.
    """
    masks = source.stored([item.mask for item in content.drawn])
    return binary_segmentation(source.headers, masks, content, instance, omit_empty=True)


def volume_fractions(source: Source, content: ImageContent, instance: dict[str, Any]) -> Dataset:
    """The positive part of each map in shares of its maximum, a frame for each slice with any.

    Args:
        source, content, instance: as of :func:`volume_segmentation`.
    """
    values = source.stored([item.values for item in content.drawn])
    return fractions(source.headers, values, content, instance, omit_empty=True)


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
