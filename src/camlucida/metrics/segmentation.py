"""Predicted masks against true ones.

Overlap of an image and label, and which components were found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from camlucida.core.errors import ImageError
from camlucida.metrics.bootstrap import Sampling
from camlucida.metrics.overlap import mask_overlap
from camlucida.metrics.score_table import Row, ratio_row

Mask = NDArray[np.bool_]

ALL_LABELS = "all labels"
SHIFTS = 32
"""Random displacements of the prediction behind the chance level."""

METRICS = ("dice", "iou", "component_sensitivity", "false_components", "empty_agreement")
COLUMNS = [
    *(
        "image",
        "patient",
        "label",
        "model",
        "dice",
        "iou",
        "components",
        "hits",
        "predicted_components",
        "false_components",
    ),
    *("chance_dice", "chance_iou", "chance_hits", "chance_false_components"),
]


@dataclass(frozen=True)
class MaskPair:
    """A true and a predicted mask (H, W) of one image and label."""

    image: str
    patient: str
    label: str
    truth: Mask
    prediction: Mask
    model: str = ""


def compare_masks(pairs: Iterable[MaskPair]) -> pd.DataFrame:
    """A row a pair, columns :data:`COLUMNS`; one pair is held at a time.

    - ``dice`` = 2·|A∩B| ÷ (|A| + |B|), ``iou`` = |A∩B| ÷ |A∪B|. Both masks empty: NaN (nothing to
      overlap); one of them: 0.
    - ``components`` of the truth (8-connected); ``hits``: those that a predicted pixel touches.
    - ``predicted_components``; ``false_components``: those that touch no true pixel.
    - ``chance_…``: means over :data:`SHIFTS` random displacements of the prediction, wrapped around
      the border: as large and of the same shape, but nowhere in particular.

    Raises:
        ImageError: masks of different shape, or not two-dimensional.

    Args:
        pairs: masks (H, W) of one shape in each pair; pairs may differ in shape.

    Returns:
        A row a pair; Dice and IoU in [0, 1], the others counts, or means of counts.

    >>> pair = MaskPair("image", "patient", "nodule", np.eye(2) > 0, np.ones((2, 2)) > 0)
    >>> compare_masks([pair])["iou"].tolist()
    [0.5]
    """
    return pd.DataFrame(list(map(_row, pairs)), columns=COLUMNS)


def evaluate_segmentation(rows: pd.DataFrame, sampling: Sampling | None = None) -> list[Row]:
    """Figures of each label; first of all labels together, where there are several.

    - ``dice``, ``iou``: mean over images that are not NaN.
    - ``component_sensitivity``: true components hit ÷ true components, over all images;
      ``false_components``: mean an image.
    - ``empty_agreement``, where a true mask is empty: share of the images without a true pixel in
      which no pixel is predicted.

    Intervals by patient: of the two shares Wilson's, of the means BCa
    (:mod:`camlucida.metrics.intervals`); for the first three, none where fewer than 10 patients
    have a true pixel. ``positives``: images with one (``component_sensitivity``: components).

    Args:
        rows: of one model, from :func:`compare_masks`.
        sampling: of the intervals.

    Returns:
        Four or five rows a label: Dice, IoU and shares in [0, 1], false components 0 or more.

    Raises:
        KeyError: a column is missing.

    >>> pair = MaskPair("image", "patient", "nodule", np.eye(2) > 0, np.ones((2, 2)) > 0)
    >>> row = evaluate_segmentation(compare_masks([pair]))[1]
    >>> row.metric, row.estimate
    ('iou', 0.5)
    """
    sampling = sampling or Sampling()
    labels = list(dict.fromkeys(rows["label"]))
    figures: list[Row] = []
    if len(labels) > 1:
        figures += _figures(rows, ALL_LABELS, sampling)
    for label in labels:
        figures += _figures(rows[rows["label"] == label], label, sampling)
    return figures


def _figures(rows: pd.DataFrame, label: str, sampling: Sampling) -> Iterator[Row]:
    patients, there = rows["patient"].tolist(), rows["components"] > 0
    holders, images, parts = (
        int(rows["patient"][there].nunique()),
        float(there.sum()),
        float(rows["components"].sum()),
    )
    for metric in ("dice", "iou"):
        has_value = rows[metric].notna()
        chance = float(rows[f"chance_{metric}"][has_value].mean())
        yield ratio_row(
            metric,
            rows[metric],
            has_value.astype(float),
            patients,
            chance,
            sampling,
            label,
            holders,
            images,
        )
    hits, components = rows["hits"].where(there), rows["components"].where(there)
    chance = float(rows["chance_hits"].sum() / parts) if parts else float("nan")
    yield ratio_row(
        "component_sensitivity",
        hits,
        components,
        patients,
        chance,
        sampling,
        label,
        holders,
        parts,
        proportion=True,
    )
    chance, false = float(rows["chance_false_components"].mean()), rows["false_components"]
    yield ratio_row(
        "false_components",
        false,
        np.ones(len(rows)),
        patients,
        chance,
        sampling,
        label,
        positives=images,
    )
    if not there.all():
        yield _empty_agreement(rows[~there], label, sampling)


def _empty_agreement(rows: pd.DataFrame, label: str, sampling: Sampling) -> Row:
    """Of images without a true pixel. Displaced predictions are as large: there is no chance."""
    agrees = (rows["predicted_components"] == 0).astype(float)
    patients = rows["patient"].tolist()
    return ratio_row(
        "empty_agreement",
        agrees,
        np.ones(len(rows)),
        patients,
        float("nan"),
        sampling,
        label,
        positives=float(agrees.sum()),
        proportion=True,
    )


def _row(pair: MaskPair) -> dict[str, object]:
    truth, prediction = np.asarray(pair.truth, bool), np.asarray(pair.prediction, bool)
    if truth.ndim != 2 or truth.shape != prediction.shape:
        sizes = " and ".join(map(_size, (truth, prediction)))
        raise ImageError(
            f"{pair.image}, {pair.label!r}: true and predicted masks are {sizes}",
            "give both as (H, W) of one image",
        )
    parts = _components(truth)
    predicted_parts = _components(prediction)
    rng = np.random.default_rng(0)
    moved = []
    for shift in _shifts(rng, truth):
        shifted = np.roll(prediction, shift, (0, 1))
        # Components of the shifted mask, without counting those that the edge cuts as two.
        shifted_parts = np.roll(predicted_parts, shift, (0, 1))
        moved.append(_overlap(truth, shifted, parts, shifted_parts))
    overlap = _overlap(truth, prediction, parts, predicted_parts)
    chance = {f"chance_{name}": _mean_of(name, moved) for name in overlap}
    about = {"image": pair.image, "patient": pair.patient, "label": pair.label, "model": pair.model}
    return {
        **about,
        **overlap,
        **chance,
        "components": int(parts.max(initial=0)),
        "predicted_components": int(predicted_parts.max(initial=0)),
    }


def _size(mask: Mask) -> str:
    return "×".join(map(str, mask.shape))


def _mean_of(name: str, overlaps: Sequence[Mapping[str, float]]) -> float:
    return float(np.mean([overlap[name] for overlap in overlaps]))


def _shifts(rng: np.random.Generator, mask: Mask) -> list[tuple[int, int]]:
    down, across = (rng.integers(0, side, SHIFTS) for side in mask.shape)
    return [(int(y), int(x)) for y, x in zip(down, across)]


def _components(mask: Mask) -> NDArray[np.int32]:
    return np.asarray(ndimage.label(mask, structure=np.ones((3, 3)))[0], np.int32)


def _overlap(
    truth: Mask, prediction: Mask, parts: NDArray[np.int32], predicted_parts: NDArray[np.int32]
) -> dict[str, float]:
    overlap = mask_overlap(prediction, truth)
    predicted = int(predicted_parts.max(initial=0))
    return {
        "dice": overlap.dice,
        "iou": overlap.iou,
        "hits": _touched(parts, prediction),
        "false_components": predicted - _touched(predicted_parts, truth),
    }


def _touched(parts: NDArray[np.int32], mask: Mask) -> int:
    """Components with a pixel of the mask."""
    numbers = np.unique(parts[mask])
    return int((numbers > 0).sum())
