"""Presentation state: contours of the regions, as lines over the image itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from camlucida.io.dicom.header import photometric
from camlucida.io.dicom_export.content import (
    ExportedMap,
    ImageContent,
    equipment,
    shortened,
)
from camlucida.io.dicom_export.source import add_body_part, add_identity

MOST_POINTS = 4000
"""Of one line: DICOM has room for 8,191."""


def is_grey(header: Dataset) -> bool:
    """Whether a grayscale presentation state can refer to an image.

    Args:
        header: of the image.

    >>> header = Dataset()
    >>> header.PhotometricInterpretation = "PALETTE COLOR"
    >>> is_grey(header)
    False
    """
    return photometric(header) in ("MONOCHROME1", "MONOCHROME2")


def presentation_state(header: Dataset, content: ImageContent, instance: dict[str, Any]) -> Dataset:
    """Lines round the region of each map, a layer a map.

    The image keeps its grey levels and its polarity.

    Args:
        header: of a grey image, see :func:`is_grey`.
        content: of the image; at least one map has a region.
        instance: UIDs and numbers.
    """
    from highdicom import PresentationLUTTransformation, pr

    # Without it a film stored as MONOCHROME1 would appear as its negative.
    shape = "INVERSE" if photometric(header) == "MONOCHROME1" else "IDENTITY"
    layers = [_layer(number, item) for number, item in enumerate(content.drawn, start=1)]
    shared: dict[str, Any] = {
        "referenced_images": [header],
        "content_label": "HEATMAP",
        "content_description": shortened(f"Heat map {content.region}; no probability"),
        "graphic_layers": layers,
        "graphic_annotations": [
            _annotation(header, content, item, layer)
            for item, layer in zip(content.drawn, layers, strict=True)
        ],
        **equipment(content.algorithm),
        **instance,
    }
    state: Dataset = pr.GrayscaleSoftcopyPresentationState(
        presentation_lut_transformation=PresentationLUTTransformation(shape), **shared
    )
    add_body_part(state, header)
    add_identity(state, header)
    return state


def _layer(number: int, item: ExportedMap) -> Any:
    from highdicom.pr import GraphicLayer

    return GraphicLayer(f"HEATMAP_{number}", number, shortened(item.title))


def _annotation(header: Dataset, content: ImageContent, item: ExportedMap, layer: Any) -> Any:
    from highdicom.pr import GraphicAnnotation, GraphicObject, TextObject

    lines = [_closed(line) for line in item.contours if len(line) > 2]
    objects = [GraphicObject("POLYLINE", line, "PIXEL") for line in lines]
    highest = min((line[np.argmin(line[:, 1])] for line in lines), key=lambda point: point[1])
    text = f"{item.title} {content.region}. {content.notice}"
    label = TextObject(
        shortened(text, 1024), "PIXEL", anchor_point=(float(highest[0]), float(highest[1]))
    )
    return GraphicAnnotation([header], layer, graphic_objects=objects, text_objects=[label])


def _closed(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most :data:`MOST_POINTS`, the last being the first."""
    step = -(-len(line) // MOST_POINTS)
    thinned = line[::step]
    return np.concatenate([thinned, thinned[:1]])
