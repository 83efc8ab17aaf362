"""From explanations of an image to what its DICOM objects hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import ImageError
from camlucida.core.regions import binary_mask
from camlucida.core.volume_scan import VolumeScan
from camlucida.figures.capture import captures
from camlucida.figures.contours import half_maximum
from camlucida.io.dicom_export import Algorithm, ExportedMap, ImageContent
from camlucida.io.dicom_export.content import Explains
from camlucida.metrics.burned_in import burned_in

OF_ACTIVATIONS = frozenset(
    ("ablationcam", "scorecam", "sscam", "iscam", "groupcam", "relevancecam")
)
"""Methods that weigh activations by what the model answers, without gradients."""

OF_GRADIENTS = frozenset(("smooth_gradcam_pp",))
"""Methods that weigh activations by gradients of several passes."""


def is_baseline(method: str) -> bool:
    """Whether a map is of no model, so that it explains nothing.

    Args:
        method: registry name.

    >>> is_baseline("sobel"), is_baseline("gradcam")
    (True, False)
    """
    return method in METHODS and METHODS[method].paper.startswith("baseline")


def explains(method: str) -> Explains:
    """Which term of CID 217 a method is: class activation, gradient-weighted or not, or saliency.

    Args:
        method: registry name; a variant is what its method is.

    >>> explains("gradcam:aug"), explains("scorecam"), explains("integrated_gradients")
    ('gradient', 'activation', 'saliency')
    """
    base = method.partition(":")[0]
    kind = METHODS[base].kind if base in METHODS else "input"
    if (kind == "gradient" and base != "cam") or base in OF_GRADIENTS:
        return "gradient"
    if kind == "activation" or base == "cam" or base in OF_ACTIVATIONS:
        return "activation"
    return "saliency"


def image_content(
    explanations: Sequence[Explanation],
    algorithm: Algorithm,
    threshold: float,
    mismatch: bool = False,
    colormap: str | None = None,
) -> ImageContent:
    """What is exported of an image.

    Args:
        explanations: of one image, each over it.
        algorithm: the model.
        threshold: of the regions, a share of each map's maximum.
        mismatch: whether the model is known not to be that of the stored predictions.
        colormap: matplotlib name; the default if None.
    """
    scan = explanations[0].scan
    pictures = captures(explanations, colormap)
    maps = [_map(each, picture, threshold) for each, picture in zip(explanations, pictures)]
    return ImageContent(
        tuple(maps),
        algorithm,
        threshold,
        scan.synthetic,
        burned_in(scan.picture()),
        mismatch,
    )


def volume_content(
    explanations: Sequence[Explanation],
    algorithm: Algorithm,
    threshold: float,
    mismatch: bool = False,
) -> ImageContent:
    """What is exported of a volume: masks in the voxels of its series.

    Args:
        explanations: of one volume that was read again.
        algorithm, threshold, mismatch: as of :func:`image_content`.

    Raises:
        ImageError: the volume is gone, or has changed.
    """
    maps = []
    for each in explanations:
        if not isinstance(each.scan, VolumeScan):
            raise ImageError(f"{each.scan.id} is gone, or has changed", "explain it again")
        values = each.scan.to_stored(each.map()).clip(min=0)
        maps.append(_exported(each, values, _NO_PICTURE, threshold, ()))
    scan = explanations[0].scan
    return ImageContent(tuple(maps), algorithm, threshold, scan.synthetic, "", mismatch)


_NO_PICTURE = np.zeros((0, 0, 3), np.uint8)


def _map(explanation: Explanation, picture: NDArray[np.uint8], threshold: float) -> ExportedMap:
    values = explanation.numpy().clip(min=0)
    shares = _shares(explanation, values)
    lines = half_maximum(shares, fraction=threshold) if shares.any() else []
    contours = tuple(line[:, ::-1] + 0.5 for line in lines)
    return _exported(explanation, values, picture, threshold, contours)


def _shares(explanation: Explanation, values: NDArray[Any]) -> NDArray[np.float32]:
    """The positive part of a map in shares of its maximum; 0 of one without evidence."""
    top = float(values.max(initial=0.0))
    shown = top > 0 and not explanation.is_empty
    return np.asarray(values / top if shown else values * 0, np.float32)


def _exported(
    explanation: Explanation,
    values: NDArray[Any],
    picture: NDArray[np.uint8],
    threshold: float,
    contours: tuple[NDArray[np.float64], ...],
) -> ExportedMap:
    shares = _shares(explanation, values)
    about = explanation.provenance
    return ExportedMap(
        label=explanation.target,
        method=str(about.get("method", explanation.method)),
        explains=explains(explanation.method),
        layer=explanation.shown_layer,
        cells=" x ".join(map(str, explanation.grid)),
        score=explanation.score,
        score_kind=str(about.get("score_kind", "score")),
        probability=explanation.probability,
        values=shares,
        mask=binary_mask(shares, threshold),
        contours=contours,
        picture=picture,
        empty=str(explanation.empty_reason) if explanation.is_empty else "",
    )
