"""DICOM objects that annotate images: segmentations (SEG) and contours (RTSTRUCT)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError, UsageError
from camlucida.io.annotations.annotation import (
    AnnotatedImage,
    AnnotationSet,
    Mask,
    naming,
    union,
)
from camlucida.io.annotations.masks import resized
from camlucida.io.annotations.polygons import fill_outlines
from camlucida.io.annotations.volume_masks import segment_mask
from camlucida.io.image import quiet, readable
from camlucida.io.volumes.series import dicom_files

_OUT_OF_PLANE = 0.5
"""Of a step between rows: how far a contour may lie from the plane of its image."""


def dicom_modality(path: Path) -> str:
    """The modality of a DICOM file; "" for any other file, and for one without.

    Args:
        path: of the file.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                return ""
        with quiet("pydicom"):
            header = dcmread(path, specific_tags=["Modality"], stop_before_pixels=True)
            return str(header.get("Modality", ""))
    except (OSError, InvalidDicomError, ValueError, TypeError, AttributeError, KeyError):
        return ""


@lru_cache(maxsize=4)
def instance_uids(path: Path) -> tuple[str, ...]:
    """The SOP instance UIDs of a DICOM image, or of those in the folder of a series.

    Args:
        path: of the image or folder.

    >>> instance_uids(Path("a.png"))
    ()
    """
    files = dicom_files(path) if path.is_dir() else [path]
    return tuple(filter(None, map(_instance_uid, files)))


def _instance_uid(path: Path) -> str:
    """ "" for any other file."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        with quiet("pydicom"):
            header = dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
            return str(header.get("SOPInstanceUID", ""))
    except (OSError, InvalidDicomError, ValueError, TypeError, AttributeError, KeyError):
        return ""


def read_dicom_objects(files: Sequence[Path]) -> AnnotationSet:
    """Annotations of segmentations and of contours.

    They are named by the SOP instance UID of the image that they refer to.

    Args:
        files: SEG and RTSTRUCT objects.

    Raises:
        ImageError: a damaged file.
        UsageError: a segmentation, and highdicom is not installed.
    """
    result = AnnotationSet("DICOM SEG and RTSTRUCT", by_uid=True)
    for path in files:
        with quiet("pydicom", "highdicom"), readable(path, "a DICOM object", quote=False):
            if dicom_modality(path) == "SEG":
                result.drawn += _segments(path)
            else:
                result.drawn += _structures(path)
    return result


def _segments(path: Path) -> Iterator[tuple[str, str, Any]]:
    try:
        from highdicom.seg import segread
    except ImportError as error:
        fix = "pip install 'camlucida[dicom]' reads it"
        raise UsageError(f"{path} is a DICOM segmentation", fix) from error
    segmentation = segread(path)
    sources = [str(uids[2]) for uids in segmentation.get_source_image_uids()]
    for number in segmentation.segment_numbers:
        label = str(segmentation.get_segment_description(number).segment_label)
        for source in dict.fromkeys(sources):
            read = partial(_segment_mask, segmentation, source, number)
            annotation = replace(union([read]), where=f"{path}: segment {number}")
            yield source, label, annotation


def _segment_mask(
    segmentation: Any, source: str, number: int, where: str, image: AnnotatedImage
) -> Mask:
    if image.voxels is not None:
        with quiet("pydicom", "highdicom"):
            return segment_mask(segmentation, number, where, image.voxels)
    with quiet("pydicom", "highdicom"), readable(Path(where), "a DICOM segment", quote=False):
        planes: NDArray[Any] = segmentation.get_pixels_by_source_instance(
            [source],
            segment_numbers=[number],
            ignore_spatial_locations=True,
            assert_missing_frames_are_empty=True,
        )
    return resized(planes[0, ..., 0] >= 0.5, where, image)


def _structures(path: Path) -> Iterator[tuple[str, str, Any]]:
    from pydicom import dcmread

    structures = dcmread(path)
    names = {
        int(item.ROINumber): str(item.get("ROIName", "")).strip()
        for item in structures.get("StructureSetROISequence", ())
    }
    for roi in structures.get("ROIContourSequence", ()):
        label = names.get(int(roi.ReferencedROINumber), "")
        where = f"{path}: region {int(roi.ReferencedROINumber)}"
        contours: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
        for contour in roi.get("ContourSequence", ()):
            points = np.array(contour.ContourData, np.float64).reshape(-1, 3)
            for reference in contour.get("ContourImageSequence", ()):
                contours[str(reference.ReferencedSOPInstanceUID)].append(points)
        if not contours:
            raise ImageError(f"{where} names no image", "export it with its contour images")
        for source, outlines in contours.items():
            annotation = replace(union([partial(_contour_mask, outlines)]), where=where)
            yield source, label, annotation


def _contour_mask(
    contours: Sequence[NDArray[np.float64]], where: str, image: AnnotatedImage
) -> Mask:
    """Contours in millimetres, on the plane of their image; one inside another is a hole."""
    if image.voxels is not None:
        raise ImageError(f"{where} is contours of slices, not a mask", "export it as DICOM SEG")
    origin, row_step, column_step = _plane(where, image.path)
    normal = np.cross(row_step, column_step)
    normal /= np.linalg.norm(normal)
    mask = np.zeros(image.size, np.bool_)
    for contour in contours:
        offset = contour - origin
        distance = np.abs(offset @ normal).max()
        if distance > _OUT_OF_PLANE * max(np.linalg.norm(row_step), np.linalg.norm(column_step)):
            raise ImageError(f"{where} does not lie in the plane of its image", "export it again")
        x = offset @ row_step / (row_step @ row_step)
        y = offset @ column_step / (column_step @ column_step)
        # DICOM's origin is the centre of the first pixel; here it is its corner.
        outline = np.stack([x, y], axis=1) + 0.5
        with naming(where):
            mask ^= fill_outlines([outline], image.size)
    return mask


def _plane(
    where: str, path: Path | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centre of an image's first pixel, and the steps to the next column and row, in mm."""
    from pydicom import dcmread

    tags = ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
    problem = ImageError(
        f"{where} is in millimetres, and its image says no position", "give the DICOM image itself"
    )
    if path is None:
        raise problem
    with quiet("pydicom"), readable(path, "a DICOM file", quote=False):
        header = dcmread(path, specific_tags=[*tags], stop_before_pixels=True)
        if any(tag not in header for tag in tags):
            raise problem
        origin = np.array(header.ImagePositionPatient, np.float64)
        along_row, along_column = np.array(header.ImageOrientationPatient, np.float64).reshape(2, 3)
        between_rows, between_columns = (float(step) for step in header.PixelSpacing)
    return origin, along_row * between_columns, along_column * between_rows
