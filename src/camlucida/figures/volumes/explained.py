"""Pictures and files of the explanation of one volume, read from a file or a bare tensor."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.volume_scan import as_volume
from camlucida.figures.records import file_kinds
from camlucida.figures.volumes.figure import planes_pixels
from camlucida.figures.volumes.peak import map_peak
from camlucida.figures.volumes.save import check_volume_kinds, write_volume


def overlay_image(
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float | None = None,
    limit: float | None = None,
) -> Image.Image:
    """Three planes through the map's peak, bare and overlaid.

    Args:
        explanation: of a volume.
        colormap, alpha, limit: as of
            :func:`camlucida.figures.volumes.figure.planes_pixels`.

    Raises:
        UsageError: there is no such colormap.
        LayerError: the map lies over no image.
    """
    explanation.geometry()  # an error where the map lies over no image
    scan = as_volume(explanation.scan)
    values, peak = scan.to_stored(explanation.map()), map_peak(explanation, scan)
    return Image.fromarray(planes_pixels(explanation, scan, values, peak, colormap, alpha, limit))


def save_explanation(
    explanation: Explanation,
    directory: Path,
    colormap: str | None = None,
    write: Collection[str] | None = None,
) -> dict[str, Any]:
    """Write the raw map, the figure of three planes and the map as NIfTI.

    Args:
        explanation: of a volume.
        directory: made if missing.
        colormap: matplotlib name; the default if None.
        write: of :data:`~camlucida.figures.volumes.save.VOLUME_KINDS`, or ``all``; None for all.

    Returns:
        The record of ``explanations.json``.

    Raises:
        UsageError: a kind of picture that a volume has not, or nibabel is not installed.
        LayerError: the map lies over no image.
    """
    kinds = file_kinds(write)
    check_volume_kinds(kinds)
    explanation.geometry()  # an error where the map lies over no image
    scan = as_volume(explanation.scan)
    (record,) = write_volume([explanation], scan, directory, kinds, colormap)
    return record
