"""Fractional segmentation: the map itself in 256 steps, for viewers that show such objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom import Dataset

from camlucida.io.dicom_export.content import (
    ImageContent,
    equipment,
    shortened_before,
)
from camlucida.io.dicom_export.segmentation import add_orientation, segment
from camlucida.io.dicom_export.source import add_identity


def fractional_segmentation(
    header: Dataset, content: ImageContent, instance: dict[str, Any]
) -> Dataset:
    """One segment a map with a region: its positive part in shares of its maximum.

    DICOM has two kinds of fractions, of probability and of occupancy, and a heat map is neither.
    Occupancy is stated, for nothing may take the map for a probability, and the description says
    what the numbers are.

    Args:
        header: of the image.
        content: of the image; at least one map has a region.
        instance: UIDs and numbers.
    """
    from highdicom.seg import Segmentation

    values = np.stack([item.values for item in content.drawn], axis=-1)
    result = Segmentation(
        source_images=[header],
        pixel_array=np.clip(values, 0, 1)[None],
        segmentation_type="FRACTIONAL",
        fractional_type="OCCUPANCY",
        max_fractional_value=255,
        segment_descriptions=[
            segment(number, item, content, shortened_before(item.title, " (share of maximum)"))
            for number, item in enumerate(content.drawn, start=1)
        ],
        content_label="HEATMAP",
        content_description="Heat map, share of its maximum; no probability",
        omit_empty_frames=False,
        **equipment(content.algorithm),
        **instance,
    )
    add_identity(result, header)
    add_orientation(result)
    return result
