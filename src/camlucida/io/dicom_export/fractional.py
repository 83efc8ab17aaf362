"""Fractional segmentation: the map itself in 256 steps, for viewers that show such objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from camlucida.io.dicom_export.content import ImageContent
from camlucida.io.dicom_export.segmentation import add_orientation, segments


def fractional_segmentation(
    header: Dataset, content: ImageContent, instance: dict[str, Any], nominal_plane: bool = False
) -> Dataset:
    """One segment a map with a region: its positive part in shares of its maximum.

    Args:
        header: of the image.
        content: of the image; at least one map has a region.
        instance: UIDs and numbers.
        nominal_plane: as of :func:`~camlucida.io.dicom_export.segmentation.add_orientation`.
    """
    values = np.stack([item.values for item in content.drawn], axis=-1)
    result = fractions([header], values[None], content, instance, omit_empty=False)
    add_orientation(result, header, nominal_plane)
    return result


def fractions(
    headers: Sequence[Dataset],
    values: NDArray[np.float32],
    content: ImageContent,
    instance: dict[str, Any],
    omit_empty: bool,
) -> Dataset:
    """Maps as fractions, on the images of some headers.

    DICOM has two kinds of fractions, of probability and of occupancy, and a heat map is neither.
    Occupancy is stated, for nothing may take the map for a probability, and the description says
    what the numbers are.

    Args:
        headers: of the images, one a frame; or of one image of several frames.
        values: (frames, H, W, segments), shares of each map's maximum.
        content: of the image or volume.
        instance: UIDs and numbers.
        omit_empty: whether a frame without any positive value is left out.
    """
    return segments(
        headers,
        np.clip(values, 0, 1),
        content,
        " (share of maximum)",
        segmentation_type="FRACTIONAL",
        fractional_type="OCCUPANCY",
        max_fractional_value=255,
        content_description="Heat map, share of its maximum; no probability",
        omit_empty_frames=omit_empty,
        **instance,
    )
