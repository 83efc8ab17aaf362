"""From the rows of the arms to their tables: how often heat lies on the tag, what null models score, strata, specificity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.attribution.methods import METHODS
from camlucida.metrics.statistics import REPLICATES, Floats, mean_interval, spearman
from camlucida.phantom.trial import LABELS
from camlucida.workflows.benchmark.films import SAYS

TWICE = 2.0
"""A false alarm: a map with more than this many times the heat on the tag that an even map has there (the tag's area)."""
SIZES = {"small": (0.0, 10.0), "medium": (10.0, 20.0), "large": (20.0, np.inf)}
"""Strata by the radius of the label's largest lesion, pixels of a film of 256."""
CHIEF = ("average_precision", "hit", "iou_area_matched")
"""What the strata and the conjunction are judged by; each has a ceiling."""
TAG, BAR = "region_share:tag", "region_share:bar"

LINE = [
    *("arm", "part", "method", "baseline", "metric", "output", "quantity"),
    *("estimate", "low", "high", "interval_method", "chance", "over_ceiling", "patients", "rows"),
]


def verified(uses: pd.DataFrame) -> pd.DataFrame:
    """Pass rate of each model and label, and what moved the logit: means over films."""
    lines = []
    for (arm, model, label), part in uses.groupby(["arm", "model", "label"], sort=False):
        lines.append(
            {
                **{
                    "arm": arm,
                    "model": model,
                    "label": label,
                    "films": len(part),
                    "passed": int(part["passed"].sum()),
                },
                **{"pass_rate": part["passed"].mean(), "said": (part["probability"] > 0.5).mean()},
                **{"fall": part["fall"].mean(), "distractor": part["distractor"].abs().mean()},
            }
        )
    return pd.DataFrame(
        lines,
        columns=[
            "arm",
            "model",
            "label",
            "films",
            "passed",
            "pass_rate",
            "said",
            "fall",
            "distractor",
        ],
    )


def on_region(rows: pd.DataFrame, arm: str, region: str) -> Iterator[dict[str, Any]]:
    """Mean share of heat on the tag or the distractors, and how often it is more than TWICE its area; by part and method."""
    chosen = rows[(rows["metric"] == region) & np.isfinite(rows["value"])]
    for (part, method), group in chosen.groupby(["part", "method"], sort=False):
        alarm = (group["value"] > TWICE * group["chance"]).astype(float)
        yield _line(
            arm,
            part,
            method,
            group,
            region,
            "share of heat",
            group["value"],
            chance=group["chance"].mean(),
        )
        yield _line(arm, part, method, group, region, "false alarms", alarm)


def reliance(tag: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Mean fall of the logit without the tag, by arm and part."""
    for (arm, part), group in tag.groupby(["arm", "part"], sort=False):
        yield _line(arm, part, "", group, "", "fall of the logit without the tag", group["fall"])


def tracking(rows: pd.DataFrame, tag: pd.DataFrame, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Spearman's ρ over films between a method's heat on the tag and the fall of the logit without the tag.

    Part "all": over all models. Part "within models": of the films' ranks within each model, so that what differs between models
    (how much they owe to the tag, how wide their maps are) does not count.
    """
    chosen = rows[(rows["metric"] == TAG) & np.isfinite(rows["value"])].merge(
        tag[["model", "image", "fall"]], on=["model", "image"]
    )
    for method, group in chosen.groupby("method", sort=False):
        pair = group[["value", "fall"]]
        for part, values in (
            ("all", pair),
            ("within models", pair.groupby(group["model"]).rank(pct=True)),
        ):
            numbers = _correlated(values["value"].to_numpy(), values["fall"].to_numpy(), seed)
            yield (
                _line(
                    "shortcut", part, method, group, TAG, "Spearman with the fall", group["value"]
                )
                | numbers
            )


def _correlated(a: Floats, b: Floats, seed: int) -> dict[str, Any]:
    """Spearman's ρ and its percentile interval, films resampled."""
    rng = np.random.default_rng(seed)
    draws = [rng.integers(0, len(a), len(a)) for _ in range(REPLICATES)]
    found = np.array([spearman(a[draw], b[draw]) for draw in draws])
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [0.025, 0.975]) if len(found) else (np.nan, np.nan)
    return {"estimate": spearman(a, b), "low": low, "high": high, "interval_method": "percentile"}


def above_chance(rows: pd.DataFrame, arm: str) -> Iterator[dict[str, Any]]:
    """Mean value less its chance level, by method and metric: null models should leave nothing."""
    for (method, metric, output), group in rows.groupby(["method", "metric", "output"], sort=False):
        excess = group["value"] - group["chance"]
        if np.isfinite(excess).any():
            yield _line(
                arm,
                "all",
                str(method),
                group,
                str(metric),
                "above chance",
                excess,
                chance=group["chance"].mean(),
                output=str(output),
            )


def specificity(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """AP on the own evidence less AP on the other label's, films with both, beside what its areas alone give."""
    for method, group in rows[rows["metric"] == "class_specificity"].groupby("method", sort=False):
        excess = group["value"] - group["chance"]
        part = "class-agnostic" if agnostic(str(method)) else "class-specific"
        yield _line(
            "main",
            part,
            str(method),
            group,
            "class_specificity",
            "own − other",
            group["value"],
            chance=group["chance"].mean(),
        )
        yield _line("main", part, str(method), group, "class_specificity", "above chance", excess)


def agnostic(method: str) -> bool:
    """Whether a method gives every label the same map; baselines but the oracle do."""
    return not METHODS[method].class_specific if method in METHODS else method != "oracle"


def by_label(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """CHIEF metrics of the conjunction beside those of the single labels."""
    for name, labels in (("single", LABELS[:2]), ("conjunction", LABELS[2:])):
        yield from _chief(rows[rows["label"].isin(labels)], "main", name)


def by_size(rows: pd.DataFrame, uses: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """CHIEF metrics by the size of the largest lesion, single labels alone."""
    radius = uses.drop_duplicates(["image", "label"]).set_index(["image", "label"])["radius"]
    single = rows[rows["label"].isin(LABELS[:2]) & rows["metric"].isin(CHIEF)]
    sizes = radius.loc[list(zip(single["image"], single["label"]))].to_numpy()
    for name, (low, high) in SIZES.items():
        yield from _chief(single[(sizes >= low) & (sizes < high)], "main", name)


def _chief(rows: pd.DataFrame, arm: str, part: str) -> Iterator[dict[str, Any]]:
    for (method, metric), group in rows[rows["metric"].isin(CHIEF)].groupby(
        ["method", "metric"], sort=False
    ):
        bounded = group[group["ceiling"] > 0]
        share = (bounded["value"] / bounded["ceiling"]).mean()
        chance = group["chance"].mean()
        yield _line(
            arm,
            part,
            str(method),
            group,
            str(metric),
            "score",
            group["value"],
            chance=chance,
            over_ceiling=share,
        )


def _line(
    arm: object,
    part: object,
    method: object,
    group: pd.DataFrame,
    metric: str,
    quantity: str,
    values: ArrayLike,
    *,
    chance: float = float("nan"),
    over_ceiling: float = float("nan"),
    output: str = "",
) -> dict[str, Any]:
    found = mean_interval(values, group["patient"].astype(str).tolist())
    where = {
        "arm": str(arm),
        "part": str(part),
        "method": str(method),
        "metric": metric,
        "output": output,
        "quantity": quantity,
    }
    baseline = bool(group["baseline"].any()) if "baseline" in group else False
    numbers = {key: value for key, value in vars(found).items() if key != "nan_rate"}
    return {
        **where,
        "baseline": baseline,
        **numbers,
        "chance": chance,
        "over_ceiling": over_ceiling,
    }


def arms_table(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All of the above as one tidy table, columns LINE. Of the shortcut arms, films on which the model says the label alone.

    Args:
        parts: "main", "shortcut", "null", "semi": rows of the arm, with ``arm`` and ``model``; "uses", "tag": their tables.
            Any may be empty.
    """
    lines: list[dict[str, Any]] = []
    main, shortcut, null, semi, tag = (
        parts[name] for name in ("main", "shortcut", "null", "semi", "tag")
    )
    if len(main):
        whole = main.assign(part="all")
        lines += [*on_region(whole, "decoy", TAG), *on_region(whole, "distractors", BAR)]
        lines += [*specificity(main), *by_label(main), *by_size(main, parts["uses"])]
    if len(tag):
        tag = tag[tag["said"] | (tag["arm"] == "main")]
        lines += reliance(
            tag.assign(
                part=tag["model"].where(tag["arm"] == "main", tag["rho"].map("ρ = {:g}".format))
            )
        )
    if len(shortcut):
        shortcut = shortcut[shortcut["probability"] > SAYS]
        lines += on_region(
            shortcut.assign(part=shortcut["rho"].map("ρ = {:g}".format)), "shortcut", TAG
        )
        lines += tracking(shortcut, tag[tag["arm"] == "shortcut"])
    for arm in dict.fromkeys(null["arm"]) if len(null) else ():
        lines += above_chance(null[null["arm"] == arm], arm)
    if len(semi):
        lines += _chief(semi, "semi", "all")
    return pd.DataFrame(lines, columns=LINE)
