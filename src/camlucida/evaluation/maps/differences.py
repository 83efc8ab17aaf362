"""Methods compared with each other and with the baselines.

Paired differences, ranks, disagreement.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import pandas as pd

from camlucida.evaluation.maps.row_tables import (
    about,
    check_rows,
    groups,
    has_own_order,
    over_all_labels,
    preferred_score,
)
from camlucida.metrics.agreement import kendall_w
from camlucida.metrics.bootstrap import REPLICATES, Sampling
from camlucida.metrics.statistics import holm, paired_difference

SIGNIFICANT = 0.05
"""A Holm-adjusted p-value under this one names the better method."""

TESTED = [
    *("layer", "metric", "output", "family", "direction", "first", "second", "against"),
    *("estimate", "low", "high", "interval_method", "p", "patients", "n"),
]
DIFFERENCES = [
    *("layer", "metric", "output", "family", "direction", "first", "second", "against"),
    *("estimate", "low", "high", "interval_method", "p", "counts_with", "p_holm", "better"),
    *("patients", "n"),
]
RANKING = [
    *("layer", "family", "metric", "output", "method", "baseline", "rank", "of"),
    *("estimate", "low", "high", "family_rank"),
]
CASE = ["image", "label"]
NAN = float("nan")


def differences(
    rows: pd.DataFrame, replicates: int = REPLICATES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Paired differences, first minus second, on the same image, label and layer.

    All labels together. Methods against each other, and each against each baseline, for metrics
    with a direction; each layer apart.

    Args:
        rows: of :mod:`~camlucida.evaluation.maps.row_tables`.
        replicates, level, seed: as for :func:`~camlucida.metrics.statistics.mean_interval`.

    Returns:
        Columns ``DIFFERENCES``: ``against`` is "method" or "baseline"; ``counts_with`` is the
        metric (and its model output) that stands for this one among the corrected tests, "" where
        it stands for itself; ``p_holm`` is adjusted over those rows of the metric's family that
        stand for themselves, separately for those between methods and those against baselines,
        which are two questions. The ``p_holm`` of a row that counts with another is the larger of
        its ``p`` and the other's ``p_holm``. ``better`` is "first", "second", or "" where
        ``p_holm`` is not under ``SIGNIFICANT``; ``n`` counts the pairs.

    Raises:
        UsageError: as of :func:`~camlucida.evaluation.maps.row_tables.check_rows`.
    """
    check_rows(rows)
    sampling = Sampling(replicates, level, seed)
    lines = []
    for (layer, name, output), group in groups(rows, ["layer", "metric", "output"]):
        metric = about(name)
        if metric.direction == "none":
            continue
        common = {
            "layer": layer,
            "metric": name,
            "output": output,
            "family": metric.family,
            "direction": metric.direction,
        }
        lines += [common | line for line in _tested_pairs(group, sampling)]
    table = pd.DataFrame(lines, columns=TESTED)
    table = _corrected(table)
    positive = table["estimate"] > 0
    higher_is_better = table["direction"] == "higher"
    first_wins = positive == higher_is_better
    better = np.where(first_wins, "first", "second").astype(object)
    significant = table["p_holm"] < SIGNIFICANT
    table["better"] = np.where(significant, better, "")
    return table[DIFFERENCES]


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """With ``counts_with`` and ``p_holm``: metrics that measure nearly the same count once.

    Their tests would fail or succeed together, so counting each would only weaken the others.
    """
    names = list(zip(table["metric"], table["output"]))
    measured = list(dict.fromkeys(names))
    stands_for = {name: _representative(name[0], measured) for name in measured}
    heads = [stands_for[name] for name in names]
    own = pd.Series([head == name for head, name in zip(heads, names)], table.index, dtype=bool)
    titles = [f"{name} ({output})" if output else name for name, output in heads]
    table["counts_with"] = np.where(own, "", np.array(titles, object))
    tested = table["p"].where(own)
    by_family = tested.groupby([table["family"], table["against"]], sort=False)
    adjusted = by_family.transform(holm).astype(float)
    keys = [table["layer"], table["first"], table["second"]]
    tests = pd.Series(list(zip(*keys, names)), table.index, dtype=object)
    of_heads = dict(zip(tests[own], adjusted[own]))
    followed = [of_heads.get(key) for key in zip(*keys, heads)]
    of_head = pd.Series(followed, table.index, dtype=float)
    # A NaN of either stays: without a test of both there is no verdict.
    of_others = np.maximum(table["p"].astype(float), of_head)
    table["p_holm"] = adjusted.where(own, of_others)
    return table


def _representative(metric: str, measured: list[tuple[str, str]]) -> tuple[str, str]:
    """(metric, model output) that stands for all that measure nearly the same as a metric.

    The metric that the registration names, or the first of the others where it was not measured; by
    the output that a summary begins with.
    """
    head = about(metric).counts_with or metric
    outputs: dict[str, list[str]] = {}
    for name, output in measured:
        if head in (name, about(name).counts_with):
            outputs.setdefault(name, []).append(output)
    name = head if head in outputs else next(iter(outputs))
    return name, preferred_score(outputs[name])


def _tested_pairs(group: pd.DataFrame, sampling: Sampling) -> Iterator[dict[str, object]]:
    """One layer, metric and model output: each pair of methods, tested."""
    cases = group.drop_duplicates(CASE)
    # Every method is aligned to the same cases; one that lacks a case has NaN there.
    index = pd.MultiIndex.from_frame(cases[CASE])
    patients = cases["patient"].tolist()
    values = {
        method: part.set_index(CASE)["value"].reindex(index)
        for (method,), part in groups(group, ["method"])
    }
    for first, second, against in _pairs(group):
        difference = paired_difference(values[first], values[second], patients, **vars(sampling))
        interval = difference.interval
        yield {
            "first": first,
            "second": second,
            "against": against,
            "p": difference.p,
            "n": interval.rows,
            **vars(interval),
        }


def _pairs(group: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(first, second, against): each two methods, and each method with each baseline."""
    is_baseline = dict(zip(group["method"], group["baseline"].astype(bool)))
    methods = [name for name, baseline in is_baseline.items() if not baseline]
    baselines = [name for name, baseline in is_baseline.items() if baseline]
    between_methods = [(*pair, "method") for pair in combinations(methods, 2)]
    against_baselines = [(*pair, "baseline") for pair in product(methods, baselines)]
    return between_methods + against_baselines


def ranking(summary: pd.DataFrame) -> pd.DataFrame:
    """Rank of each method, baselines among them, by each metric with a direction.

    Within a layer, over all labels. A metric that failed the meta-evaluation on a model output
    ranks nothing, nor does class specificity over the average mask, which orders methods as class
    specificity does. Metrics rank differently: read it with :func:`disagreement`.

    Args:
        summary: of :func:`~camlucida.evaluation.maps.summary.summarise`.

    Returns:
        Columns ``RANKING``, best first: ``rank`` 1 is best, ties averaged, NaN without a value;
        ``of`` counts the ranked; ``family_rank`` is the mean rank over the family, NaN for a method
        that a ranking of it lacks.
    """
    table = over_all_labels(summary)
    metrics = zip(table["metric"], table["output"], table["direction"])
    ranks = [
        direction != "none" and about(name).failure(output) is None and has_own_order(name)
        for name, output, direction in metrics
    ]
    table = table[pd.Series(ranks, index=table.index, dtype=bool)].copy()
    keys = ["layer", "family", "metric", "output"]
    estimate = table["estimate"]
    lower_is_better = table["direction"] == "lower"
    loss = estimate.where(lower_is_better, -estimate)
    by_metric = loss.groupby([table[key] for key in keys], sort=False)
    table["rank"] = by_metric.rank()
    table["of"] = by_metric.transform("count")
    table["family_rank"] = _family_rank(table, keys)
    table["order"] = table.groupby(keys, sort=False).ngroup()
    ordered = table.sort_values(["order", "rank"], kind="stable")
    return ordered[RANKING].reset_index(drop=True)


def _family_rank(table: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Mean rank of the method over the rankings of the family.

    NaN where it is not in all of them.
    """
    has_ranks = table["of"] > 0
    rankings = table[has_ranks].drop_duplicates(keys)
    sizes = rankings.groupby(["layer", "family"], sort=False).size()
    families = zip(table["layer"], table["family"])
    expected = [sizes.get(pair, 0) for pair in families]
    ranks = table.groupby(["layer", "family", "method"], sort=False)["rank"]
    complete = ranks.transform("count") == expected
    return ranks.transform("mean").where(complete)


def disagreement(ranking: pd.DataFrame) -> pd.DataFrame:
    """Disagreement of the rankings by different metrics, baselines left out.

    Args:
        ranking: of :func:`ranking`.

    Returns:
        A row a layer with two methods or more: ``layer``, ``rankings``, ``methods``, ``winners``
        (methods that some metric ranks first) and ``kendall_w`` (1: all metrics agree; NaN for one
        ranking). Rankings that lack a method, and those in which all tie, are left out.
    """
    lines = []
    is_baseline = ranking["baseline"].astype(bool)
    for (layer,), group in groups(ranking[~is_baseline], ["layer"]):
        methods = list(dict.fromkeys(group["method"]))
        table = group.pivot(index=["metric", "output"], columns="method", values="rank")
        table = table[methods].dropna()
        # A metric by which all methods tie ranks none of them.
        distinct = table.nunique(axis=1) > 1
        ranks = table.rank(axis=1)[distinct]
        if ranks.empty:
            continue
        winners = _winners(ranks, methods)
        concordance = NAN
        if len(ranks) > 1:
            concordance = kendall_w(list(ranks.to_numpy()))
        lines.append((layer, len(ranks), len(methods), winners, concordance))
    return pd.DataFrame(lines, columns=["layer", "rankings", "methods", "winners", "kendall_w"])


def _winners(ranks: pd.DataFrame, methods: list[str]) -> str:
    """The methods that some metric ranks first, joined by commas."""
    best = ranks.min(axis=1)
    winners = [name for name in methods if (ranks[name] == best).any()]
    return ", ".join(winners)
