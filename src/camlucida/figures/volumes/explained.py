"""Pictures and files of the explanation of one volume, read from a file or a bare tensor."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.volume_scan import as_volume
from camlucida.figures.records import file_kinds
from camlucida.figures.sheets import DPI
from camlucida.figures.volumes.figure import planes_pixels
from camlucida.figures.volumes.peak import map_peak
from camlucida.figures.volumes.save import check_volume_kinds, write_volume


def overlay_image(
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float | None = None,
    limit: float | None = None,
    truth: NDArray[np.bool_] | None = None,
) -> Image.Image:
    """Three planes through the map's peak, bare and overlaid.

    Args:
        explanation: of a volume.
        colormap, alpha, limit: as of
            :func:`camlucida.figures.volumes.figure.planes_pixels`.
        truth: the annotation in the original of ``explanation.geometry()``, outlined; None
            without one.

    Raises:
        UsageError: there is no such colormap.
        LayerError: the map lies over no image.
    """
    explanation.geometry()  # an error where the map lies over no image
    scan = as_volume(explanation.scan)
    values, peak = scan.to_stored(explanation.map()), map_peak(explanation, scan)
    stored = None if truth is None else scan.mask_to_stored(truth)
    look = (colormap, alpha, limit)
    return Image.fromarray(planes_pixels(explanation, scan, values, peak, *look, stored))


def planes_figure(explanation: Explanation, truth: NDArray[np.bool_] | None = None) -> Figure:
    """The picture of :func:`overlay_image`, pixel by pixel, as a figure that is saved like others.

    Args:
        explanation, truth: as there.
    """
    picture = overlay_image(explanation, truth=truth)
    figure = Figure(figsize=(picture.width / DPI, picture.height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.asarray(picture), interpolation="none")
    axes.set_axis_off()
    return figure


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
