"""How well computed outputs agree with stored ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.datasets.prediction_tables import PROBABILITY
from camlucida.datasets.predictions import Predictions
from camlucida.metrics.intervals import Interval
from camlucida.metrics.statistics import mean_interval

Floats = NDArray[np.float64]

SAME_CLASSES = 0.98
"""From this share of equal classes on, a pipeline may be that of the stored predictions."""

SAME_SCORES = 0.005
"""Up to this mean error of a probability (of a value: in standard deviations) it is.

Files round, and a GPU with half precision differs in the third decimal.
"""

SAME_SHARE = 0.05
"""And up to this share of what the stored scores vary by: equal images cannot be distinguished."""

CLOSE_SCORES = 0.05
"""Up to this mean error the pipeline is near that of training, and not it."""

CLOSE_SHARE = 0.5
"""And up to this share of what the stored scores vary by."""

CONSTANT = 2e-4
"""Below this standard deviation stored scores do not vary, but for rounding."""


ROUNDING = 1e-6
"""Below this share of their magnitude the values of a regression differ by rounding alone."""


@dataclass(frozen=True)
class StoredOutputs:
    """The stored predictions of some images.

    Attributes:
        task: "multiclass", "multilabel" or "regression".
        labels: of the columns of ``scores``; () for a regression.
        files: an image a row.
        patients: of each row.
        scores: (rows, labels) probabilities, or (rows, 1) values; NaN where unknown.
        classes: (rows, labels) of the predicted class, or of positive labels; all False in a row
            without one.
    """

    task: str
    labels: tuple[str, ...]
    files: tuple[Path, ...]
    patients: tuple[str, ...]
    scores: Floats
    classes: NDArray[np.bool_]

    def rows(self, index: Sequence[int]) -> StoredOutputs:
        """Some of the rows."""
        files = tuple(self.files[k] for k in index)
        patients = tuple(self.patients[k] for k in index)
        chosen = list(index)
        scores, classes = self.scores[chosen], self.classes[chosen]
        return StoredOutputs(self.task, self.labels, files, patients, scores, classes)

    @property
    def spread(self) -> float:
        """Unit of the errors: 1 of probabilities, the standard deviation of a regression's values.

        Of values that do not vary it is their magnitude.
        """
        if self.task != "regression" or not np.isfinite(self.scores).any():
            return 1.0
        deviation = float(np.nanstd(self.scores))
        magnitude = float(np.nanmax(np.abs(self.scores)))
        return deviation if deviation > ROUNDING * magnitude else magnitude or 1.0


def stored_outputs(predictions: Predictions, files: Sequence[Path | None]) -> StoredOutputs:
    """The predictions of one model, of the images that exist.

    Args:
        predictions: as read.
        files: the image of each of its images, in their order; None for a missing one.

    Raises:
        UsageError: the file has several models.
    """
    if predictions.frame["model"].nunique() > 1:
        raise UsageError("the predictions are of several models", "keep the rows of one")
    builders = {"multiclass": _multiclass, "multilabel": _multilabel, "regression": _regression}
    scores, classes, patients = builders[predictions.task](predictions)
    known = [row for row, file in enumerate(files) if file is not None]
    present = tuple(file for file in files if file is not None)
    of_images = tuple(patients[row] or str(present[k]) for k, row in enumerate(known))
    task, labels = predictions.task, predictions.labels
    return StoredOutputs(task, labels, present, of_images, scores[known], classes[known])


_Columns = tuple[Floats, NDArray[np.bool_], list[str]]


def _multiclass(predictions: Predictions) -> _Columns:
    frame = predictions.frame
    names = [f"{PROBABILITY}{label}" for label in predictions.labels]
    predicted = frame["predicted"].to_numpy(object)[:, None]
    classes = predicted == np.array(predictions.labels, object)[None]
    return frame[names].to_numpy(np.float64), classes, list(frame["patient"])


def _multilabel(predictions: Predictions) -> _Columns:
    images = list(dict.fromkeys(predictions.frame["image"]))
    wide = predictions.frame.pivot(index="image", columns="label", values="probability")
    scores = wide.loc[images, list(predictions.labels)].to_numpy(np.float64)
    firsts = predictions.frame.drop_duplicates("image").set_index("image")
    return scores, scores >= 0.5, list(firsts.loc[images, "patient"])


def _regression(predictions: Predictions) -> _Columns:
    values = predictions.frame["value"].to_numpy(np.float64)[:, None]
    return values, np.zeros(values.shape, bool), list(predictions.frame["patient"])


@dataclass(frozen=True)
class Agreement:
    """Computed outputs against stored ones.

    Attributes:
        images: compared.
        same: share of them with the stored class (of labels: share of equal decisions); NaN
            where none is stored, and of a regression.
        error: mean over images of the mean absolute error of a probability, or of a value in
            standard deviations of the stored ones; NaN where no score is stored.
        largest: median over images of the largest error.
        errors: of each image.
        spread: mean standard deviation over images of the stored scores, in the unit of errors;
            where no score is stored, 0 for one class alone and 1 for several.
    """

    images: int
    same: float
    error: float
    largest: float
    errors: Floats
    spread: float = 1.0

    @property
    def rank(self) -> tuple[float, float]:
        """The less, the better."""
        error = self.error if np.isfinite(self.error) else 1 - self.same
        return error, -self.same if np.isfinite(self.same) else 0.0

    @property
    def verdict(self) -> str:
        """ "same", "close", "other", or "constant": nearly equal, as any other could be."""
        other_classes = np.isfinite(self.same) and self.same < SAME_CLASSES
        if self.spread < CONSTANT:
            # Equal probabilities, of which rounding decides the class, have any class.
            wrong = self.error > SAME_SCORES if np.isfinite(self.error) else other_classes
            return "other" if wrong else "constant"
        if other_classes:
            return "other"
        if not np.isfinite(self.error):
            return "same"
        if self.error <= min(SAME_SCORES, SAME_SHARE * self.spread):
            return "same"
        near = min(CLOSE_SCORES, CLOSE_SHARE * self.spread)
        return "close" if self.error <= near else "other"

    def interval(self, patients: Sequence[str]) -> Interval:
        """Of the mean error, by patient."""
        return mean_interval(self.errors, patients)


def agreement(computed: Floats, stored: StoredOutputs) -> Agreement:
    """Compare outputs.

    Args:
        computed: (rows, labels) probabilities or values, in the order of the stored ones.
        stored: the stored ones.

    >>> stored = StoredOutputs("regression", (), (), (), np.array([[1.0], [3.0]]), np.zeros((2, 1)))
    >>> agreement(np.array([[1.0], [3.5]]), stored).error
    0.25
    """
    distance = np.abs(computed - stored.scores) / stored.spread
    measured: NDArray[np.bool_] = np.asarray(np.isfinite(distance).any(1))
    errors = np.full(len(distance), np.nan)
    errors[measured] = np.nanmean(distance[measured], axis=1)
    worst = np.nanmax(distance[measured], axis=1) if measured.any() else np.array([np.nan])
    error = float(np.nanmean(errors)) if measured.any() else float("nan")
    same = _same_classes(computed, stored)
    spread = _variation(stored, measured)
    return Agreement(len(distance), same, error, float(np.median(worst)), errors, spread)


def _variation(stored: StoredOutputs, measured: NDArray[np.bool_]) -> float:
    """:attr:`Agreement.spread`."""
    if measured.any():
        scores = stored.scores[measured]
        of_labels = np.nanstd(scores[:, np.isfinite(scores).any(0)], axis=0)
        return float(of_labels.mean()) / stored.spread
    stated = stored.classes[stored.classes.any(1)]
    return float((stated != stated[:1]).any())


def _same_classes(computed: Floats, stored: StoredOutputs) -> float:
    if stored.task == "regression":
        return float("nan")
    if stored.task == "multilabel":
        known = np.isfinite(stored.scores)
        equal = (computed >= 0.5) == stored.classes
        return float(equal[known].mean()) if known.any() else float("nan")
    stated = stored.classes.any(1)
    equal = computed.argmax(1) == stored.classes.argmax(1)
    return float(equal[stated].mean()) if stated.any() else float("nan")
