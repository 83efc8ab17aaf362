"""Explanations of one image as the data of the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.grey_levels import GreyLevels
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import is_volume
from camlucida.figures.contours import half_maximum
from camlucida.figures.notice import notice_line
from camlucida.io.annotations.annotation import Mask
from camlucida.io.grey_levels import grey_levels
from camlucida.io.image import RawImage
from camlucida.models.detectors import Detection
from camlucida.report.viewer.case_files import CaseFile
from camlucida.report.viewer.encode import encode_floats, film_data
from camlucida.report.viewer.map_texts import map_texts
from camlucida.report.viewer.palettes import palette_for
from camlucida.report.viewer.volumes import viewed_volume
from camlucida.runs.stored_scan import NO_PICTURE


def viewer_data(
    explanations: Sequence[Explanation],
    boxes: Sequence[dict[str, Any]] = (),
    outlines: Sequence[dict[str, Any]] = (),
    colormap: str | None = None,
) -> dict[str, Any]:
    """What the viewer shows of one image.

    Args:
        explanations: of one image, each with a map that lies over it.
        boxes: annotated boxes: x, y, width, height in original pixels, and a label.
        outlines: annotated outlines: a label, and lines of x, y in original pixels.
        colormap: the one to begin with; the default where it is None or the viewer lacks it.

    Returns:
        Plain data for JSON; its fields are in docs/reference/viewer.md.

    Raises:
        UsageError: no explanation, or of several images.

    >>> from camlucida.attribution.explanation import _example
    >>> data = viewer_data([_example()])
    >>> data["film"]["width"], data["maps"][0]["target"], data["notice"]
    (8, 'nodule', 'Research use only')
    """
    about = maps_data(explanations, boxes, outlines, colormap)
    scan = explanations[0].scan
    if is_volume(scan):
        volume = viewed_volume(explanations)
        film = film_data(volume.film, scan.id, volume.window, units=volume.units)
        return {"film": film, **about, "volume": volume.about}
    return {"film": levels_data(scan.levels, scan.picture(), scan.id), **about}


def maps_data(
    explanations: Sequence[Explanation],
    boxes: Sequence[dict[str, Any]] = (),
    outlines: Sequence[dict[str, Any]] = (),
    colormap: str | None = None,
) -> dict[str, Any]:
    """What :func:`viewer_data` gives, without the film.

    Args:
        explanations, boxes, outlines, colormap: as there.

    Raises:
        UsageError: no explanation, or of several images.
    """
    images = {explanation.scan.id for explanation in explanations}
    if len(images) != 1:
        raise UsageError(
            f"the viewer shows one image, not {len(images)}", "give the explanations of one image"
        )
    of_volume = is_volume(explanations[0].scan)
    maps = [] if of_volume else [map_data(e, str(n)) for n, e in enumerate(explanations)]
    return {
        "maps": maps,
        "boxes": list(boxes),
        "outlines": list(outlines),
        "notice": notice_line(False),
        "synthetic": explanations[0].scan.synthetic,
        "colormap": palette_for(colormap),
    }


def has_film(scan: Scan) -> bool:
    """Whether the image of a stored map is there, and as it was explained.

    Args:
        scan: of the map.

    >>> from camlucida.attribution.explanation import _example
    >>> has_film(_example().scan)
    True
    """
    return NO_PICTURE not in scan.warnings


def decoded_film_data(image: RawImage, name: str) -> dict[str, Any]:
    """The film of the viewer with all the grey levels of its file.

    Args:
        image: as it was read.
        name: of the image.

    >>> grey = np.zeros((2, 3), np.float32)
    >>> image = RawImage(grey, np.zeros((2, 3), np.uint8), "a", source={"bits": 12})
    >>> decoded_film_data(image, "a")["bits"]
    16
    """
    return levels_data(grey_levels(image), image.display, name)


def levels_data(levels: GreyLevels | None, display: NDArray[np.uint8], name: str) -> dict[str, Any]:
    """The film of the viewer: all its grey levels, or the display where that has them.

    Args:
        levels: of the film.
        display: of 8 bits.
        name: of the image.
    """
    if levels is None:
        return film_data(display, name)
    return film_data(levels.samples, name, levels.window, units=levels.units)


def map_data(explanation: Explanation, name: str) -> dict[str, Any]:
    """A map of the viewer: raw and signed, on its grid.

    Args:
        explanation: with a map of two axes that lies over an image.
        name: unique among the maps of the image.

    Raises:
        LayerError: the map lies over no image.
    """
    shown = {
        **map_texts(explanation, name),
        "grid": list(explanation.grid),
        "values": encode_floats(explanation.raw.numpy()),
        "geometry": geometry_data(explanation.geometry()),
    }
    found = explanation.detection
    return shown if found is None else {**shown, "detection": box_data(found)}


def box_data(found: Detection) -> dict[str, Any]:
    """The box of a detector, in pixels of the film.

    >>> box_data(Detection((1.0, 2.0, 5.0, 4.0), 1, 0.5, "0", "nodule"))
    {'x': 1.0, 'y': 2.0, 'width': 4.0, 'height': 2.0, 'label': 'nodule'}
    """
    left, top, right, bottom = found.box
    return {"x": left, "y": top, "width": right - left, "height": bottom - top, "label": found.name}


def annotated_boxes(label: str, boxes: NDArray[np.float64] | None) -> list[dict[str, Any]]:
    """Annotated boxes of a label.

    Args:
        label: of the boxes.
        boxes: (N, 4) x, y, width, height in original pixels; None without any.

    >>> annotated_boxes("nodule", np.array([[4.0, 5, 20, 10]]))
    [{'x': 4.0, 'y': 5.0, 'width': 20.0, 'height': 10.0, 'label': 'nodule'}]
    """
    keys = ("x", "y", "width", "height")
    rows = [] if boxes is None else np.asarray(boxes, float).tolist()
    return [{**dict(zip(keys, row)), "label": label} for row in rows]


def mask_outlines(label: str, mask: Mask | None) -> list[dict[str, Any]]:
    """The outline of an annotated mask; none without a mask, or of an empty one.

    Args:
        label: of the outline.
        mask: (H, W) in original pixels.

    Returns:
        At most one outline; its lines are x, y in edge coordinates.

    >>> mask_outlines("nodule", np.zeros((4, 4), bool))
    []
    """
    if mask is None or not mask.any():
        return []
    lines = [line[:, ::-1] + 0.5 for line in half_maximum(mask.astype(float))]
    return [{"label": label, "lines": [line.round(1).tolist() for line in lines]}]


def geometry_data(geometry: Geometry) -> dict[str, Any]:
    """How the model's input lies on the film: model = scale × film + offset, rows and columns.

    >>> geometry_data(Geometry.identity((4, 6)))["model"]
    [4, 6]
    """
    return {
        "model": list(geometry.model),
        "scale": list(geometry.scale),
        "offset": list(geometry.offset),
    }


def case_file(
    path: Path,
    explanations: Sequence[Explanation],
    colormap: str | None = None,
    outlines: Sequence[dict[str, Any]] = (),
    annotations: Sequence[dict[str, Any]] = (),
    boxes: Sequence[dict[str, Any]] = (),
    first: int | None = None,
) -> CaseFile:
    """The explanations of an image for the viewer.

    Args:
        path: of the script.
        explanations: as in :func:`viewer_data`.
        colormap: the one to begin with.
        outlines: as there.
        annotations: of a volume, as of
            :func:`~camlucida.report.viewer.volumes.volume_annotations`.
        boxes: as of :func:`viewer_data`.
        first: number of the explanation to begin with; None: the most probable finding.
    """
    scan = explanations[0].scan
    about = maps_data(explanations, boxes, outlines, colormap)
    if first is not None:
        about = {**about, "first": str(first)}
    if is_volume(scan):
        volume = viewed_volume(explanations)
        about = {**about, "volume": {**volume.about, "annotations": list(annotations)}}
        return CaseFile(path, scan.id, volume.film, about, volume.window, volume.units)
    if scan.levels is None:
        return CaseFile(path, scan.id, scan.picture(), about)
    levels = scan.levels
    return CaseFile(path, scan.id, levels.samples, about, levels.window, levels.units)
