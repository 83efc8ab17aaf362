"""Figures of a predictions file.

One tidy table, and the JSON document of metrics that other systems call test_metrics.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from camlucida.core.messages import Message
from camlucida.datasets.predictions import Predictions
from camlucida.metrics.bootstrap import Sampling
from camlucida.metrics.multiclass import confusion, evaluate_multiclass
from camlucida.metrics.multilabel import DECISION_THRESHOLD, MEAN, MEAN_ENOUGH, evaluate_multilabel
from camlucida.metrics.regression import (
    WITHIN,
    agreement,
    evaluate_group,
    evaluate_regression,
    outliers,
    truth_bins,
)
from camlucida.metrics.score_table import Row, table
from camlucida.metrics.segmentation import evaluate_segmentation

Document = dict[str, Any]


@dataclass(frozen=True)
class PredictionSettings:
    """What the figures depend on.

    Attributes:
        threshold: multi-label: positive is a probability of at least this.
        within: regression: tolerances of the shares, in the unit of the value.
        bin_width: regression: also groups of the truth of this width, in its unit.
        sampling: of the intervals.
    """

    threshold: float = DECISION_THRESHOLD
    within: tuple[float, ...] = WITHIN
    bin_width: float | None = None
    sampling: Sampling = field(default_factory=Sampling)


def evaluate_predictions(
    predictions: Predictions, settings: PredictionSettings | None = None
) -> pd.DataFrame:
    """Every figure of every model: over all rows, then for each group.

    Groups of a regression have ``mae`` and ``rmse``; other groups have every figure. Rows without a
    group value are in none.

    Args:
        predictions: of any task but segmentation.
        settings: thresholds, tolerances and the sampling of the intervals; None for the defaults.

    Returns:
        Columns of :class:`~camlucida.metrics.score_table.Row`; ``group`` is "" for all rows, else
        ``column=value`` or, for a bin of the truth, such as ``truth 40 to 50``.
    """
    settings = settings or PredictionSettings()
    rows: list[Row] = []
    for model, frame in predictions.of_models():
        of_model = list(_figures(predictions, frame, settings))
        for name, part in groups_of(predictions, frame, settings.bin_width):
            if predictions.task == "regression":
                of_group: Sequence[Row] = evaluate_group(part, frame, settings.sampling)
            else:
                of_group = _figures(predictions, part, settings)
            of_model += [replace(row, group=name) for row in of_group]
        rows += [replace(row, model=model) for row in of_model]
    return table(rows)


def groups_of(
    predictions: Predictions, frame: pd.DataFrame, bin_width: float | None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The groups by each column, then by each bin of the truth of a regression.

    Args:
        predictions: whose columns of groups count.
        frame: rows of one model.
        bin_width: in the unit of the value, above 0; None for no bins.

    Yields:
        Name and rows of each group.
    """
    for column in predictions.groups:
        for value in sorted(set(frame[column]) - {""}):
            yield f"{column}={value}", frame[frame[column] == value]
    if bin_width is not None and predictions.task == "regression":
        for name, rows in truth_bins(frame["truth"], bin_width):
            yield f"truth {name}", frame[rows]


def metrics_document(
    predictions: Predictions, figures: pd.DataFrame, settings: PredictionSettings
) -> Document:
    """The figures as JSON: of one model at the top, of several under ``models``.

    A number that does not exist is null.

    ``mae`` and such at the top are plain numbers, as other systems write them; ``intervals`` has
    the rest of each. ``labels`` (``classes``) and ``groups`` hold the same by name. By task:
    ``never_predicted``, ``confusion_matrix`` (truth down, prediction across), ``outliers`` (images
    outside the limits of agreement).
    """
    models = {}
    for model, frame in predictions.of_models():
        of_model = figures[figures["model"] == model]
        models[model] = _document(predictions, frame, of_model)
    about: Document = {
        "task": predictions.task,
        "settings": asdict(settings),
        "notes": list(predictions.notes),
    }
    about |= {"synthetic": predictions.synthetic, "notice": "Research use only"}
    whole = next(iter(models.values())) if len(models) == 1 else {"models": models}
    return _json({**whole, **about})


def segmentation_document(
    rows: pd.DataFrame,
    figures: pd.DataFrame,
    notes: Sequence[Message],
    settings: PredictionSettings,
) -> Document:
    """As :func:`metrics_document`, of masks.

    Args:
        rows: from :func:`~camlucida.metrics.segmentation.compare_masks`.
        figures: from :func:`evaluate_masks`.
        notes: for the reader.
        settings: of the figures.
    """
    models = {
        model: _of_masks(part, figures[figures["model"] == model])
        for model, part in rows.groupby("model", sort=False)
    }
    whole = next(iter(models.values())) if len(models) == 1 else {"models": models}
    sampling = {"sampling": asdict(settings.sampling)}
    return _json(
        {
            **whole,
            "task": "segmentation",
            "settings": sampling,
            "notes": list(notes),
            "notice": "Research use only",
        }
    )


def evaluate_masks(rows: pd.DataFrame, settings: PredictionSettings | None = None) -> pd.DataFrame:
    """Every figure of every model, of the rows of
    :func:`~camlucida.metrics.segmentation.compare_masks`.
    """
    sampling = (settings or PredictionSettings()).sampling
    figures: list[Row] = []
    for model, part in rows.groupby("model", sort=False):
        of_model = evaluate_segmentation(part, sampling)
        figures += [replace(row, model=str(model)) for row in of_model]
    return table(figures)


def prediction_records(predictions: Predictions) -> list[Document]:
    """The tidy table as records, as ``predictions.json`` holds them.

    What does not exist is null.
    """
    return records(predictions.frame)


def records(frame: pd.DataFrame) -> list[Document]:
    """A table as JSON records, one a row; a value that does not exist is null.

    Args:
        frame: any table of numbers and texts.

    >>> records(pd.DataFrame({"image": ["a"], "probability": [float("nan")]}))
    [{'image': 'a', 'probability': None}]
    """
    return [_json(record) for record in frame.astype(object).to_dict("records")]


def never_predicted(figures: pd.DataFrame) -> list[str]:
    """Labels or classes that are there, and that the model predicts for no row.

    A label without a positive row is none of them: predicting it nowhere is right.

    Args:
        figures: of one model over all rows, with columns metric, label and estimate.

    >>> figures = {"metric": ["predicted_share"] * 2, "label": ["a", "b"], "estimate": [0.0, 0.4]}
    >>> never_predicted(pd.DataFrame(figures))
    ['a']
    >>> absent = {"metric": ["prevalence"], "label": ["a"], "estimate": [0.0]}
    >>> never_predicted(pd.concat([pd.DataFrame(figures), pd.DataFrame(absent)]))
    []
    """
    shares = figures[
        (figures["metric"] == "predicted_share") & ~figures["label"].isin([MEAN, MEAN_ENOUGH])
    ]
    prevalence = figures[figures["metric"] == "prevalence"]
    absent = set(prevalence["label"][prevalence["estimate"] == 0])
    labels = shares["label"][shares["estimate"] == 0]
    return [str(label) for label in labels if label not in absent]


def _figures(
    predictions: Predictions, frame: pd.DataFrame, settings: PredictionSettings
) -> list[Row]:
    if predictions.task == "multilabel":
        return evaluate_multilabel(frame, predictions.labels, settings.threshold, settings.sampling)
    if predictions.task == "multiclass":
        return evaluate_multiclass(frame, predictions.labels, settings.sampling)
    return evaluate_regression(frame, settings.within, settings.sampling)


def _document(predictions: Predictions, frame: pd.DataFrame, figures: pd.DataFrame) -> Document:
    everybody = figures[figures["group"] == ""]
    overall = everybody[everybody["label"].isin(["", MEAN])]
    document = {
        **_estimates(overall),
        "images": frame["image"].nunique(),
        "patients": frame["patient"].nunique(),
    }
    document["intervals"] = _intervals(overall)
    part = "labels" if predictions.task == "multilabel" else "classes"
    named = everybody[~everybody["label"].isin(["", MEAN, MEAN_ENOUGH])]
    if len(named):
        document[part] = {
            label: _intervals(rows) for label, rows in named.groupby("label", sort=False)
        }
    if (everybody["label"] == MEAN_ENOUGH).any():
        document[MEAN_ENOUGH.replace(" ", "_")] = _intervals(
            everybody[everybody["label"] == MEAN_ENOUGH]
        )
    grouped = figures[figures["group"] != ""]
    if len(grouped):
        document["groups"] = {
            name: _by_label(rows) for name, rows in grouped.groupby("group", sort=False)
        }
    return document | _extras(predictions, frame, everybody)


def _extras(predictions: Predictions, frame: pd.DataFrame, figures: pd.DataFrame) -> Document:
    if predictions.task == "multilabel":
        return {"never_predicted": never_predicted(figures)}
    if predictions.task == "multiclass":
        matrix = confusion(frame, predictions.labels)
        return {
            "never_predicted": never_predicted(figures),
            "confusion_matrix": {"classes": list(predictions.labels), "counts": matrix.tolist()},
        }
    limits = agreement(frame)
    outlying = outliers(frame)
    return {
        "bland_altman": {
            "bias": limits.bias,
            "sd": limits.sd,
            "limit_low": limits.low,
            "limit_high": limits.high,
        },
        "outliers": outlying[["image", "truth", "value", "error"]].to_dict("records"),
    }


def _of_masks(rows: pd.DataFrame, figures: pd.DataFrame) -> Document:
    # The first rows are those of all labels together.
    is_overall = figures["label"] == figures["label"].iloc[0]
    overall, named = figures[is_overall], figures[~is_overall]
    document = {
        **_estimates(overall),
        "images": rows["image"].nunique(),
        "patients": rows["patient"].nunique(),
    }
    document["intervals"] = _intervals(overall)
    by_label = named.groupby("label", sort=False)
    return document | {"labels": {label: _intervals(part) for label, part in by_label}}


def _estimates(rows: pd.DataFrame) -> Document:
    return dict(zip(rows["metric"], rows["estimate"]))


def _intervals(rows: pd.DataFrame) -> Document:
    kept = ["estimate", "low", "high", "interval_method", "n", "patients", "positives", "chance"]
    return dict(zip(rows["metric"], rows[kept].to_dict("records")))


def _by_label(rows: pd.DataFrame) -> Document:
    """Figures of a group: those of everything by metric, those of a label under its name."""
    is_overall = rows["label"] == ""
    by_label = rows[~is_overall].groupby("label", sort=False)
    of_labels = {str(label): _intervals(part) for label, part in by_label}
    return _intervals(rows[is_overall]) | of_labels


def _json(document: Mapping[Any, Any]) -> Document:
    plain: Document = _plain(dict(document))
    return plain


def _plain(value: Any) -> Any:
    """Numbers that JSON knows; null for NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
