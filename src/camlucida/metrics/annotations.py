"""What a reader marked, as a mask in original pixels: from run-length codes, polygons or boxes. And the checks metrics share.

Axes are (rows, columns); boxes are ``x, y, width, height`` in edge coordinates: pixel ``i`` covers ``[i, i + 1]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.core.errors import NoEvidenceError, UsageError, did_you_mean

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MAX_PIXELS = 2**28
"""A larger mask is refused before it is allocated: two numbers in a file must not take the machine's memory."""


# ---- checks -----------------------------------------------------------------------------------------------------------------


def as_map(values: ArrayLike) -> Floats:
    """A map of any rank in float64, not to be written to: it may be the caller's; NoEvidenceError where a value is not finite."""
    heat = np.asarray(values, np.float64)
    if heat.size == 0 or heat.ndim == 0:
        raise UsageError(f"a map of shape {heat.shape}", "give an array of at least one cell")
    broken = heat.size - int(np.isfinite(heat).sum())
    if broken:
        raise NoEvidenceError(
            f"{broken} of {heat.size} values of the map are not finite",
            "score it as missing, or mend the method",
        )
    return heat


def as_mask(mask: ArrayLike, size: Sequence[int], what: str = "mask") -> Mask:
    """A boolean mask of exactly ``size``; it may be given as bool, 0/1 or 0/255."""
    array = np.asarray(mask)
    if array.shape != tuple(size):
        raise UsageError(
            f"{what} of {_by(array.shape)} for a map of {_by(size)}",
            "both must be in the same (original) pixels",
        )
    if array.dtype != np.bool_:
        seen = np.unique(array)
        if not (np.isin(seen, (0, 1)).all() or np.isin(seen, (0, 255)).all()):
            raise UsageError(
                f"{what} holds {len(seen)} values, such as {seen[-1]}", "give bool, 0/1 or 0/255"
            )
    return array.astype(np.bool_)


def as_pair(values: ArrayLike, truth: ArrayLike) -> tuple[Floats, Mask]:
    """The checked map and truth, of one size."""
    heat = as_map(values)
    return heat, as_mask(truth, heat.shape)


def as_boxes(boxes: ArrayLike) -> Floats:
    """(N, 4) of x, y, width, height; width and height above 0. N may be 0."""
    array = np.asarray(boxes, np.float64)
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise UsageError(f"boxes of shape {array.shape}", "give N rows of x, y, width, height")
    if not (np.isfinite(array).all() and (array[:, 2:] > 0).all()):
        raise UsageError(
            "a box without width or height",
            "give x, y, width, height in pixels, the last two above 0",
        )
    return array


def _by(size: Sequence[int]) -> str:
    return "×".join(str(n) for n in size)


# ---- run-length codes -------------------------------------------------------------------------------------------------------


def from_rle(rle: Mapping[str, Any]) -> Mask:
    """The mask of a COCO run-length code ``{"size": [H, W], "counts": runs}``.

    Runs alternate outside, inside, … down the columns. ``counts`` is a list of lengths, or COCO's compressed text: 6 bits a
    character from code 48 on, 5 of value (least first, the last one signed) and one for "more follows"; from the fourth run on
    the difference to the run two before.
    """
    try:
        height, width = (int(n) for n in rle["size"])
        counts = rle["counts"]
        runs = _decompress(counts) if isinstance(counts, (str, bytes)) else [int(n) for n in counts]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(
            f"not a run-length code: {type(error).__name__} {error}",
            'give {"size": [H, W], "counts": …}',
        ) from None
    pixels = height * width
    if height < 0 or width < 0 or pixels > MAX_PIXELS:
        raise UsageError(
            f"run-length code of {height}×{width} pixels", f"at most {MAX_PIXELS} pixels are read"
        )
    if min(runs, default=0) < 0 or sum(runs) != pixels:
        raise UsageError(
            f"run-length code covers {sum(runs)} pixels of {height}×{width} = {pixels}",
            "the file is damaged",
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(width, height).T)


def to_rle(mask: ArrayLike) -> dict[str, Any]:
    """The uncompressed COCO run-length code of a mask (H, W)."""
    array = np.asarray(mask)
    flat = as_mask(array, array.shape).T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat, prepend=False)) if flat.size else np.zeros(0, int)
    return {
        "size": [int(n) for n in array.shape],
        "counts": np.diff(edges, prepend=0, append=flat.size).tolist(),
    }


def rle_masks(document: Mapping[str, Any], image: str) -> dict[str, Mask]:
    """Label → mask of one image in a CheXlocalize file ``{image: {label: {"size", "counts"}}}``."""
    if image not in document:
        raise UsageError(f"no masks for image {image!r}", did_you_mean(image, document))
    return {label: from_rle(code) for label, code in document[image].items()}


def _decompress(text: str | bytes) -> list[int]:
    codes = text if isinstance(text, bytes) else text.encode("ascii")
    runs: list[int] = []
    at = 0
    while at < len(codes):
        value = shift = 0
        more = True
        while more:
            code = codes[at] - 48
            if not 0 <= code < 64:
                raise ValueError(f"character {chr(codes[at])!r}")
            value |= (code & 31) << shift
            more = bool(code & 32)
            at, shift = at + 1, shift + 5
            if not more and code & 16:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


# ---- polygons and boxes -----------------------------------------------------------------------------------------------------


def from_polygons(polygons: Sequence[ArrayLike], size: Sequence[int]) -> Mask:
    """The union of filled polygons, outline included, in an image of ``size`` (H, W).

    Args:
        polygons: each (points, 2) of x, y: pixel indices (a vertex names a pixel), as CheXlocalize draws them. A polygon of
            one point marks nothing.
    """
    from PIL import Image, ImageDraw

    height, width = (int(n) for n in size)
    if height * width > MAX_PIXELS:
        raise UsageError(
            f"mask of {height}×{width} pixels", f"at most {MAX_PIXELS} pixels are drawn"
        )
    canvas = Image.new("1", (width, height))
    for polygon in polygons:
        points = np.asarray(polygon, np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise UsageError(
                f"a polygon of shape {points.shape}",
                "give rows of x, y in pixels of the original image",
            )
        if len(points) > 1:
            ImageDraw.Draw(canvas).polygon([(x, y) for x, y in points.tolist()], outline=1, fill=1)
    return np.array(canvas, np.bool_)


def from_boxes(boxes: ArrayLike, size: Sequence[int]) -> Mask:
    """The union of boxes (N, 4: x, y, width, height) in an image of ``size`` (H, W): pixels whose centre is inside.

    A box that reaches over the edge is cut; one that holds no pixel of the image is an error.
    """
    height, width = (int(n) for n in size)
    mask = np.zeros((height, width), np.bool_)
    for x, y, w, h in as_boxes(boxes).tolist():
        left, top = max(0, int(np.ceil(x - 0.5))), max(0, int(np.ceil(y - 0.5)))
        right, bottom = (
            min(width, int(np.ceil(x + w - 0.5))),
            min(height, int(np.ceil(y + h - 0.5))),
        )
        if left >= right or top >= bottom:
            raise UsageError(
                f"box x {x:g}, y {y:g}, {w:g}×{h:g} holds no pixel of the {height}×{width} image",
                "give original pixels",
            )
        mask[top:bottom, left:right] = True
    return mask


def boxes_of(mask: Mask) -> Floats:
    """(N, 4) x, y, width, height of the connected components (8-neighbourhood) of a mask (H, W)."""
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    found = [
        (c.start, r.start, c.stop - c.start, r.stop - r.start)
        for r, c in ndimage.find_objects(parts)
    ]
    return np.array(found, np.float64).reshape(-1, 4)


def box_iou(first: ArrayLike, second: ArrayLike) -> Floats:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4): x, y, width, height."""
    a, b = as_boxes(first)[:, None], as_boxes(second)[None]
    reach = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]) - np.maximum(
        a[..., :2], b[..., :2]
    )
    overlap = np.maximum(reach, 0).prod(-1)
    return np.asarray(overlap / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - overlap))
