"""Lung fields of a frontal chest radiograph, found by classical image processing; and their zones.

At each of several thresholds the dark parts of the body that lie, in size, place and shape, as a
lung does are candidates. The pair with a large area, compact shapes and steep edges is taken; where
no pair stands as two lungs do, nothing is found. Opacified lung (an effusion) is left out, and
lung behind the heart or air in the stomach may be taken in.

Source: thresholds and rules of shape as in van Ginneken 2001, section II; regions at all
thresholds, Matas 2004.
"""

# Half of scikit-image is without types.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from skimage import filters, measure, morphology, segmentation, transform

from camlucida.metrics.annotations import Floats, Mask

ZONES = ("right_lung", "left_lung", "upper_third", "middle_third", "lower_third", "between_lungs")
"""Names of the zones. Right is the patient's."""


class DetectionError(NamedTuple):
    """How well the lung fields of synthetic radiographs are detected.

    Attributes:
        films: number of films, a sixth of them without a finding.
        found: number of those in which lung fields are detected.
        dice: mean Dice of the detected and the true lung fields.
        low, high: between which 90 % of the films lie.
    """

    films: int
    found: int
    dice: float
    low: float
    high: float


PHANTOM_ERROR = DetectionError(films=200, found=193, dice=0.86, low=0.81, high=0.91)
"""Of ``scripts/lung_field_error.py``; patients were not measured."""

SIDE = 192
"""Longer side of the image in which is looked for lungs, in pixels."""
SMALLEST = 64
"""Shortest side of an image that can show lungs, in pixels."""
COLOUR = 0.06
"""Mean spread of the colours of a pixel above which a picture is no radiograph, of the full
range."""
MEDIASTINUM = 0.1
"""How much brighter the mediastinum is than the lungs, in the grey levels of the thresholds."""
THRESHOLDS = np.linspace(0.15, 0.75, 16)
"""Of the grey levels between the first and the 99th percentile."""


@dataclass(frozen=True)
class LungFields:
    """Both lung fields.

    Attributes:
        right, left: of the patient, (H, W).
    """

    right: Mask
    left: Mask


@dataclass(frozen=True)
class _Candidate:
    """A part of the picture that may be a lung; lengths are shares of the picture's sides."""

    mask: Mask
    x: float
    y: float
    top: float
    first: float
    last: float
    area: float
    solidity: float
    contrast: float
    edge: float


def lung_fields(picture: ArrayLike, mirrored: bool = False) -> LungFields | None:
    """The lung fields of a frontal chest radiograph.

    Args:
        picture: (H, W) or (H, W, 3), air dark, of any range.
        mirrored: whether the patient's right is on the right of the image. By convention it is on
            the left.

    Returns:
        None where no lung fields are found: of another picture than a frontal chest radiograph, of
        one with inverted grey levels, or of lungs that are opaque.

    >>> lung_fields(np.zeros((100, 100))) is None
    True
    """
    grey = _grey(picture)
    small = None if grey is None else _small(grey)
    if grey is None or small is None:
        return None
    pair = _best_pair(small)
    if pair is None:
        return None
    on_left, on_right = (_enlarged(lung.mask, grey.shape) for lung in pair)
    return LungFields(on_right, on_left) if mirrored else LungFields(on_left, on_right)


def lung_zones(fields: LungFields) -> dict[str, Mask]:
    """The zones of lung fields, of the size of the image.

    Args:
        fields: given or detected, not empty.

    Returns:
        Each of :data:`ZONES`: the lungs; the thirds of their height, each lung by its own; and what
        lies between the lungs, with the heart and the mediastinum.

    >>> right, left = np.zeros((2, 6, 7), bool)
    >>> right[:, 1:3] = left[:, 4:6] = True
    >>> {name: int(mask.sum()) for name, mask in lung_zones(LungFields(right, left)).items()}
    {'right_lung': 12, 'left_lung': 12, 'upper_third': 8, 'middle_third': 8, 'lower_third': 8, \
'between_lungs': 6}
    """
    zones = {"right_lung": fields.right, "left_lung": fields.left}
    thirds = [np.zeros_like(fields.right) for _ in range(3)]
    for lung in (fields.right, fields.left):
        rows = np.flatnonzero(lung.any(1))
        edges = np.linspace(rows[0], rows[-1] + 1, 4).round().astype(int)
        for third, start, stop in zip(thirds, edges[:-1], edges[1:]):
            third[start:stop] |= lung[start:stop]
    zones |= dict(zip(ZONES[2:5], thirds))
    return zones | {"between_lungs": _between(fields)}


def split_lungs(lungs: ArrayLike, mirrored: bool = False) -> LungFields | None:
    """Right and left of a mask that holds both lungs.

    Args:
        lungs: (H, W), 0 outside.
        mirrored: as of :func:`lung_fields`.

    Returns:
        None where the mask does not fall apart into two sides.

    >>> fields = split_lungs([[1, 1, 0, 1]])
    >>> fields.right.tolist(), fields.left.tolist()
    ([[True, True, False, False]], [[False, False, False, True]])
    """
    mask = np.asarray(lungs) != 0
    columns = np.flatnonzero(mask.any(0))
    if not len(columns):
        return None
    # The emptiest column of the middle half parts them.
    first, last = int(columns[0]), int(columns[-1]) + 1
    quarter = (last - first) // 4
    heights = mask.sum(0)[first + quarter : last - quarter]
    if not len(heights):
        return None
    lowest = np.flatnonzero(heights == heights.min())
    middle = first + quarter + int(lowest[len(lowest) // 2])
    on_left = mask.copy()
    on_left[:, middle:] = False
    on_right = mask & ~on_left
    if not (on_left.any() and on_right.any()):
        return None
    return LungFields(on_right, on_left) if mirrored else LungFields(on_left, on_right)


def is_colour(picture: ArrayLike) -> bool:
    """Whether a picture (H, W, 3) is in colour, and so no radiograph.

    >>> is_colour([[[0, 0, 0], [9, 9, 9]]]), is_colour([[[0, 0, 0], [9, 0, 0]]])
    (False, True)
    """
    values = np.asarray(picture, np.float64)
    spread = float(np.ptp(values, axis=2).mean())
    return spread > COLOUR * float(np.ptp(values))


def _between(fields: LungFields) -> Mask:
    """In each row in which both lungs lie, what is between them."""
    between = np.zeros_like(fields.right)
    for row in np.flatnonzero(fields.right.any(1) & fields.left.any(1)):
        sides = [np.flatnonzero(lung[row]) for lung in (fields.right, fields.left)]
        first, second = sorted(sides, key=lambda columns: int(columns[0]))
        between[row, first[-1] + 1 : second[0]] = True
    return between & ~fields.right & ~fields.left


def _grey(picture: ArrayLike) -> Floats | None:
    """(H, W); None for a picture in colour, or one too small."""
    values = np.asarray(picture, np.float64)
    if values.ndim == 3:
        if is_colour(values):
            return None
        values = values.mean(2)
    if values.ndim != 2 or min(values.shape) < SMALLEST or not np.isfinite(values).all():
        return None
    return values


def _small(grey: Floats) -> Floats | None:
    """Reduced, smoothed, in [0, 1]; None for a constant picture or a strip."""
    factor = SIDE / max(grey.shape)
    height, width = (max(8, round(side * factor)) for side in grey.shape)
    if min(height, width) < SIDE / 3:
        return None
    small = transform.resize(grey, (height, width), anti_aliasing=True, preserve_range=True)
    low, high = np.percentile(small, [1, 99])
    if high <= low:
        return None
    scaled = np.clip((small - low) / (high - low), 0, 1)
    return np.asarray(filters.gaussian(scaled, 1.2), np.float64)


def _outside(grey: Floats) -> Mask:
    """Air around the body: what a flood from the edge reaches before it crosses the chest wall."""
    height, width = grey.shape
    soft = filters.gaussian(grey, 2.5)
    parts = measure.label(morphology.h_minima(soft, 0.06))
    rows, columns = np.mgrid[:height, :width]
    frame = (columns < 0.12 * width) | (columns > 0.88 * width) | (rows < 0.1 * height)
    frame |= rows > height - 4
    outer = np.unique(parts[frame & (parts > 0)])
    markers = np.where(parts > 0, parts + 1, 0)
    markers[np.isin(parts, outer)] = 1
    markers[[0, -1]] = 1
    markers[:, [0, -1]] = 1
    return np.asarray(segmentation.watershed(soft, markers) == 1)


def _candidates(grey: Floats) -> Iterator[_Candidate]:
    """Dark parts that may be a lung, at every threshold, with and without the air around."""
    slope = filters.sobel(grey)
    nowhere = np.zeros(grey.shape, np.bool_)
    disk = morphology.disk(2)
    for air, threshold in product((_outside(grey), nowhere), THRESHOLDS):
        dark = ndimage.binary_opening((grey < threshold) & ~air, disk)
        for part in measure.regionprops(measure.label(dark, connectivity=1)):
            candidate = _candidate(part, grey, slope)
            if candidate is not None:
                yield candidate


def _candidate(part: Any, grey: Floats, slope: Floats) -> _Candidate | None:
    """A part as a candidate; None where its size, place or shape is not that of a lung."""
    height, width = grey.shape
    top, first, bottom, last = part.bbox
    area = part.area / grey.size
    tall, wide = (bottom - top) / height, (last - first) / width
    at_edge = min(top, first) <= 1 or bottom >= height - 1 or last >= width - 1
    sized = 0.03 < area < 0.3 and 0.25 < tall < 0.9 and 0.1 < wide < 0.5
    y, x = part.centroid[0] / height, part.centroid[1] / width
    if at_edge or not sized or bottom - top <= 0.9 * (last - first) or not 0.2 < y < 0.75:
        return None
    solidity = float(part.solidity)
    if solidity < 0.6:
        return None
    mask = np.zeros(grey.shape, np.bool_)
    mask[part.slice] = part.image
    ring = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask)
    rim = mask & ~ndimage.binary_erosion(mask)
    return _Candidate(
        mask=mask,
        x=x,
        y=y,
        top=top / height,
        first=first / width,
        last=last / width,
        area=area,
        solidity=solidity,
        contrast=float(grey[ring].mean() - grey[mask].mean()),
        edge=float(slope[rim].mean()),
    )


def _best_pair(grey: Floats) -> tuple[_Candidate, _Candidate] | None:
    """The best pair of lungs, that on the left of the image first."""
    candidates = list(_candidates(grey))
    pairs = [
        (first, second)
        for first, second in product(candidates, candidates)
        if first.x < second.x and _stand_as_lungs(first, second)
    ]
    pairs.sort(key=lambda pair: -_score(*pair))
    return next((pair for pair in pairs if _beside_mediastinum(grey, *pair)), None)


def _beside_mediastinum(grey: Floats, first: _Candidate, second: _Candidate) -> bool:
    """What lies between is brighter than both; in an inverted radiograph it is darker."""
    between = _between(LungFields(first.mask, second.mask))
    # Spine and heart stand at the middle; beside them may be lung that was not taken in.
    middle = (first.x + second.x) / 2 * grey.shape[1]
    columns = np.arange(grey.shape[1])
    between &= np.abs(columns - middle) < 0.06 * grey.shape[1]
    if not between.any():
        return False
    lungs = max(float(grey[lung.mask].mean()) for lung in (first, second))
    return float(grey[between].mean()) > lungs + MEDIASTINUM


def _stand_as_lungs(first: _Candidate, second: _Candidate) -> bool:
    """Side by side about the middle, at one height, of similar size."""
    apart = 0.25 < second.x - first.x < 0.62 and second.first - first.last >= -0.06
    central = 0.35 < (first.x + second.x) / 2 < 0.65
    level = abs(first.top - second.top) <= 0.15 and abs(first.y - second.y) <= 0.12
    return apart and central and level and _likeness(first, second) >= 0.35


def _likeness(first: _Candidate, second: _Candidate) -> float:
    return min(first.area, second.area) / max(first.area, second.area)


def _score(first: _Candidate, second: _Candidate) -> float:
    compact = (first.solidity * second.solidity) ** 2
    steep = min(first.edge, second.edge) ** 2 * min(first.contrast, second.contrast)
    likeness = _likeness(first, second)
    return float((first.area + second.area) * compact * likeness**0.5 * steep)


def _enlarged(mask: Mask, size: tuple[int, ...]) -> Mask:
    """Closed, filled, and of the size of the picture."""
    margin = 8
    padded = np.pad(mask, margin)
    closed = ndimage.binary_fill_holes(ndimage.binary_closing(padded, morphology.disk(6)))
    whole = closed[margin:-margin, margin:-margin].astype(np.float64)
    return np.asarray(transform.resize(whole, size, order=1) > 0.5)
