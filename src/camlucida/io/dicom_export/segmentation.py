"""Segmentation: the region where each map reaches the threshold, as a binary segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes

from camlucida.io.dicom_export.content import (
    MANUFACTURER,
    NO_PROBABILITY,
    VISUAL_EXPLANATIONS,
    ExportedMap,
    ImageContent,
    equipment,
    shortened,
    shortened_before,
)
from camlucida.io.dicom_export.source import add_identity


def segmentation(
    header: Dataset, content: ImageContent, instance: dict[str, Any], nominal_plane: bool = False
) -> Dataset:
    """One segment a map with a region, in the pixels of the image.

    Args:
        header: of the image.
        content: of the image; at least one map has a region.
        instance: UIDs and numbers.
        nominal_plane: as of :func:`add_orientation`.
    """
    masks = np.stack([item.mask for item in content.drawn], axis=-1)
    result = binary_segmentation([header], masks[None], content, instance, omit_empty=False)
    add_orientation(result, header, nominal_plane)
    return result


def binary_segmentation(
    headers: Sequence[Dataset],
    masks: NDArray[np.bool_],
    content: ImageContent,
    instance: dict[str, Any],
    omit_empty: bool,
) -> Dataset:
    """One segment a map with a region, on the images of some headers.

    Args:
        headers: of the images, one a frame; or of one image of several frames.
        masks: (frames, H, W, segments).
        content: of the image or volume.
        instance: UIDs and numbers.
        omit_empty: whether a frame without any region is left out.
    """
    return segments(
        headers,
        masks.astype(np.uint8),
        content,
        f" {content.region}",
        segmentation_type="BINARY",
        content_description=shortened(f"Heat map {content.region}; no probability"),
        omit_empty_frames=omit_empty,
        **instance,
    )


def segments(
    headers: Sequence[Dataset],
    pixels: NDArray[Any],
    content: ImageContent,
    ending: str,
    **settings: Any,
) -> Dataset:
    """A segmentation of whatever type, one segment a map with a region.

    Args:
        headers: of the images, one a frame; or of one image of several frames.
        pixels: (frames, H, W, segments).
        content: of the image or volume.
        ending: of the segments' labels, behind each map's title.
        settings: as highdicom names them: type, description, UIDs and numbers.
    """
    from highdicom.seg import Segmentation

    descriptions = []
    for number, item in enumerate(content.drawn, start=1):
        label = shortened_before(item.title, ending)
        descriptions.append(segment(number, item, content, label))
    result = Segmentation(
        source_images=list(headers),
        pixel_array=pixels,
        segment_descriptions=descriptions,
        content_label="HEATMAP",
        **equipment(content.algorithm),
        **settings,
    )
    add_identity(result, headers[0])
    return result


NOMINAL_PLANE = [1, 0, 0, 0, 1, 0]
"""Rows to the left of the patient and columns to the back: what viewers take where nothing is
stated."""

NOMINAL_SPACING = [1, 1]
"""Millimetres, of a film that states none."""


def add_orientation(dataset: Dataset, header: Dataset, nominal_plane: bool = False) -> None:
    """Of a film without a place in the patient, say that its orientation is not known.

    Args:
        dataset: the segmentation.
        header: of the film.
        nominal_plane: state :data:`NOMINAL_PLANE` instead, without a position. It is not true of
            a radiograph, but OHIF opens no segmentation without a plane.
    """
    shared = dataset.SharedFunctionalGroupsSequence[0]
    if "PlaneOrientationSequence" in shared:
        return
    if not nominal_plane:
        dataset.PatientOrientation = []
        return
    plane, measures = Dataset(), Dataset()
    plane.ImageOrientationPatient = NOMINAL_PLANE
    measures.PixelSpacing = header.get("ImagerPixelSpacing") or NOMINAL_SPACING
    shared.PlaneOrientationSequence = [plane]
    shared.PixelMeasuresSequence = [measures]


def segment(number: int, item: ExportedMap, content: ImageContent, label: str) -> Any:
    """The description of a segment.

    Args:
        number: of the segment, from 1.
        item: the map.
        content: of the image.
        label: what viewers list.
    """
    from highdicom import UID, AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription

    description = SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
        segmented_property_type=VISUAL_EXPLANATIONS[item.explains],
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=shortened(f"{item.method} of {content.algorithm.name}"),
            family=codes.DCM.ArtificialIntelligence,
            version=content.algorithm.version,
            source=MANUFACTURER,
            parameters={"layer": item.layer, "threshold": f"{content.threshold:g}"},
        ),
        tracking_uid=UID(),
        tracking_id=shortened(item.title),
    )
    where = f"{item.method} heat map of {item.label}, layer {item.layer}, {item.cells} cells"
    about = f"{where}: {content.region}. {NO_PROBABILITY} {content.notice}"
    description.SegmentDescription = shortened(about, 1024)
    return description
