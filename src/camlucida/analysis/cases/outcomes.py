"""Predictions judged by the ground truth: predicted class, outcome, error and loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.analysis.cases.annotations import Annotations
from camlucida.io.annotations import from_rle
from camlucida.metrics.annotations import Mask
from camlucida.metrics.multilabel import DECISION_THRESHOLD, decision_values
from camlucida.metrics.overlap import mask_overlap

POSITIVE, NEGATIVE = "positive", "negative"
"""Decisions on a label, in the column ``predicted``."""

NAN = float("nan")
KEYS = ["image", "label"]
VALUES = [
    "probability",
    "value",
    "truth",
    "predicted",
    "true_class",
    "outcome",
    "correct",
    "error",
    "loss",
    "dice",
]
TEXTS = ("predicted", "true_class", "outcome")


def has_classes(task: str, labels: Sequence[str]) -> bool:
    """Whether exactly one label is predicted: multi-class, and binary with both classes named.

    Args:
        task, labels: of the model.

    >>> has_classes("binary", ["benign", "malignant"]), has_classes("binary", ["malignant"])
    (True, False)
    """
    return task == "multiclass" or (task == "binary" and len(labels) > 1)


def judged_predictions(
    predictions: pd.DataFrame,
    task: str,
    labels: Sequence[str],
    annotations: Annotations | None = None,
) -> pd.DataFrame:
    """A row an image and label of one model, with the columns :data:`KEYS` and :data:`VALUES`.

    What a task does not have is NaN, None or "".

    Args:
        predictions: of :meth:`~camlucida.runs.Run.predictions`, of one model.
        task, labels: of the model.
        annotations: true masks, of a segmentation.
    """
    if task == "segmentation":
        frame = _judged_regions(predictions, annotations)
    elif task == "regression":
        frame = _judged_values(predictions, labels)
    elif has_classes(task, labels):
        rows = both_classes(predictions) if task == "binary" else predictions
        frame = _judged_classes(rows)
    else:
        frame = _judged_labels(predictions)
    blank: dict[str, Any] = dict.fromkeys(VALUES, NAN)
    blank |= dict.fromkeys(TEXTS, "")
    blank["correct"] = None
    missing = {name: blank[name] for name in VALUES if name not in frame}
    return frame.assign(**missing)[[*KEYS, *VALUES]]


def both_classes(predictions: pd.DataFrame) -> pd.DataFrame:
    """Of a binary model of two labels, with the truth of both where that of one is known.

    Args:
        predictions: a row an image and label; ``truth`` is 1, 0 or NaN for unknown.

    >>> frame = pd.DataFrame({"image": ["a", "a"], "truth": [float("nan"), 1.0]})
    >>> both_classes(frame)["truth"].tolist()
    [0.0, 1.0]
    """
    other = 1 - predictions.groupby("image")["truth"].transform("sum", min_count=1)
    return predictions.assign(truth=predictions["truth"].fillna(other))


def most_probable_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """``image``, ``patient`` and ``predicted``, the most probable class, of each image.

    Args:
        predictions: a row an image and label. Of equal probabilities the first row decides.

    >>> rows = {"image": ["a", "a"], "patient": ["p", "p"], "label": ["x", "y"]}
    >>> most_probable_class(pd.DataFrame({**rows, "probability": [0.2, 0.8]}))["predicted"].tolist()
    ['y']
    """
    rank = predictions["probability"].fillna(-1)
    ranked = predictions.assign(rank=rank).sort_values("rank", ascending=False, kind="stable")
    best = ranked.drop_duplicates("image").set_index("image")["label"]
    images = predictions[["image", "patient"]].drop_duplicates("image").reset_index(drop=True)
    return images.assign(predicted=images["image"].map(best))


def outcomes(positive: pd.Series, true: pd.Series, judged: pd.Series) -> NDArray[Any]:
    """TP, FP, FN or TN of each row; "" where it is not judged.

    Args:
        positive: whether the prediction is positive.
        true: whether the ground truth is.
        judged: whether both are given.

    >>> flags = pd.Series([True, False]), pd.Series([True, True]), pd.Series([True, True])
    >>> outcomes(*flags).tolist()
    ['TP', 'FN']
    """
    of_positive = np.where(true, "TP", "FP")
    of_negative = np.where(true, "FN", "TN")
    names = np.where(positive, of_positive, of_negative)
    return np.where(judged, names, "")


def predicted_region(row: Mapping[str, Any]) -> Mask | None:
    """(H, W) of a row of predictions of a segmentation, in original pixels.

    Args:
        row: with ``region``, run lengths, and ``original``, (H, W).

    Returns:
        The mask; None where the image does not have two axes.

    >>> predicted_region({"region": [1, 2, 1], "original": [2, 2]}).tolist()
    [[False, True], [True, False]]
    """
    # A missing list is NaN in a table.
    if not isinstance(row["region"], (list, np.ndarray)):
        return None
    return from_rle({"size": row["original"], "counts": row["region"]})


def true_region(row: Mapping[str, Any], annotations: Annotations) -> Mask | None:
    """(H, W) of a row's label, in original pixels; None where there is no mask.

    Args:
        row: of predictions, with ``image``, ``path``, ``label`` and ``original``.
        annotations: of the model.
    """
    if len(row["original"]) != 2:
        return None
    height, width = row["original"]
    return annotations.mask(row, row["label"], (int(height), int(width)))


def region_dice(first: Mask, second: Mask) -> float:
    """2 |A ∩ B| ÷ (|A| + |B|) of two masks of one shape; NaN where both are empty.

    >>> region_dice(np.array([[True, True]]), np.array([[True, False]]))
    0.6666666666666666
    """
    return mask_overlap(first, second).dice


def _judged_labels(predictions: pd.DataFrame) -> pd.DataFrame:
    frame = predictions[[*KEYS, "probability", "truth"]].reset_index(drop=True)
    probability, truth = frame["probability"], frame["truth"]
    decided = pd.Series(decision_values(predictions), index=frame.index)
    positive, true = decided >= DECISION_THRESHOLD, truth == 1
    judged = truth.notna() & probability.notna()
    decision = np.where(positive, POSITIVE, NEGATIVE)
    return frame.assign(
        predicted=np.where(probability.isna(), "", decision),
        outcome=outcomes(positive, true, judged),
        correct=_correct(positive == true, judged),
        loss=(truth - probability).abs(),
    )


def _judged_classes(predictions: pd.DataFrame) -> pd.DataFrame:
    frame = predictions[[*KEYS, "probability", "truth"]].reset_index(drop=True)
    best = most_probable_class(predictions).set_index("image")["predicted"]
    positives = frame[frame["truth"] == 1]
    # An image with several true classes has no true class.
    ambiguous = positives["image"].duplicated(keep=False)
    true = positives[~ambiguous].set_index("image")
    predicted = frame["image"].map(best)
    true_class = frame["image"].map(true["label"]).fillna("")
    judged = true_class != ""
    is_true = true_class == frame["label"]
    return frame.assign(
        predicted=predicted,
        true_class=true_class,
        truth=np.where(judged, is_true, NAN),
        outcome=outcomes(predicted == frame["label"], judged & is_true, judged),
        correct=_correct(predicted == true_class, judged),
        loss=1 - frame["image"].map(true["probability"]),
    )


def _judged_values(predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    frame = predictions[[*KEYS, "value", "truth"]].reset_index(drop=True)
    # A cohort has one value an image, and does not state to which output it belongs.
    if len(labels) > 1:
        frame["truth"] = NAN
    error = frame["value"] - frame["truth"]
    return frame.assign(error=error, loss=error.abs())


def _judged_regions(predictions: pd.DataFrame, annotations: Annotations | None) -> pd.DataFrame:
    overlaps, truths = [], []
    for record in predictions.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        mask = None if annotations is None else true_region(row, annotations)
        if mask is None:
            overlaps.append(NAN)
            truths.append(row["truth"])
            continue
        region = predicted_region(row)
        overlaps.append(NAN if region is None else region_dice(region, mask))
        truths.append(float(mask.any()))
    frame = predictions[[*KEYS, "probability", "truth"]].reset_index(drop=True)
    dice = np.array(overlaps, float)
    return frame.assign(truth=truths, dice=dice, loss=1 - dice)


def _correct(right: pd.Series, judged: pd.Series) -> pd.Series:
    """True, False or None."""
    values = [bool(flag) if counts else None for flag, counts in zip(right, judged)]
    return pd.Series(values, index=right.index, dtype=object)
