"""From the rows of an evaluation to its tables: intervals, paired differences, rankings, the sanity gate, cases to look at.

Needs no model: everything is computed again from the stored tables. A row is one image, label, method, layer, metric and score.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Literal

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.evaluation.maps.choice import PRIMARY
from camlucida.metrics import METRICS, Metric
from camlucida.metrics.agreement import kendall_w
from camlucida.metrics.bootstrap import REPLICATES
from camlucida.metrics.statistics import holm, mean_interval, paired_difference, rate

ALL_LABELS = "all labels"
"""The label of a summary row over all labels."""

SCORES = ("", "logit", "value", "probability")
"""Values of ``on``, in the order in which they are preferred: a probability saturates where a logit does not."""

SIGNIFICANT = 0.05
"""A Holm-adjusted p-value under this one names the better method."""

KEYS = ["label", "method", "layer", "metric", "output"]
ROW = ["image", "label", "method", "layer", "metric", "output"]
NEEDED = [*ROW, "patient", "baseline", "value", "chance", "ceiling", "empty", "synthetic"]

SUMMARY = [
    *(
        "label",
        "method",
        "layer",
        "baseline",
        "metric",
        "output",
        "family",
        "direction",
        "range_low",
        "range_high",
    ),
    *(
        "estimate",
        "low",
        "high",
        "interval_method",
        "patients",
        "rows",
        "nan_rate",
        "empty_rate",
        "chance",
        "ceiling",
        "over_ceiling",
    ),
    "synthetic",
]
DIFFERENCES = [
    *("layer", "metric", "output", "family", "direction", "first", "second", "against"),
    *("estimate", "low", "high", "interval_method", "p", "p_holm", "better", "patients", "n"),
]
RANKING = [
    "layer",
    "family",
    "metric",
    "output",
    "method",
    "baseline",
    "rank",
    "of",
    "estimate",
    "low",
    "high",
    "family_rank",
]
GATE = [
    "method",
    "layer",
    "mode",
    "block",
    "block_name",
    "similarity",
    "dead_rate",
    "null",
    "images",
    "passed",
    "p",
    "decisive",
]
CURVE_MEANS = [
    "method",
    "layer",
    "baseline",
    "curve",
    "output",
    "share",
    "estimate",
    "low",
    "high",
    "patients",
]


@dataclass(frozen=True)
class ChosenMap:
    """One explanation to look at: the best, median or worst of an evaluation by one metric."""

    which: Literal["best", "median", "worst"]
    image: str
    label: str
    method: str
    layer: str
    metric: str
    output: str
    value: float
    chance: float
    ceiling: float


@dataclass(frozen=True)
class ChosenMaps:
    """The chosen maps, best first, and in words how they were chosen; none where no metric says which end is better."""

    rule: str
    maps: tuple[ChosenMap, ...]


def about(metric: str) -> Metric:
    """What the registry says of a row's metric; ``region_share:lungs`` is ``region_share`` in the region "lungs"."""
    return METRICS[metric.partition(":")[0]]


def title(metric: str, output: str = "") -> str:
    """A metric's name for people, with its region and the score it is on.

    >>> title("road", "logit")
    'ROAD combined (logit)'
    """
    region = metric.partition(":")[2]
    return (
        f"{about(metric).title}{f': {region}' if region else ''}{f' ({output})' if output else ''}"
    )


def preferred_score(present: Iterable[str]) -> str:
    """The first of ``SCORES`` that is there, else the first by name."""
    return min(
        present,
        key=lambda output: (SCORES.index(output) if output in SCORES else len(SCORES), output),
    )


def summarise(
    rows: pd.DataFrame, replicates: int = REPLICATES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Mean of each metric by label, method, layer and score, with its patient-level interval.

    Where there are several labels, rows of the label ``ALL_LABELS`` pool them, first.

    Args:
        rows: see the module; ``value`` NaN is no value.
        replicates, level, seed: as for :func:`~camlucida.metrics.statistics.mean_interval`.

    Returns:
        Columns ``SUMMARY``. ``estimate`` to ``nan_rate`` are those of :class:`~camlucida.metrics.bootstrap.Interval`;
        ``chance`` and ``ceiling`` are means over the rows with a value, ``over_ceiling`` the mean of value ÷ ceiling over those
        with a ceiling above 0; ``empty_rate`` is the share of maps without evidence; a range is NaN where unbounded.

    Raises:
        UsageError: a missing column, a row twice, an unknown metric, a label called "all labels".
    """
    _check(rows)
    several = rows["label"].nunique() > 1
    tables = [rows.assign(label=ALL_LABELS), rows] if several else [rows]
    lines = [
        _summary_line(key, group, replicates, level, seed)
        for table in tables
        for key, group in _groups(table, KEYS)
    ]
    return pd.DataFrame(lines, columns=SUMMARY)


def over_all_labels(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary's rows over all labels; those of the only label where there is one."""
    labels = summary["label"]
    return summary[labels == ALL_LABELS] if (labels == ALL_LABELS).any() else summary


def headline(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """(metric, output) to show first: those of ``PRIMARY`` that were measured, on one score each; else the first directional ones."""
    measured = dict.fromkeys(zip(summary["metric"], summary["output"]))
    judged = [
        name
        for name in dict.fromkeys(name for name, _ in measured)
        if about(name).direction != "none"
    ]
    names = [name for name in PRIMARY if name in judged] or judged[: len(PRIMARY)]
    return [
        (name, preferred_score(output for other, output in measured if other == name))
        for name in names
    ]


def differences(
    rows: pd.DataFrame, replicates: int = REPLICATES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Paired differences, first minus second, on the same image, label and layer; all labels together.

    Methods against each other, and each against each baseline, for metrics with a direction. Each layer apart.

    Returns:
        Columns ``DIFFERENCES``: ``against`` is "method" or "baseline"; ``p_holm`` is adjusted over all rows of the metric's
        family, those between methods and those against baselines apart, for they answer two questions; ``better`` is "first",
        "second", or "" where it is not under ``SIGNIFICANT``; ``n`` counts the pairs.
    """
    _check(rows)
    lines = []
    for (layer, name, output), group in _groups(rows, ["layer", "metric", "output"]):
        known = about(name)
        if known.direction == "none":
            continue
        cases = group.drop_duplicates(["image", "label"])
        index = pd.MultiIndex.from_frame(cases[["image", "label"]])
        values = {
            m: part.set_index(["image", "label"])["value"].reindex(index)
            for (m,), part in _groups(group, ["method"])
        }
        common = {
            "layer": layer,
            "metric": name,
            "output": output,
            "family": known.family,
            "direction": known.direction,
        }
        for first, second, against in _pairs(group):
            found = paired_difference(
                values[first],
                values[second],
                cases["patient"].tolist(),
                replicates=replicates,
                level=level,
                seed=seed,
            )
            own = {
                "first": first,
                "second": second,
                "against": against,
                "p": found.p,
                "n": found.interval.rows,
            }
            lines.append({**common, **own, **vars(found.interval)})
    table = pd.DataFrame(
        lines, columns=[name for name in DIFFERENCES if name not in ("p_holm", "better")]
    )
    table["p_holm"] = (
        table.groupby(["family", "against"], sort=False)["p"].transform(holm).astype(float)
    )
    first_wins = (table["estimate"] > 0) == (table["direction"] == "higher")
    better = np.where(first_wins, "first", "second").astype(object)
    table["better"] = np.where(table["p_holm"] < SIGNIFICANT, better, "")
    return table[DIFFERENCES]


def ranking(summary: pd.DataFrame) -> pd.DataFrame:
    """Rank of each method, baselines among them, by each metric with a direction, within a layer and over all labels.

    Returns:
        Columns ``RANKING``, best first: ``rank`` 1 is best, ties averaged, NaN without a value; ``of`` counts the ranked;
        ``family_rank`` is the mean rank over the family, NaN for a method that a ranking of it lacks. Metrics rank differently:
        read it with :func:`disagreement`.
    """
    table = over_all_labels(summary)
    table = table[table["direction"] != "none"].copy()
    keys = ["layer", "family", "metric", "output"]
    loss = table["estimate"].where(table["direction"] == "lower", -table["estimate"])
    by_metric = loss.groupby([table[key] for key in keys], sort=False)
    table["rank"], table["of"] = by_metric.rank(), by_metric.transform("count")
    rankings = (
        table[table["of"] > 0].drop_duplicates(keys).groupby(["layer", "family"], sort=False).size()
    )
    own = table.groupby(["layer", "family", "method"], sort=False)["rank"]
    complete = own.transform("count") == [
        rankings.get(pair, 0) for pair in zip(table["layer"], table["family"])
    ]
    table["family_rank"] = own.transform("mean").where(complete)
    order = table.groupby(keys, sort=False).ngroup()
    return (
        table.assign(order=order)
        .sort_values(["order", "rank"], kind="stable")[RANKING]
        .reset_index(drop=True)
    )


def disagreement(ranking: pd.DataFrame) -> pd.DataFrame:
    """How far the metrics' rankings of the methods, baselines left out, differ: a row a layer with two methods or more.

    Returns:
        ``layer``, ``rankings``, ``methods``, ``winners`` (methods that some metric ranks first) and ``kendall_w`` (1: all metrics
        agree; NaN for one ranking). Rankings that lack a method, and those in which all tie, are left out.
    """
    lines = []
    for (layer,), group in _groups(ranking[~ranking["baseline"].astype(bool)], ["layer"]):
        methods = list(dict.fromkeys(group["method"]))
        table = group.pivot(index=["metric", "output"], columns="method", values="rank")[
            methods
        ].dropna()
        ranks = table.rank(axis=1)[table.nunique(axis=1) > 1]
        if ranks.empty:
            continue
        winners = [name for name in methods if (ranks[name] == ranks.min(axis=1)).any()]
        concordance = kendall_w(list(ranks.to_numpy())) if len(ranks) > 1 else float("nan")
        lines.append((layer, len(ranks), len(methods), ", ".join(winners), concordance))
    return pd.DataFrame(lines, columns=["layer", "rankings", "methods", "winners", "kendall_w"])


def gate_table(sanity: pd.DataFrame) -> pd.DataFrame:
    """Parameter randomisation by method, layer, mode and block: means over images, seeds and labels.

    Returns:
        Columns ``GATE``, blocks from the logits down. With several labels the worst counts: ``passed`` is True where all passed,
        False where one failed, else None; ``p`` is the largest. ``similarity`` leaves dead maps out. ``decisive`` marks the last
        cascading block, where nothing that was learnt is left: the gate is passed or failed there.
    """
    lines = []
    for (method, layer, mode), group in _groups(sanity, ["method", "layer", "mode"]):
        for (block,), part in _groups(group, ["block"]):
            verdicts = [bool(value) if pd.notna(value) else None for value in part["passed"]]
            lines.append(
                {
                    **{"method": method, "layer": layer, "mode": mode, "block": block},
                    "block_name": part["block_name"].iloc[0],
                    "similarity": part["similarity"].mean(),
                    "dead_rate": rate(part["dead"]),
                    "null": part["null"].mean(),
                    "images": part["image"].nunique(),
                    "passed": False if False in verdicts else None if None in verdicts else True,
                    "p": part["p"].max(),
                    "decisive": mode == "cascading" and block == group["block"].max(),
                }
            )
    table = pd.DataFrame(lines, columns=GATE).astype({"passed": object})
    order = table.groupby(["method", "layer", "mode"], sort=False).ngroup()
    return table.assign(order=order).sort_values(["order", "block"])[GATE].reset_index(drop=True)


def curve_means(
    curves: pd.DataFrame, replicates: int = REPLICATES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Mean score at each altered share, over images and labels, with its patient-level interval. Columns ``CURVE_MEANS``."""
    keys = ["method", "layer", "baseline", "curve", "output", "share"]
    rounded = curves.assign(
        share=curves["share"].round(6)
    )  # one share, whatever the rounding of the step that made it
    lines = []
    for key, group in _groups(rounded, keys):
        found = mean_interval(
            group["value"], group["patient"].tolist(), replicates=replicates, level=level, seed=seed
        )
        lines.append((*key, found.estimate, found.low, found.high, found.patients))
    return pd.DataFrame(lines, columns=CURVE_MEANS)


def best_median_worst(rows: pd.DataFrame, metric: str | None = None) -> ChosenMaps:
    """The best, median and worst explanation, baselines left out, and the rule in words.

    Args:
        rows: see the module.
        metric: what to go by; None takes average precision over area, else ROAD, else the first metric with a direction, on the
            first of ``SCORES`` measured. A score with ceilings goes by score ÷ ceiling. Equal ones go by name.
    """
    _check(rows)
    chosen = rows[~rows["baseline"].astype(bool)]
    directional = [
        name for name in dict.fromkeys(chosen["metric"]) if about(name).direction != "none"
    ]
    preferred = [name for name in ("average_precision_lift", "road") if name in directional]
    for name in [metric] if metric else [*preferred, *directional]:
        if about(name).direction == "none":
            raise UsageError(
                f"best and worst by {name}",
                "it describes, and has no better end; choose a metric with a direction",
            )
        measured = chosen[(chosen["metric"] == name) & np.isfinite(chosen["value"])]
        if not measured.empty:
            output = preferred_score(measured["output"].unique())
            return _cases(name, output, measured[measured["output"] == output])
    return ChosenMaps("no metric with a direction has a value", ())


def markdown(table: pd.DataFrame, digits: int = 3) -> str:
    """The table in Markdown; numbers to ``digits`` significant digits, a dash where there is none."""

    def cell(value: object) -> str:
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return "–"
        return f"{value:.{digits}g}" if isinstance(value, float) else str(value).replace("|", "\\|")

    lines = [list(table.columns), ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def _check(rows: pd.DataFrame) -> None:
    missing = [name for name in NEEDED if name not in rows]
    if missing:
        raise UsageError(
            f"rows without {', '.join(missing)}", "give the table that the evaluation wrote"
        )
    if (rows["label"] == ALL_LABELS).any():
        raise UsageError(f"a label called {ALL_LABELS!r}", "rename it: the summary uses this name")
    twice = rows.duplicated(ROW)
    if twice.any():
        shown = ", ".join(str(value) for value in rows.loc[twice, ROW].iloc[0] if value != "")
        raise UsageError(
            f"{int(twice.sum())} rows are there twice, such as {shown}",
            "give each image, label and method once",
        )


def _groups(table: pd.DataFrame, keys: list[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Groups in order of appearance; none of an empty table, which need not have columns."""
    if not table.empty:
        yield from table.groupby(keys, sort=False, observed=True, dropna=False)


def _summary_line(
    key: tuple[Hashable, ...], group: pd.DataFrame, replicates: int, level: float, seed: int
) -> dict[str, object]:
    label, method, layer, name, output = key
    known = about(str(name))
    found = mean_interval(
        group["value"], group["patient"].tolist(), replicates=replicates, level=level, seed=seed
    )
    valued = group[np.isfinite(group["value"])]
    bounded = valued[valued["ceiling"] > 0]
    return {
        **{"label": label, "method": method, "layer": layer, "metric": name, "output": output},
        "baseline": bool(group["baseline"].any()),
        **{
            "family": known.family,
            "direction": known.direction,
            "range_low": known.range[0],
            "range_high": known.range[1],
        },
        **vars(found),
        "empty_rate": rate(group["empty"]),
        **{"chance": valued["chance"].mean(), "ceiling": valued["ceiling"].mean()},
        "over_ceiling": (bounded["value"] / bounded["ceiling"]).mean(),
        "synthetic": bool(group["synthetic"].any()),
    }


def _pairs(group: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(first, second, against): each two methods, and each method with each baseline."""
    kinds = dict(zip(group["method"], group["baseline"].astype(bool)))
    chosen, baselines = (
        [name for name, is_baseline in kinds.items() if is_baseline == kind]
        for kind in (False, True)
    )
    between = [(*pair, "method") for pair in combinations(chosen, 2)]
    return between + [(*pair, "baseline") for pair in product(chosen, baselines)]


def _cases(name: str, output: str, rows: pd.DataFrame) -> ChosenMaps:
    direction = about(name).direction
    bounded = rows["ceiling"] > 0
    ranked = rows[bounded] if bounded.any() else rows
    score = ranked["value"] / ranked["ceiling"] if bounded.any() else ranked["value"]
    loss = -score if direction == "higher" else score
    ranked = ranked.assign(loss=loss).sort_values(
        ["loss", "image", "label", "method", "layer"], kind="stable"
    )
    last = len(ranked) - 1
    picked: list[tuple[Literal["best", "median", "worst"], int]] = [
        ("best", 0),
        ("median", last // 2),
        ("worst", last),
    ]
    columns = [
        "image",
        "label",
        "method",
        "layer",
        "metric",
        "output",
        "value",
        "chance",
        "ceiling",
    ]
    records = ranked[columns].to_dict("records")
    found = tuple(ChosenMap(which, *records[place].values()) for which, place in picked)
    quantity = f"{title(name, output)}{' ÷ the ceiling of its grid' if bounded.any() else ''}"
    rule = (
        f"by {quantity}, {direction} is better, among {len(ranked)} explanations (an image, label, method and layer each; "
        f"baselines left out); the median is number {last // 2 + 1}; equal ones go by name"
    )
    return ChosenMaps(rule, found)
