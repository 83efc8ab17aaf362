"""What one model predicted of the compared images, and how right it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from camlucida.analysis.cases.outcomes import both_classes, has_classes, most_probable_class
from camlucida.analysis.comparison.series import ImageKey
from camlucida.metrics.bootstrap import Sampling
from camlucida.metrics.multiclass import evaluate_multiclass
from camlucida.metrics.multilabel import MEAN, evaluate_multilabel
from camlucida.metrics.regression import evaluate_regression
from camlucida.metrics.score_table import Row, ratio_row
from camlucida.runs import Run

Kind = Literal["labels", "classes", "values", "regions"]
"""What a model predicts: each label by itself, one class an image, a value, or a region."""

_KINDS: dict[str, Kind] = {
    "multilabel": "labels",
    "binary": "labels",
    "multiclass": "classes",
    "regression": "values",
    "segmentation": "regions",
}
"""Of a task; a binary task with a name for both classes predicts classes."""

OTHER_TASK = (
    "models of different tasks cannot be compared",
    "give runs whose models predict the same thing",
)
"""What is wrong, and how to mend it."""

HEADLINE: dict[Kind, str] = {
    "labels": "auc",
    "classes": "accuracy",
    "values": "mae",
    "regions": "dice",
}
"""The metric that stands for how right a model is."""

NAN = float("nan")


@dataclass(frozen=True)
class SeriesPredictions:
    """Predictions of one model.

    Attributes:
        kind: what it predicts.
        labels: that it predicts, in its order.
        frame: a row an image and label, as of :meth:`~camlucida.runs.Run.predictions`.
    """

    kind: Kind
    labels: tuple[str, ...]
    frame: pd.DataFrame

    @staticmethod
    def of(run: Run, model: str, images: Collection[ImageKey]) -> SeriesPredictions:
        """The predictions of a model of a run, of these images."""
        frame = run.predictions()
        frame = frame[frame["model"] == model]
        task, labels = str(frame["task"].iloc[0]), tuple(dict.fromkeys(frame["label"]))
        chosen = [key in images for key in zip(frame["image"], frame["image_sha256"])]
        rows = frame[chosen].reset_index(drop=True)
        if not has_classes(task, labels):
            return SeriesPredictions(_KINDS[task], labels, rows)
        return SeriesPredictions(
            "classes", labels, both_classes(rows) if task == "binary" else rows
        )

    def only(self, labels: Collection[str]) -> SeriesPredictions:
        """Those of some labels; of classes all, since one is predicted among all of them."""
        if self.kind == "classes":
            return self
        frame = self.frame[self.frame["label"].isin(list(labels))].reset_index(drop=True)
        kept = tuple(name for name in self.labels if name in labels)
        return SeriesPredictions(self.kind, kept, frame)


def performance(predictions: SeriesPredictions) -> list[Row]:
    """How right a model is, by the metrics of its task; nothing where there is no ground truth.

    Regions are evaluated in the case table, where their masks are: :func:`dice_row`.
    """
    frame, labels = predictions.frame, predictions.labels
    if predictions.kind == "labels":
        judged = frame[frame["truth"].notna()]
        judged_labels = [name for name in labels if (judged["label"] == name).any()]
        return evaluate_multilabel(_numeric(judged), judged_labels) if judged_labels else []
    if predictions.kind == "classes":
        true = frame[frame["truth"] == 1].drop_duplicates("image", keep=False)
        truths = true[["image", "label"]].rename(columns={"label": "truth"})
        return evaluate_multiclass(most_probable_class(frame).merge(truths, on="image"), labels)
    if predictions.kind == "values" and len(labels) == 1:
        return evaluate_regression(_numeric(frame))
    return []


def dice_row(cases: pd.DataFrame) -> list[Row]:
    """Mean Dice of the predicted regions of rows of a case table, each region once."""
    rows = cases.drop_duplicates(["image", "label"])
    if not rows["dice"].notna().any():
        return []
    weights, patients = np.ones(len(rows)), rows["patient"].tolist()
    return [ratio_row("dice", rows["dice"], weights, patients, NAN, Sampling())]


def headline(rows: Sequence[Row], kind: Kind) -> Row | None:
    """The row of the metric that stands for all, over all labels."""
    for row in rows:
        if row.metric == HEADLINE[kind] and row.label in ("", MEAN):
            return row
    return None


def _numeric(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of objects, which hold None, as numbers."""
    names = ["logit", "probability", "value", "truth"]
    return frame.assign(**{name: frame[name].astype(np.float64) for name in names})
