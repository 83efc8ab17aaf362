"""The tables of the arms: heat on the tag, scores of null models, strata, class specificity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.attribution.methods import METHODS
from camlucida.metrics.bootstrap import Floats, Sampling, draws
from camlucida.metrics.correlation import spearman, spearman_of_rows
from camlucida.metrics.intervals import percentiles
from camlucida.metrics.multilabel import DECISION_THRESHOLD
from camlucida.metrics.statistics import mean_interval
from camlucida.phantom.trial import LABELS

ALARM_RATIO = 2.0
"""A false alarm: a map with more than this many times the heat on the tag that a uniform map has
there, which is the tag's area."""
SIZES = {"small": (0.0, 10.0), "medium": (10.0, 20.0), "large": (20.0, np.inf)}
"""Strata by the radius of the label's largest lesion, pixels of a film of 256."""
CHIEF_METRICS = ("average_precision", "hit", "iou_area_matched")
"""Metrics of the strata and of the conjunction; each has an upper bound of the grid."""
DRAWS = 250
"""Replicates of a bootstrap that are computed at once."""
BLIND_BASELINES = ("random", "center", "sobel", "intensity", "average_mask")
"""Baselines that use neither the model nor the ground truth of the film."""
TAG, BAR = "region_share:tag", "region_share:bar"

SHARE, ALARMS = "share of heat", "false alarms"
LOGIT_DROP, TRACKING = "logit drop without the tag", "Spearman with the logit drop"
ABOVE_CHANCE, SPECIFICITY, SCORE = "above chance", "class specificity", "score"
"""Quantities of the table of arms."""

COLUMNS = [
    "arm",
    "part",
    "method",
    "baseline",
    "metric",
    "output",
    "quantity",
    "estimate",
    "low",
    "high",
    "interval_method",
    "chance",
    "over_ceiling",
    "patients",
    "rows",
]
"""Columns of :func:`arms_table`."""
PASS_RATES = [
    "arm",
    "model",
    "label",
    "films",
    "passed",
    "pass_rate",
    "predicted",
    "logit_drop",
    "distractor_change",
]
"""Columns of :func:`pass_rates`."""

Line = dict[str, Any]


def pass_rates(verification: pd.DataFrame) -> pd.DataFrame:
    """Pass rate of each arm, model and label, with the mean changes of the logit over films.

    ``predicted`` is the share of films on which the model predicts the label.
    """
    lines = []
    for (arm, model, label), part in verification.groupby(["arm", "model", "label"], sort=False):
        lines.append(
            {
                "arm": arm,
                "model": model,
                "label": label,
                "films": len(part),
                "passed": int(part["passed"].sum()),
                "pass_rate": part["passed"].mean(),
                "predicted": (part["probability"] > DECISION_THRESHOLD).mean(),
                "logit_drop": part["logit_drop"].mean(),
                "distractor_change": part["distractor_change"].abs().mean(),
            }
        )
    return pd.DataFrame(lines, columns=PASS_RATES)


def region_shares(rows: pd.DataFrame, arm: str, region: str) -> Iterator[Line]:
    """Mean share of heat on a region and rate of false alarms, by part and method."""
    chosen = rows[(rows["metric"] == region) & np.isfinite(rows["value"])]
    for (part, method), group in chosen.groupby(["part", "method"], sort=False):
        alarm = (group["value"] > ALARM_RATIO * group["chance"]).astype(float)
        key = {"arm": arm, "part": part, "method": method, "metric": region}
        area = group["chance"].mean()
        yield _line(key, SHARE, group, group["value"], chance=area)
        yield _line(key, ALARMS, group, alarm)


def reliance(tag: pd.DataFrame) -> Iterator[Line]:
    """Mean drop of the logit without the tag, by arm and part."""
    for (arm, part), group in tag.groupby(["arm", "part"], sort=False):
        yield _line({"arm": arm, "part": part}, LOGIT_DROP, group, group["logit_drop"])


def tracking(rows: pd.DataFrame, tag: pd.DataFrame, seed: int = 0) -> Iterator[Line]:
    """Spearman's ρ over films between heat on the tag and the logit's drop without it, by method.

    Part "all" is over all models. Part "within models" is over the films' ranks within each model,
    so that differences between models (their reliance on the tag, the width of their maps) do not
    count.
    """
    heat = rows[(rows["metric"] == TAG) & np.isfinite(rows["value"])]
    chosen = heat.merge(tag[["model", "image", "logit_drop"]], on=["model", "image"])
    for method, group in chosen.groupby("method", sort=False):
        pair = group[["value", "logit_drop"]]
        ranks = pair.groupby(group["model"]).rank(pct=True)
        for part, values in (("all", pair), ("within models", ranks)):
            key = {"arm": "shortcut", "part": part, "method": method, "metric": TAG}
            line = _line(key, TRACKING, group, group["value"])
            heat_of, drop = values["value"].to_numpy(), values["logit_drop"].to_numpy()
            yield line | _correlation(heat_of, drop, seed)


def _correlation(a: Floats, b: Floats, seed: int) -> Line:
    """Spearman's ρ and its percentile interval, films resampled."""
    sampling = Sampling(seed=seed)
    parts = [spearman_of_rows(a[rows], b[rows]) for rows in draws(len(a), sampling, DRAWS)]
    replicates = np.concatenate(parts)
    low = high = np.nan
    if np.isfinite(replicates).any():
        low, high = percentiles(replicates, sampling.level)
    return {"estimate": spearman(a, b), "low": low, "high": high, "interval_method": "percentile"}


def above_chance(rows: pd.DataFrame, arm: str) -> Iterator[Line]:
    """Mean value less its chance level, by method and metric: for null models it should be 0."""
    for (method, metric, output), group in rows.groupby(["method", "metric", "output"], sort=False):
        excess = group["value"] - group["chance"]
        if np.isfinite(excess).any():
            key = {"arm": arm, "part": "all", "method": method, "metric": metric, "output": output}
            yield _line(key, ABOVE_CHANCE, group, excess, chance=group["chance"].mean())


def specificity(rows: pd.DataFrame) -> Iterator[Line]:
    """Average precision on the label's evidence less that on the other's, films with both.

    The chance level is the difference that the areas alone give.
    """
    for method, group in rows[rows["metric"] == "class_specificity"].groupby("method", sort=False):
        excess = group["value"] - group["chance"]
        part = "class-agnostic" if agnostic(str(method)) else "class-specific"
        key = {"arm": "main", "part": part, "method": method, "metric": "class_specificity"}
        yield _line(key, SPECIFICITY, group, group["value"], chance=group["chance"].mean())
        yield _line(key, ABOVE_CHANCE, group, excess)


def agnostic(method: str) -> bool:
    """Whether a method gives every label the same map; all baselines but the oracle do.

    >>> agnostic("gradcam"), agnostic("eigencam"), agnostic("sobel")
    (False, True, True)
    """
    return not METHODS[method].class_specific if method in METHODS else method != "oracle"


def by_label_kind(rows: pd.DataFrame) -> Iterator[Line]:
    """CHIEF_METRICS of the conjunction beside those of the single labels."""
    for name, labels in (("single", LABELS[:2]), ("conjunction", LABELS[2:])):
        yield from _scores(rows[rows["label"].isin(labels)], "main", name)


def by_size(rows: pd.DataFrame, verification: pd.DataFrame) -> Iterator[Line]:
    """CHIEF_METRICS by the size of the largest lesion, single labels alone."""
    unique = verification.drop_duplicates(["image", "label"])
    radius = unique.set_index(["image", "label"])["radius"]
    single = rows[rows["label"].isin(LABELS[:2]) & rows["metric"].isin(CHIEF_METRICS)]
    sizes = radius.loc[list(zip(single["image"], single["label"]))].to_numpy()
    for name, (low, high) in SIZES.items():
        yield from _scores(single[(sizes >= low) & (sizes < high)], "main", name)


def _scores(rows: pd.DataFrame, arm: str, part: str) -> Iterator[Line]:
    """CHIEF_METRICS by method, with the mean share of the upper bound of the grid."""
    chief = rows[rows["metric"].isin(CHIEF_METRICS)]
    for (method, metric), group in chief.groupby(["method", "metric"], sort=False):
        bounded = group[group["ceiling"] > 0]
        share = (bounded["value"] / bounded["ceiling"]).mean()
        key = {"arm": arm, "part": part, "method": method, "metric": metric}
        chance = group["chance"].mean()
        yield _line(key, SCORE, group, group["value"], chance=chance, over_ceiling=share)


def _line(
    key: Mapping[str, object],
    quantity: str,
    group: pd.DataFrame,
    values: ArrayLike,
    *,
    chance: float = float("nan"),
    over_ceiling: float = float("nan"),
) -> Line:
    """The mean of ``values``, one a row of ``group``, with its patient-level interval.

    ``key``: arm, part, method, metric and output; what is missing is empty.
    """
    interval = vars(mean_interval(values, group["patient"].astype(str).tolist()))
    names = ("arm", "part", "method", "metric", "output")
    return {
        **{name: str(key.get(name, "")) for name in names},
        "quantity": quantity,
        "baseline": bool(group["baseline"].any()) if "baseline" in group else False,
        **{name: value for name, value in interval.items() if name != "nan_rate"},
        "chance": chance,
        "over_ceiling": over_ceiling,
    }


def arms_table(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All of the above as one tidy table, columns COLUMNS.

    Of the shortcut arms only films count on which the model predicts the label.

    Args:
        parts: "main", "shortcut", "null", "semi" → rows of the arm, with ``arm`` and ``model``;
            "verification", "tag" → their tables. Any may be empty.
    """
    lines: list[Line] = []
    main, shortcut, null, semi = (parts[name] for name in ("main", "shortcut", "null", "semi"))
    tag = parts["tag"]
    if len(main):
        whole = main.assign(part="all")
        lines += [*region_shares(whole, "decoy", TAG), *region_shares(whole, "distractors", BAR)]
        lines += [*specificity(main), *by_label_kind(main)]
        lines += by_size(main, parts["verification"])
    if len(tag):
        tag = tag[tag["predicted"] | (tag["arm"] == "main")]
        part = tag["model"].where(tag["arm"] == "main", _rho_names(tag))
        lines += reliance(tag.assign(part=part))
    if len(shortcut):
        shortcut = shortcut[shortcut["probability"] > DECISION_THRESHOLD]
        lines += region_shares(shortcut.assign(part=_rho_names(shortcut)), "shortcut", TAG)
        lines += tracking(shortcut, tag[tag["arm"] == "shortcut"])
    if len(null):
        for arm in dict.fromkeys(null["arm"]):
            lines += above_chance(null[null["arm"] == arm], arm)
    if len(semi):
        lines += _scores(semi, "semi", "all")
    return pd.DataFrame(lines, columns=COLUMNS)


def _rho_names(rows: pd.DataFrame) -> pd.Series:
    """The part of each row: ``ρ = 0.5``."""
    return rows["rho"].map("ρ = {:g}".format)
