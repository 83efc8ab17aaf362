"""What a model said of each image and label, judged by what is true: outcome, error, loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.cases.annotations import Annotations
from camlucida.io.annotations import from_rle
from camlucida.metrics.annotations import Mask

THRESHOLD = 0.5
"""A label is called positive from this probability on."""

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


def has_classes(task: str, labels: Sequence[str]) -> bool:
    """Whether exactly one of the labels is predicted: multi-class, and binary with a name for both classes."""
    return task == "multiclass" or (task == "binary" and len(labels) > 1)


def judged_predictions(
    predictions: pd.DataFrame, task: str, labels: Sequence[str], marks: Annotations | None = None
) -> pd.DataFrame:
    """A row an image and label of one model: columns ``KEYS`` and ``VALUES``; what a task does not have is NaN, None or "".

    Args:
        predictions: of :meth:`~camlucida.runs.Run.predictions`, of one model.
        task, labels: of the model.
        marks: true masks, of a segmentation.
    """
    if task == "segmentation":
        found = _regions(predictions, marks)
    elif task == "regression":
        found = _values(predictions, labels)
    elif has_classes(task, labels):
        found = _classes(both_classes(predictions) if task == "binary" else predictions)
    else:
        found = _labels(predictions)
    texts = dict.fromkeys(("predicted", "true_class", "outcome"), "")
    blank = texts | dict.fromkeys(set(VALUES) - set(texts), NAN) | {"correct": None}
    found = found.assign(**{name: value for name, value in blank.items() if name not in found})
    return found[[*KEYS, *VALUES]]


def both_classes(predictions: pd.DataFrame) -> pd.DataFrame:
    """Of a binary model of two labels: what is not one is the other, where the truth of one alone is known."""
    other = 1 - predictions.groupby("image")["truth"].transform("sum", min_count=1)
    return predictions.assign(truth=predictions["truth"].fillna(other))


def _labels(predictions: pd.DataFrame) -> pd.DataFrame:
    found = predictions[[*KEYS, "probability", "truth"]].reset_index(drop=True)
    said, truth = found["probability"] >= THRESHOLD, found["truth"]
    found["predicted"] = np.where(
        found["probability"].isna(), "", np.where(said, "positive", "negative")
    )
    found["outcome"] = outcomes(said, truth == 1, truth.notna() & found["probability"].notna())
    found["correct"] = _correct(said == (truth == 1), found["outcome"] != "")
    return found.assign(loss=(truth - found["probability"]).abs())


def _classes(predictions: pd.DataFrame) -> pd.DataFrame:
    found = predictions[[*KEYS, "probability", "truth"]].reset_index(drop=True)
    ranked = found.assign(rank=found["probability"].fillna(-1)).sort_values(
        "rank", ascending=False, kind="stable"
    )
    predicted = ranked.drop_duplicates("image").set_index("image")["label"]
    true = found[found["truth"] == 1]
    true = true[~true["image"].duplicated(keep=False)].set_index("image")
    found["predicted"] = found["image"].map(predicted)
    found["true_class"] = found["image"].map(true["label"]).fillna("")
    known = found["true_class"] != ""
    found["truth"] = np.where(known, found["true_class"] == found["label"], NAN)
    found["outcome"] = outcomes(found["predicted"] == found["label"], found["truth"] == 1, known)
    found["correct"] = _correct(found["predicted"] == found["true_class"], known)
    return found.assign(loss=1 - found["image"].map(true["probability"]))


def _values(predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    found = predictions[[*KEYS, "value", "truth"]].reset_index(drop=True)
    if len(labels) > 1:  # the cohort has one value, and nothing says of which output
        found["truth"] = NAN
    error = found["value"] - found["truth"]
    return found.assign(error=error, loss=error.abs())


def _regions(predictions: pd.DataFrame, marks: Annotations | None) -> pd.DataFrame:
    found = predictions[[*KEYS, "probability", "truth"]].reset_index(drop=True)
    overlaps, truths = [], []
    for record in predictions.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        mask = None if marks is None else true_region(row, marks)
        overlaps.append(NAN if mask is None else _dice(predicted_region(row), mask))
        truths.append(row["truth"] if mask is None else float(mask.any()))
    return found.assign(truth=truths, dice=overlaps, loss=1 - np.array(overlaps, float))


def predicted_region(row: dict[str, Any]) -> Mask | None:
    """(H, W) of a row of predictions of a segmentation, in original pixels; None for what is not an image of two axes."""
    if not isinstance(row["region"], (list, np.ndarray)):
        return None
    return from_rle({"size": row["original"], "counts": row["region"]})


def true_region(row: dict[str, Any], marks: Annotations) -> Mask | None:
    """(H, W) of a row's label, in original pixels; None where there is no mask."""
    if len(row["original"]) != 2:
        return None
    height, width = row["original"]
    return marks.mask(row, row["label"], (int(height), int(width)))


def _dice(found: Mask | None, truth: Mask) -> float:
    """2 |P ∩ M| / (|P| + |M|); NaN where both are empty."""
    if found is None:
        return NAN
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else NAN


def outcomes(said: pd.Series, true: pd.Series, known: pd.Series) -> Any:
    """TP, FP, FN, TN of each row; "" where it is not known."""
    names = np.where(said, np.where(true, "TP", "FP"), np.where(true, "FN", "TN"))
    return np.where(known, names, "")


def _correct(right: pd.Series, known: pd.Series) -> pd.Series:
    """True, False or None."""
    return pd.Series(
        [bool(r) if k else None for r, k in zip(right, known)], index=right.index, dtype=object
    )
