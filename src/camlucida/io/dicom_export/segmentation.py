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


def segmentation(header: Dataset, content: ImageContent, instance: dict[str, Any]) -> Dataset:
    """One segment a map with a region, in the pixels of the image.

    Args:
        header: of the image.
        content: of the image; at least one map has a region.
        instance: UIDs and numbers.
    """
    masks = np.stack([item.mask for item in content.drawn], axis=-1)
    result = binary_segmentation([header], masks[None], content, instance, omit_empty=False)
    add_orientation(result)
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
        headers: of the images, one a frame.
        masks: (frames, H, W, segments).
        content: of the image or volume.
        instance: UIDs and numbers.
        omit_empty: whether a frame without any region is left out.
    """
    from highdicom.seg import Segmentation

    result = Segmentation(
        source_images=list(headers),
        pixel_array=masks.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[
            segment(number, item, content, region_label(item, content))
            for number, item in enumerate(content.drawn, start=1)
        ],
        content_label="HEATMAP",
        content_description=shortened(f"Heat map {content.region}; no probability"),
        omit_empty_frames=omit_empty,
        **equipment(content.algorithm),
        **instance,
    )
    add_identity(result, headers[0])
    return result


def add_orientation(dataset: Dataset) -> None:
    """Of a film without a place in the patient, say that its orientation is not known.

    Args:
        dataset: the segmentation.
    """
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    if "PlaneOrientationSequence" not in shared[0]:
        dataset.PatientOrientation = []


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


def region_label(item: ExportedMap, content: ImageContent) -> str:
    """What viewers list: target, method and threshold.

    Args:
        item: the map.
        content: of the image.
    """
    return shortened_before(item.title, f" {content.region}")
