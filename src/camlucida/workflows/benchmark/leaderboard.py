"""The leaderboard: all models together, ranked by the metrics that passed the meta-evaluation.

A rank is over methods and baselines within one metric (ties averaged), then the mean over the
metrics of a family, then over the families: three faithfulness metrics do not outvote one
localisation metric. Intervals resample patients (film seeds).
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
"""Timed runs of a method, after one that is not counted."""
NOT_RANKED = ("fake_cam",)
"""Scored by few metrics alone: no rank over all."""
FEWEST_MODELS = 2
"""Rankings that can agree or disagree."""
AGREEMENT = ["among", "rankings", "kendall_w", "first"]
"""Columns of :func:`agreement`."""


def ranked_by(rows: pd.DataFrame, kept: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """(metric, output) that rank: the measured ones among ``kept``, each on one model output.

    The logit is preferred to the probability. Artefact shares describe where heat lies on films
    whose ground truth lies elsewhere: they pass or fail, and do not rank.
    """
    passed = set(kept)
    outputs: dict[str, list[str]] = {}
    for metric, output in dict.fromkeys(zip(rows["metric"], rows["output"])):
        if (metric, output) in passed and about(metric).family != "artefact":
            outputs.setdefault(metric, []).append(output)
    return [(metric, preferred_score(measured)) for metric, measured in outputs.items()]


def mean_ranks(rows: pd.DataFrame, metrics: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Rank of each method, 1 best: a column a family, and ``rank``, their mean.

    A method without a value of some metric has NaN. A metric without any value here (few films,
    none with both lesions) is left out.
    """
    measured = set(zip(rows["metric"], rows["output"]))
    metrics = [pair for pair in metrics if pair in measured]
    ranked = rows[~rows["method"].isin(NOT_RANKED)]
    if not metrics:
        index = pd.Index(list(dict.fromkeys(rows["method"])), name="method")
        return pd.DataFrame({"rank": np.nan}, index=index)
    index = pd.Index(list(dict.fromkeys(ranked["method"])), name="method")
    means = rows.groupby(["metric", "output", "method"])["value"].mean()
    ranks = pd.DataFrame(index=index)
    family_of = {metric: about(metric).family for metric, _ in metrics}
    for metric, output in metrics:
        sign = 1 if about(metric).direction == "lower" else -1
        loss = sign * means.loc[metric, output].reindex(index)
        ranks[metric] = loss.rank()
    table = pd.DataFrame(index=index)
    for family in dict.fromkeys(family_of.values()):
        members = [metric for metric, other in family_of.items() if other == family]
        table[family] = ranks[members].mean(axis=1, skipna=False)
    return table.assign(rank=table.mean(axis=1, skipna=False))


def leaderboard(
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    kept: Collection[tuple[str, str]],
    seconds: pd.DataFrame,
) -> pd.DataFrame:
    """One line a method, best first, baselines among them; ``position`` counts the methods alone.

    Args:
        rows: of the main arm, all models.
        summary: of these rows, by :func:`~camlucida.evaluation.maps.summary.summarise`.
        kept: (metric, output) that passed the meta-evaluation.
        seconds: from :func:`cost`.
    """
    metrics = ranked_by(rows, kept)
    table = mean_ranks(rows, metrics).sort_values("rank", kind="stable")
    families = {name: f"rank_{name}" for name in table.columns if name != "rank"}
    table = table.rename(columns=families).reset_index()
    baselines = set(rows.loc[rows["baseline"].astype(bool), "method"])
    table.insert(1, "baseline", table["method"].isin(baselines))
    # Equal ranks share a position: methods whose maps are identical behind this head do.
    position = table["rank"].where(~table["baseline"]).rank(method="min")
    table.insert(0, "position", position)
    table["class_specific"] = [
        METHODS[name].class_specific if name in METHODS else None for name in table["method"]
    ]
    table["seconds"] = np.nan
    if len(seconds):
        table["seconds"] = table["method"].map(seconds.groupby("method")["seconds"].median())
    whole = over_all_labels(summary)
    for metric, output in metrics:
        if metric in SHOWN:
            part = whole[(whole["metric"] == metric) & (whole["output"] == output)]
            part = part.set_index("method")
            for column in ("estimate", "low", "high", "chance", "ceiling", "over_ceiling"):
                table[f"{metric}:{column}"] = table["method"].map(part[column])
    return table


def agreement(rows: pd.DataFrame, kept: Collection[tuple[str, str]]) -> pd.DataFrame:
    """Kendall's W of the methods' rankings, baselines left out; columns AGREEMENT.

    Among all models, among the seeds of each architecture, and among architectures (all models of
    each together). ``first``: methods that some ranking puts first.
    """
    metrics = ranked_by(rows, kept)
    chosen = rows[~rows["baseline"].astype(bool)]

    def rankings(key: str, part: pd.DataFrame) -> list[pd.Series]:
        return [mean_ranks(group, metrics)["rank"] for _, group in part.groupby(key, sort=True)]

    groups = {"all models": rankings("model", chosen)}
    for net, part in chosen.groupby("net", sort=True):
        groups[f"seeds of {net}"] = rankings("model", part)
    groups["architectures"] = rankings("net", chosen)
    lines = []
    for name, group_ranks in groups.items():
        if len(group_ranks) >= FEWEST_MODELS:
            lines.append(_agreement_line(name, group_ranks))
    return pd.DataFrame(lines, columns=AGREEMENT)


def _agreement_line(among: str, rankings: Sequence[pd.Series]) -> tuple[str, int, float, str]:
    table = pd.concat(rankings, axis=1).dropna()
    usable = [column.to_numpy() for _, column in table.items() if column.nunique() > 1]
    best = (table == table.min()).any(axis=1)
    w = kendall_w(usable) if len(usable) >= FEWEST_MODELS else float("nan")
    return among, len(usable), w, ", ".join(map(str, table.index[best]))


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
