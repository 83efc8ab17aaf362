"""The leaderboard: all models together, patients (film seeds) resampled, ranked by the metrics that passed the meta-evaluation.

A rank is over methods and baselines within one metric (ties averaged), then the mean over the metrics of a family, then over the
families: three faithfulness metrics do not outvote one localisation metric.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from camlucida.attribution.engine import explain
from camlucida.attribution.methods import METHODS
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.summary import about, over_all_labels, preferred_score
from camlucida.metrics.agreement import kendall_w
from camlucida.metrics.statistics import mean_interval
from camlucida.models import LoadedModel

SHOWN = (
    "average_precision",
    "average_precision_lift",
    "hit",
    "iou_area_matched",
    "class_specificity",
    "road",
    "cell_insertion_deletion",
)
"""Metrics that the leaderboard shows, where they passed, beside the ranks by all that passed."""
REPEATS = 3
NOT_RANKED = ("fake_cam",)
"""Scored by few metrics alone: no rank over all."""
MODELS_LEAST = 2


def ranked_by(rows: pd.DataFrame, kept: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """(metric, output) that rank: those ``kept`` that were measured, each on one score, the logit before the probability.

    Artefact shares describe where heat lies on films whose truth lies elsewhere: they pass or fail, and do not rank.
    """
    measured = dict.fromkeys(
        pair for pair in zip(rows["metric"], rows["output"]) if pair in set(kept)
    )
    names = [
        name
        for name in dict.fromkeys(name for name, _ in measured)
        if about(name).family != "artefact"
    ]
    return [
        (name, preferred_score(output for other, output in measured if other == name))
        for name in names
    ]


def mean_ranks(rows: pd.DataFrame, metrics: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Method → rank, 1 best: a column a family, and ``rank``, their mean; NaN for a method that a metric has no value of.

    A metric without any value here (few films, none with both lesions) is left out.
    """
    measured = set(zip(rows["metric"], rows["output"]))
    metrics = [pair for pair in metrics if pair in measured]
    if not metrics:
        return pd.DataFrame(
            {"rank": np.nan}, index=pd.Index(list(dict.fromkeys(rows["method"])), name="method")
        )
    means = rows.groupby(["metric", "output", "method"])["value"].mean()
    chosen = rows[~rows["method"].isin(NOT_RANKED)]
    methods = list(dict.fromkeys(chosen["method"]))
    columns = {}
    for name, output in metrics:
        loss = means.loc[name, output].reindex(methods) * (
            1 if about(name).direction == "lower" else -1
        )
        columns[name] = loss.rank()
    ranks = pd.DataFrame(columns, index=pd.Index(methods, name="method"))
    families = dict.fromkeys(about(name).family for name in columns)
    table = pd.DataFrame(
        {
            family: ranks[[name for name in columns if about(name).family == family]].mean(
                axis=1, skipna=False
            )
            for family in families
        }
    )
    return table.assign(rank=table.mean(axis=1, skipna=False))


def leaderboard(
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    kept: Collection[tuple[str, str]],
    seconds: pd.DataFrame,
) -> pd.DataFrame:
    """One line a method, best first, baselines among them; ``place`` counts the methods alone.

    Args:
        rows: of the main arm, all models.
        summary: of these rows, by :func:`~camlucida.evaluation.maps.summary.summarise`.
        kept: what passed the meta-evaluation.
        seconds: from :func:`cost`.
    """
    metrics = ranked_by(rows, kept)
    table = mean_ranks(rows, metrics).sort_values("rank", kind="stable")
    table = table.rename(
        columns={name: f"rank_{name}" for name in table.columns if name != "rank"}
    ).reset_index()
    baselines = set(rows.loc[rows["baseline"].astype(bool), "method"])
    table.insert(1, "baseline", table["method"].isin(baselines))
    # Equal ranks, equal place: methods that are one and the same behind this head share it.
    table.insert(0, "place", table["rank"].where(~table["baseline"]).rank(method="min"))
    table["class_specific"] = [
        METHODS[name].class_specific if name in METHODS else None for name in table["method"]
    ]
    table["seconds"] = (
        table["method"].map(seconds.groupby("method")["seconds"].median())
        if len(seconds)
        else np.nan
    )
    whole = over_all_labels(summary)
    for name, output in metrics:
        if name in SHOWN:
            part = whole[(whole["metric"] == name) & (whole["output"] == output)].set_index(
                "method"
            )
            for column in ("estimate", "low", "high", "chance", "ceiling", "over_ceiling"):
                table[f"{name}:{column}"] = table["method"].map(part[column])
    return table


def agreement(rows: pd.DataFrame, kept: Collection[tuple[str, str]]) -> pd.DataFrame:
    """Kendall's W of the methods' rankings, baselines left out: over all models, over seeds of each architecture, over
    architectures (their models pooled). Columns ``among, rankings, kendall_w, first`` (methods that some ranking puts first)."""
    metrics = ranked_by(rows, kept)
    chosen = rows[~rows["baseline"].astype(bool)]

    def rankings(key: str, part: pd.DataFrame) -> list[pd.Series]:
        return [mean_ranks(group, metrics)["rank"] for _, group in part.groupby(key, sort=True)]

    groups = {"all models": rankings("model", chosen)}
    for net, part in chosen.groupby("net", sort=True):
        groups[f"seeds of {net}"] = rankings("model", part)
    groups["architectures"] = rankings("net", chosen)
    return pd.DataFrame(
        [_agreed(name, found) for name, found in groups.items() if len(found) >= MODELS_LEAST],
        columns=AGREEMENT,
    )


AGREEMENT = ["among", "rankings", "kendall_w", "first"]


def _agreed(among: str, rankings: Sequence[pd.Series]) -> tuple[str, int, float, str]:
    table = pd.concat(rankings, axis=1).dropna()
    usable = [column.to_numpy() for _, column in table.items() if column.nunique() > 1]
    first = [str(name) for name in table.index if (table.loc[name] == table.min()).any()]
    return (
        among,
        len(usable),
        kendall_w(usable) if len(usable) >= MODELS_LEAST else float("nan"),
        ", ".join(first),
    )


def cost(model: LoadedModel, scan: Scan, label: str, methods: Sequence[str]) -> pd.DataFrame:
    """Seconds of one map by each method alone, one image at a time, median of REPEATS after one that is not counted."""
    return pd.DataFrame(
        [
            {"model": model.name, "method": name, "seconds": _seconds(model, scan, label, name)}
            for name in methods
        ]
    )


def _seconds(model: LoadedModel, scan: Scan, label: str, method: str) -> float:
    def timed() -> float:
        start = time.perf_counter()
        explain(model, [scan], target=label, method=method)
        return time.perf_counter() - start

    return float(np.median([timed() for _ in range(REPEATS + 1)][1:]))


def over_baselines(
    rows: pd.DataFrame, metrics: Sequence[tuple[str, str]], against: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Paired gain of each method over each baseline, in the metric's direction, with its interval: a line each."""
    for name, output in metrics:
        part = rows[(rows["metric"] == name) & (rows["output"] == output)]
        table = part.pivot_table(
            index=["patient", "image", "label"], columns="method", values="value", observed=True
        )
        sign = -1 if about(name).direction == "lower" else 1
        for method in dict.fromkeys(part.loc[~part["baseline"].astype(bool), "method"]):
            for baseline in (other for other in against if other in table):
                pair = table[[method, baseline]].dropna()
                gain = sign * (pair[method] - pair[baseline])
                found = mean_interval(gain, [str(patient) for patient, *_ in pair.index])
                yield {
                    "metric": name,
                    "output": output,
                    "method": method,
                    "baseline": baseline,
                    **vars(found),
                }
