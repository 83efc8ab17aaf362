"""The leaderboard: all models together, ranked by the metrics that passed the meta-evaluation.

Ranks, their intervals and the groups that differ are those of
:mod:`~camlucida.workflows.benchmark.ranks`. Methods whose maps are identical are one entry. An
order is given only where the models agree on it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from camlucida.attribution.engine import explain
from camlucida.attribution.methods import METHODS
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.summary import about, over_all_labels
from camlucida.metrics.agreement import kendall_w
from camlucida.metrics.statistics import mean_interval
from camlucida.models import LoadedModel
from camlucida.workflows.benchmark.ranks import (
    ORDERED_FROM,
    groups,
    mean_ranks,
    rank_gaps,
    rank_intervals,
    rank_replicates,
    ranked_by,
)

SHOWN = (
    "average_precision",
    "average_precision_lift",
    "hit",
    "iou_area_matched",
    "class_specificity",
    "road",
)
"""Metrics that the leaderboard shows, where they passed, beside the ranks by all that passed."""
REPEATS = 3
"""Timed runs of a method, after one that is not counted."""
FEWEST_MODELS = 2
"""Rankings that can agree or disagree."""
ALL_MODELS = "models"
PERMUTED = "permuted_methods"
AGREEMENT = ["among", "net", "rankings", "kendall_w", "first"]
"""Columns of :func:`agreement`; ``net``: the architecture whose seeds are ranked, else empty."""


@dataclass(frozen=True)
class Ranks:
    """What ranks, by which metrics, and how surely; computed once of the main arm.

    Attributes:
        metrics: (metric, output) that rank.
        replicates: of :func:`~camlucida.workflows.benchmark.ranks.rank_replicates`.
        gaps: of :func:`~camlucida.workflows.benchmark.ranks.rank_gaps`.
        agreement: of :func:`agreement`.
    """

    metrics: list[tuple[str, str]]
    replicates: pd.DataFrame
    gaps: pd.DataFrame
    agreement: pd.DataFrame


def ranks_of(rows: pd.DataFrame, kept: Collection[tuple[str, str]]) -> Ranks:
    """The ranks of methods and baselines.

    Args:
        rows: of the main arm, all models.
        kept: (metric, output) that passed the meta-evaluation.
    """
    metrics = ranked_by(rows, kept)
    replicates = rank_replicates(rows, metrics)
    return Ranks(metrics, replicates, rank_gaps(replicates), agreement(rows, metrics))


def leaderboard(
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    ranks: Ranks,
    seconds: pd.DataFrame,
    same: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """One line a method or baseline, by group and then by mean rank.

    Args:
        rows: of the main arm, all models.
        summary: of these rows, by :func:`~camlucida.evaluation.maps.summary.summarise`.
        ranks: of these rows.
        seconds: from :func:`cost`.
        same: groups of methods with identical maps; only the first of each is in ``rows``.

    Returns:
        ``group`` counts from 0, the best: its methods do not differ from the best of them.
        ``position`` counts the methods alone, NaN where the models agree too little on the order
        (:data:`~camlucida.workflows.benchmark.ranks.ORDERED_FROM`); within a group the lines are
        then in the order of their names. ``also`` names the methods with the same maps.
    """
    table = mean_ranks(rows, ranks.metrics).sort_values("rank", kind="stable")
    if len(ranks.replicates):
        table = table.join(rank_intervals(ranks.replicates))
    else:
        table[["rank_low", "rank_high"]] = np.nan
    numbers = groups([str(name) for name in table.index], ranks.gaps)
    own = ("rank", "rank_low", "rank_high")
    families = {name: f"rank_{name}" for name in table.columns if name not in own}
    table = table.rename(columns=families).reset_index()
    baselines = set(rows.loc[rows["baseline"].astype(bool), "method"])
    table.insert(1, "baseline", table["method"].isin(baselines))
    also = {group[0]: ", ".join(group[1:]) for group in same}
    table.insert(2, "also", [also.get(name, "") for name in table["method"]])
    position = table["rank"].where(~table["baseline"]).rank(method="min")
    table.insert(0, "group", table["method"].map(numbers))
    table.insert(0, "position", position)
    if not models_agree(ranks.agreement):
        table["position"] = np.nan
        table = table.sort_values(["group", "method"], kind="stable").reset_index(drop=True)
    table["class_specific"] = [
        METHODS[name].class_specific if name in METHODS else None for name in table["method"]
    ]
    table["seconds"] = np.nan
    if len(seconds):
        table["seconds"] = table["method"].map(seconds.groupby("method")["seconds"].median())
    return _with_scores(table, summary, ranks.metrics)


def _with_scores(
    table: pd.DataFrame, summary: pd.DataFrame, metrics: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """The board with the means of the metrics that it shows."""
    whole = over_all_labels(summary)
    for metric, output in metrics:
        if metric in SHOWN:
            part = whole[(whole["metric"] == metric) & (whole["output"] == output)]
            part = part.set_index("method")
            for column in ("estimate", "low", "high", "chance", "ceiling", "over_ceiling"):
                table[f"{metric}:{column}"] = table["method"].map(part[column])
    return table


def models_agree(agreed: pd.DataFrame) -> bool:
    """Whether the rankings of all models agree enough for an order to be printed.

    Args:
        agreed: of :func:`agreement`.
    """
    of_all = agreed.loc[agreed["among"] == ALL_MODELS, "kendall_w"]
    return bool((of_all >= ORDERED_FROM).any())


def permuted_reference(
    null: pd.DataFrame, metrics: Sequence[tuple[str, str]]
) -> dict[str, float | str]:
    """Scores of all methods on the models of permuted labels: what a method has to exceed.

    Args:
        null: rows of the null arms.
        metrics: (metric, output) that rank.

    Returns:
        Keys as the columns of :func:`leaderboard`; the mean over methods and maps with its
        patient-level interval.
    """
    line: dict[str, float | str] = {"method": PERMUTED}
    rows = null[null["arm"] == "permuted"] if len(null) else null
    for metric, output in metrics:
        if metric not in SHOWN or rows.empty:
            continue
        part = rows[(rows["metric"] == metric) & (rows["output"] == output)]
        if len(part):
            interval = mean_interval(part["value"], part["patient"].astype(str).tolist())
            for name in ("estimate", "low", "high"):
                line[f"{metric}:{name}"] = getattr(interval, name)
    return line


def agreement(rows: pd.DataFrame, metrics: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Kendall's W of the methods' rankings by ``metrics``, baselines left out; columns AGREEMENT.

    Among all models, among the seeds of each architecture, and among architectures (all models of
    each together). ``first``: methods that some ranking puts first.
    """
    chosen = rows[~rows["baseline"].astype(bool)]

    def rankings(key: str, part: pd.DataFrame) -> list[pd.Series]:
        return [mean_ranks(group, metrics)["rank"] for _, group in part.groupby(key, sort=True)]

    by_scope = {(ALL_MODELS, ""): rankings("model", chosen)}
    for net, part in chosen.groupby("net", sort=True):
        by_scope["seeds", str(net)] = rankings("model", part)
    by_scope["architectures", ""] = rankings("net", chosen)
    lines = []
    for scope, group_ranks in by_scope.items():
        if len(group_ranks) >= FEWEST_MODELS:
            lines.append((*scope, *_agreement_line(group_ranks)))
    return pd.DataFrame(lines, columns=AGREEMENT)


def _agreement_line(rankings: Sequence[pd.Series]) -> tuple[int, float, str]:
    table = pd.concat(rankings, axis=1).dropna()
    usable = [column.to_numpy() for _, column in table.items() if column.nunique() > 1]
    best = (table == table.min()).any(axis=1)
    w = kendall_w(usable) if len(usable) >= FEWEST_MODELS else float("nan")
    return len(usable), w, ", ".join(map(str, table.index[best]))


def cost(model: LoadedModel, scan: Scan, label: str, methods: Sequence[str]) -> pd.DataFrame:
    """Seconds of one map by each method alone: median of REPEATS after one that is not counted."""
    lines = []
    for method in methods:
        seconds = _seconds(model, scan, label, method)
        lines.append({"model": model.name, "method": method, "seconds": seconds})
    return pd.DataFrame(lines)


def _seconds(model: LoadedModel, scan: Scan, label: str, method: str) -> float:
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        explain(model, [scan], target=label, method=method)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def gains_over_baselines(
    rows: pd.DataFrame, metrics: Sequence[tuple[str, str]], against: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Paired gain of each method over each baseline, with its interval: a line each.

    A gain in the metric's direction is positive.
    """
    for metric, output in metrics:
        part = rows[(rows["metric"] == metric) & (rows["output"] == output)]
        table = part.pivot_table(
            index=["patient", "image", "label"], columns="method", values="value", observed=True
        )
        sign = -1 if about(metric).direction == "lower" else 1
        methods = list(dict.fromkeys(part.loc[~part["baseline"].astype(bool), "method"]))
        for method in methods:
            for baseline in against:
                if baseline not in table:
                    continue
                pair = table[[method, baseline]].dropna()
                gain = sign * (pair[method] - pair[baseline])
                patients = [str(patient) for patient, *_ in pair.index]
                yield {
                    "metric": metric,
                    "output": output,
                    "method": method,
                    "baseline": baseline,
                    **vars(mean_interval(gain, patients)),
                }
