"""Do two models say the same of the same images? And how right is each?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from camlucida.analysis.cases.outcomes import THRESHOLD, both_classes, has_classes, predicted_region
from camlucida.analysis.comparison.series import Key
from camlucida.core.errors import UsageError
from camlucida.metrics.annotations import Mask
from camlucida.metrics.bootstrap import (
    Floats,
    Sampling,
    by_patient,
    divide,
    mean_of_known,
    numbered,
    sampled_sums,
)
from camlucida.metrics.multiclass import evaluate_multiclass
from camlucida.metrics.multilabel import MEAN, evaluate_multilabel
from camlucida.metrics.regression import evaluate_regression
from camlucida.metrics.score_table import Row, ratio_row
from camlucida.metrics.statistics import MIN_POSITIVES, mean_interval
from camlucida.runs import Run

Kind = Literal["labels", "classes", "values", "regions"]
CaseKey = tuple[str, str]
"""Image and label."""

NAN = float("nan")
OVERLAP = 0.5
"""Predicted regions of two models agree from this Dice on."""

OTHER_TASK = (
    "models of different tasks are compared",
    "give runs of models that answer the same question",
)
"""What is wrong, and how it is mended."""

WORDS: dict[Kind, str] = {
    "labels": "same decision",
    "classes": "same class",
    "values": "Pearson r of the values",
    "regions": "Dice of the predicted regions",
}
"""What the agreement of two models is."""

HEADLINE: dict[Kind, str] = {
    "labels": "auc",
    "classes": "accuracy",
    "values": "mae",
    "regions": "dice",
}
"""The figure that stands for how right a model is."""


@dataclass(frozen=True)
class SeriesPredictions:
    """What one model said of some images: rows of its predictions, which say one kind of thing."""

    kind: Kind
    labels: tuple[str, ...]
    frame: pd.DataFrame

    @staticmethod
    def of(run: Run, model: str, images: Collection[Key]) -> SeriesPredictions:
        """Those of a model of a run, of these images."""
        frame = run.predictions()
        frame = frame[frame["model"] == model]
        task, labels = str(frame["task"].iloc[0]), tuple(dict.fromkeys(frame["label"]))
        kinds: dict[str, Kind] = {"regression": "values", "segmentation": "regions"}
        kind = "classes" if has_classes(task, labels) else kinds.get(task, "labels")
        here = [key in images for key in zip(frame["image"], frame["image_sha256"])]
        own = frame[here].reset_index(drop=True)
        return SeriesPredictions(
            kind, labels, both_classes(own) if kind == "classes" and task == "binary" else own
        )

    def only(self, labels: Collection[str]) -> SeriesPredictions:
        """Those of some labels; of classes all, for one is said by the others, too."""
        if self.kind == "classes":
            return self
        frame = self.frame[self.frame["label"].isin(list(labels))].reset_index(drop=True)
        return SeriesPredictions(
            self.kind, tuple(name for name in self.labels if name in labels), frame
        )


@dataclass(frozen=True)
class Agreement:
    """How often two models say the same.

    Attributes:
        estimate, low, high: share of the same decisions (or Pearson r of values, mean Dice of regions), patients resampled.
        chance: the share that two models as often positive as these would reach independently; 0 for r; NaN for Dice.
        kappa: Cohen's, of decisions; over several labels (estimate − chance) ÷ (1 − chance).
        correlation, correlation_low, correlation_high: Pearson r of the logits of a label; their mean over several.
        n: rows.
    """

    estimate: float
    low: float
    high: float
    chance: float = NAN
    kappa: float = NAN
    correlation: float = NAN
    correlation_low: float = NAN
    correlation_high: float = NAN
    n: int = 0


def agreements(
    first: SeriesPredictions, second: SeriesPredictions, gap: float
) -> tuple[dict[str, Agreement], dict[CaseKey, float]]:
    """Label → agreement, "" for all of them together; and (image, label) → whether the two say the same there (1, 0).

    The label of a class decision is "": the class itself is what is said. Classes of their own are told apart from all others.

    Args:
        first, second: of the same images.
        gap: largest difference at which two values count as the same; NaN: none does or does not.

    Raises:
        UsageError: they are of different tasks.
    """
    if first.kind != second.kind:
        raise UsageError(*OTHER_TASK)
    build = {
        "labels": _of_labels,
        "classes": _of_classes,
        "values": _of_values,
        "regions": _of_regions,
    }[first.kind]
    return build(first, second, gap)


def performance(answers: SeriesPredictions) -> list[Row]:
    """How right a model is, as :mod:`camlucida.cohort` evaluates its task; nothing where no truth is known.

    Regions are evaluated where their masks are, in the case table: :func:`dice_row`.
    """
    frame = answers.frame
    if answers.kind == "labels":
        known = frame[frame["truth"].notna()]
        wanted = [name for name in answers.labels if (known["label"] == name).any()]
        return evaluate_multilabel(_numeric(known), wanted) if wanted else []
    if answers.kind == "classes":
        said, true = (
            _predicted(frame),
            frame[frame["truth"] == 1].drop_duplicates("image", keep=False),
        )
        both = said.merge(true[["image", "label"]].rename(columns={"label": "truth"}), on="image")
        return evaluate_multiclass(both, answers.labels)
    if answers.kind == "values" and len(answers.labels) == 1:
        return evaluate_regression(_numeric(frame))
    return []


def dice_row(cases: pd.DataFrame) -> list[Row]:
    """Mean Dice of the predicted regions of rows of a case table, each region once."""
    rows = cases.drop_duplicates(["image", "label"])
    if not rows["dice"].notna().any():
        return []
    return [
        ratio_row(
            "dice", rows["dice"], np.ones(len(rows)), rows["patient"].tolist(), NAN, Sampling()
        )
    ]


def headline(rows: Sequence[Row], kind: Kind) -> Row | None:
    """The row of the figure that stands for all, over all labels."""
    found = [row for row in rows if row.metric == HEADLINE[kind] and row.label in ("", MEAN)]
    return found[0] if found else None


def _of_labels(
    first: SeriesPredictions, second: SeriesPredictions, gap: float
) -> tuple[dict[str, Agreement], dict[CaseKey, float]]:
    both = _merged(first, second, ["probability", "logit"])
    both = both[both["probability_1"].notna() & both["probability_2"].notna()].reset_index(
        drop=True
    )
    x, y = (both[f"probability_{k}"] >= THRESHOLD for k in (1, 2))
    score = "logit" if both[["logit_1", "logit_2"]].notna().all(axis=None) else "probability"
    u, v = (both[f"{score}_{k}"].to_numpy(np.float64) for k in (1, 2))
    found = {"": _same(both, x, y, u, v)}
    for label in dict.fromkeys(both["label"]):
        here = (both["label"] == label).to_numpy()
        found[label] = _same(both[here], x[here], y[here], u[here], v[here])
    return found, _by_case(both, np.asarray(x == y, np.float64))


def _of_classes(
    first: SeriesPredictions, second: SeriesPredictions, gap: float
) -> tuple[dict[str, Agreement], dict[CaseKey, float]]:
    both = _predicted(first.frame).merge(
        _predicted(second.frame)[["image", "predicted"]], on="image", suffixes=("_1", "_2")
    )
    both = both.assign(label="")
    x, y, none = both["predicted_1"], both["predicted_2"], np.full(len(both), NAN)
    found = {"": _same(both, x, y, none, none)}
    for label in dict.fromkeys((*first.labels, *second.labels)):
        found[label] = _same(both, x == label, y == label, none, none)
    return found, _by_case(both, np.asarray(x == y, np.float64))


def _of_values(
    first: SeriesPredictions, second: SeriesPredictions, gap: float
) -> tuple[dict[str, Agreement], dict[CaseKey, float]]:
    both = _merged(first, second, ["value"])
    u, v = (both[f"value_{k}"].to_numpy(np.float64) for k in (1, 2))
    found = {}
    labels = list(dict.fromkeys(both["label"]))
    for name in ("", *labels):
        here = np.ones(len(both), bool) if not name else (both["label"] == name).to_numpy()
        r = _correlation(both[here], u[here], v[here])
        found[name] = Agreement(*r, 0.0, NAN, *r, n=int(here.sum()))
    return found, _by_case(
        both, _judged(np.abs(u - v) <= gap, np.isfinite(u - v) & np.isfinite(gap))
    )


def _of_regions(
    first: SeriesPredictions, second: SeriesPredictions, gap: float
) -> tuple[dict[str, Agreement], dict[CaseKey, float]]:
    both = _merged(first, second, ["region", "original"])
    dice = np.array(
        [_dice(*(_region(row, k) for k in ("1", "2"))) for row in both.to_dict("records")],
        np.float64,
    )
    found = {}
    for name in ("", *dict.fromkeys(both["label"])):
        here = np.ones(len(both), bool) if not name else (both["label"] == name).to_numpy()
        mean = mean_interval(dice[here], both["patient"][here].tolist())
        found[name] = Agreement(mean.estimate, mean.low, mean.high, n=mean.rows)
    return found, _by_case(both, _judged(dice >= OVERLAP, np.isfinite(dice)))


def _same(frame: pd.DataFrame, x: pd.Series, y: pd.Series, u: Floats, v: Floats) -> Agreement:
    """Of decisions x and y, and scores u and v; chance and kappa over labels."""
    if frame.empty:
        return Agreement(NAN, NAN, NAN)
    mean = mean_interval((x == y).to_numpy(np.float64), frame["patient"].tolist())
    parts = [frame["label"] == label for label in dict.fromkeys(frame["label"])]
    chances = [
        sum(float((x[part] == c).mean() * (y[part] == c).mean()) for c in set(x[part]))
        for part in parts
    ]
    chance = float(np.average(chances, weights=[part.sum() for part in parts]))
    if len(parts) > 1:
        kappa = (mean.estimate - chance) / (1 - chance) if chance < 1 else NAN
    else:
        kappa = float(cohen_kappa_score(x, y)) if len({*x, *y}) > 1 else NAN
    return Agreement(
        mean.estimate, mean.low, mean.high, chance, kappa, *_correlation(frame, u, v), n=mean.rows
    )


def _correlation(frame: pd.DataFrame, u: Floats, v: Floats) -> tuple[float, float, float]:
    """Pearson r of each label, their mean, and its interval; NaN where a number is missing or constant."""
    labels, place = np.unique(frame["label"].to_numpy(str), return_inverse=True)
    if not len(frame) or not (np.isfinite(u).all() and np.isfinite(v).all()):
        return NAN, NAN, NAN
    u, v = u - u.mean(), v - v.mean()
    moments = np.column_stack([np.ones_like(u), u, v, u * u, v * v, u * v])
    index, count = numbered(frame["patient"].tolist())
    spread = np.eye(len(labels))[place][:, :, None] * moments[:, None]
    sums = by_patient(spread.reshape(len(u), -1), index, count)
    sampled = sampled_sums(
        lambda totals: _mean_r(totals.reshape(len(totals), -1, 6)), sums, Sampling()
    )
    low, high, _ = sampled.interval((0,), 0.95) if count >= MIN_POSITIVES else (NAN, NAN, "none")
    return float(sampled.estimate[0]), low, high


def _mean_r(totals: Floats) -> Floats:
    """(r, labels, moments) → (r, 1)."""
    n, u, v, uu, vv, uv = np.moveaxis(totals, -1, 0)
    of_u, of_v = uu - divide(u * u, n), vv - divide(v * v, n)
    # A constant leaves rounding here, not 0.
    of_u, of_v = (
        np.where(own <= 1e-12 * np.maximum(whole, 1e-300), 0, own)
        for own, whole in ((of_u, uu), (of_v, vv))
    )
    return mean_of_known(np.clip(divide(uv - divide(u * v, n), np.sqrt(of_u * of_v)), -1, 1))[
        :, None
    ]


def _merged(
    first: SeriesPredictions, second: SeriesPredictions, columns: Sequence[str]
) -> pd.DataFrame:
    """Rows of both by image and label, in the order of the first; ``NAME_1``, ``NAME_2``."""
    other = second.frame[["image", "label", *columns]]
    return first.frame[["image", "label", "patient", *columns]].merge(
        other, on=["image", "label"], suffixes=("_1", "_2")
    )


def _predicted(frame: pd.DataFrame) -> pd.DataFrame:
    """image, patient and the most probable class of each image."""
    ranked = frame.assign(rank=frame["probability"].fillna(-1)).sort_values(
        "rank", ascending=False, kind="stable"
    )
    best = ranked.drop_duplicates("image").set_index("image")["label"]
    images = frame[["image", "patient"]].drop_duplicates("image").reset_index(drop=True)
    return images.assign(predicted=images["image"].map(best))


def _numeric(frame: pd.DataFrame) -> pd.DataFrame:
    names = ["logit", "probability", "value", "truth"]
    return frame.assign(**{name: frame[name].astype(np.float64) for name in names})


def _judged(same: NDArray[np.bool_], known: NDArray[np.bool_]) -> Floats:
    """1, 0, or NaN where it is not known."""
    judged = same.astype(np.float64)
    judged[~known] = NAN
    return judged


def _by_case(frame: pd.DataFrame, same: Floats) -> dict[CaseKey, float]:
    return dict(zip(zip(frame["image"], frame["label"]), same.tolist()))


def _region(row: Mapping[Any, Any], place: str) -> Mask | None:
    return predicted_region({name: row[f"{name}_{place}"] for name in ("region", "original")})


def _dice(first: Mask | None, second: Mask | None) -> float:
    """Of two predicted regions; NaN where both are empty, or they are of different films."""
    if first is None or second is None or first.shape != second.shape:
        return NAN
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else NAN
