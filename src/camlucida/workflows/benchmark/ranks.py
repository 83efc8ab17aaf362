"""Ranks of methods and baselines, their bootstrap intervals, and the groups that differ.

A rank is over methods and baselines within one metric (ties averaged), then the mean over the
metrics of a family, then over the families: three faithfulness metrics do not outvote one
localisation metric. Intervals resample models, and patients within each model: an order that holds
for one model alone is none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from camlucida.evaluation.maps.row_tables import about, has_own_order, preferred_score
from camlucida.metrics.annotations import Floats

NOT_RANKED = ("fake_cam",)
"""Scored by few metrics alone: no rank over all."""
REPLICATES = 2000
LEVEL = 0.95
"""Of the intervals of ranks; that of all differences together (Bonferroni) for the groups."""
ORDERED_FROM = 0.5
"""Kendall's W of the models' rankings from which an order of the methods is printed. Below, the
models agree less than moderately (Schmidt 1997), and only groups that differ are."""
ROUNDED = 12
"""Decimals of the means that are ranked."""
GAPS = ["first", "second", "difference", "low", "high"]
"""Columns of :func:`rank_gaps`."""


def ranked_by(rows: pd.DataFrame, kept: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """(metric, output) that rank: the measured ones among ``kept``, each on one model output.

    The probability is preferred to the logit. Artefact shares describe where heat lies on films
    whose ground truth lies elsewhere: they pass or fail, and do not rank. Nor does a metric that
    orders methods as another does.
    """
    passed = set(kept)
    outputs: dict[str, list[str]] = {}
    for metric, output in dict.fromkeys(zip(rows["metric"], rows["output"])):
        without_rank = about(metric).family == "artefact" or not has_own_order(metric)
        if (metric, output) in passed and not without_rank:
            outputs.setdefault(metric, []).append(output)
    return [(metric, preferred_score(measured)) for metric, measured in outputs.items()]


def mean_ranks(rows: pd.DataFrame, metrics: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Rank of each method, 1 best: a column a family, and ``rank``, their mean.

    A method without a value of some metric has NaN. A metric without any value here (few films,
    none with both lesions) is left out.
    """
    index = _ranked_methods(rows)
    sums = _Sums.of(rows, metrics, index)
    if not sums.metrics:
        return pd.DataFrame({"rank": np.nan}, index=index)
    ranks = sums.family_ranks(np.ones((1, len(sums.models))))
    table = pd.DataFrame({name: values[0] for name, values in ranks.items()}, index=index)
    return table.assign(rank=table.mean(axis=1, skipna=False))


def rank_replicates(
    rows: pd.DataFrame,
    metrics: Sequence[tuple[str, str]],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean ranks of bootstrap samples: models drawn with replacement, then their patients.

    Args:
        rows: of the main arm, with ``model`` and ``patient``.
        metrics: (metric, output) that rank.
        replicates: number of samples.
        seed: of the draws.

    Returns:
        A row a sample, a column a method or baseline.
    """
    index = _ranked_methods(rows)
    sums = _Sums.of(rows, metrics, index)
    if not sums.metrics:
        return pd.DataFrame(np.empty((0, len(index))), columns=index)
    families = sums.family_ranks(sums.draws(replicates, seed))
    return pd.DataFrame(np.mean(list(families.values()), axis=0), columns=index)


def rank_intervals(samples: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Percentile interval of each method's mean rank: columns ``rank_low`` and ``rank_high``.

    >>> rank_intervals(pd.DataFrame({"a": [1.0, 2.0, 3.0]}), level=0.0)["rank_low"].tolist()
    [2.0]
    """
    tail = (1 - level) / 2
    bounds = samples.quantile([tail, 1 - tail])
    return pd.DataFrame(
        {"rank_low": bounds.iloc[0], "rank_high": bounds.iloc[1]}, index=samples.columns
    )


def rank_gaps(samples: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Difference of the mean ranks of each two methods, with an interval at ``level`` for all pairs
    together (Bonferroni).

    Returns:
        Columns ``GAPS``; where ``high`` is below 0, ``first`` ranks better than ``second``.
    """
    pairs = list(combinations(samples.columns, 2))
    tail = (1 - level) / 2 / max(len(pairs), 1)
    lines = []
    for first, second in pairs:
        gap = (samples[first] - samples[second]).dropna()
        if len(gap):
            low, high = np.quantile(gap, [tail, 1 - tail])
            lines.append((first, second, gap.mean(), low, high))
    return pd.DataFrame(lines, columns=GAPS)


def groups(order: Sequence[str], gaps: pd.DataFrame) -> dict[str, int]:
    """Method → its group, 0 the best.

    A group holds the methods that do not differ from its best one; the first that does begins the
    next group.

    Args:
        order: methods, best mean rank first.
        gaps: of :func:`rank_gaps`.

    >>> gaps = pd.DataFrame([("a", "c", -4.0, -6.0, -2.0)], columns=GAPS)
    >>> groups(["a", "b", "c"], gaps)
    {'a': 0, 'b': 0, 'c': 1}
    """
    differ = {
        frozenset((line["first"], line["second"]))
        for line in gaps.to_dict("records")
        if line["low"] > 0 or line["high"] < 0
    }
    numbers: dict[str, int] = {}
    best, number = "", -1
    for method in order:
        if not best or frozenset((best, method)) in differ:
            best, number = method, number + 1
        numbers[method] = number
    return numbers


def _ranked_methods(rows: pd.DataFrame) -> pd.Index:
    names = [name for name in dict.fromkeys(rows["method"]) if name not in NOT_RANKED]
    index: pd.Index = pd.Index(names, name="method")
    return index


class _Sums:
    """Sums and counts of values by model and patient, from which means of any sample follow.

    Attributes:
        metrics: those with a value here.
        models: the model of each patient.
    """

    def __init__(self, metrics: list[str], models: list[str]) -> None:
        self.metrics = metrics
        self.models = models
        self._sums: dict[str, Floats] = {}
        self._counts: dict[str, Floats] = {}

    @classmethod
    def of(cls, rows: pd.DataFrame, metrics: Sequence[tuple[str, str]], methods: pd.Index) -> _Sums:
        """Those of the rows of ``metrics``."""
        measured = set(zip(rows["metric"], rows["output"]))
        present = [pair for pair in metrics if pair in measured]
        patients = pd.MultiIndex.from_frame(rows[["model", "patient"]].drop_duplicates())
        result = cls([name for name, _ in present], [str(model) for model, _ in patients])
        for name, output in present:
            part = rows[(rows["metric"] == name) & (rows["output"] == output)]
            values = part.groupby(["model", "patient", "method"])["value"]
            for table, store in ((values.sum(), result._sums), (values.count(), result._counts)):
                wide = table.unstack("method").reindex(index=patients, columns=methods)
                store[name] = wide.fillna(0).to_numpy(np.float64)
        return result

    def draws(self, replicates: int, seed: int) -> Floats:
        """(replicates, patients): how often each patient is in each sample."""
        generator = np.random.default_rng(seed)
        names = list(dict.fromkeys(self.models))
        models = np.array(self.models, object)
        members = [np.flatnonzero(models == name) for name in names]
        weights = np.zeros((replicates, len(self.models)))
        for row in weights:
            for number in generator.integers(len(names), size=len(names)):
                patients = members[number]
                drawn = generator.integers(len(patients), size=len(patients))
                np.add.at(row, patients[drawn], 1)
        return weights

    def family_ranks(self, weights: Floats) -> dict[str, Floats]:
        """Family → (samples, methods) mean rank over its metrics."""
        by_family: dict[str, list[Floats]] = {}
        for name in self.metrics:
            counts = weights @ self._counts[name]
            sums = weights @ self._sums[name]
            means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
            # Rounded, so that equal maps tie whatever the order of their sums.
            means = means.round(ROUNDED)
            loss = means if about(name).direction == "lower" else -means
            ranks = rankdata(loss, axis=1, nan_policy="omit")
            by_family.setdefault(about(name).family, []).append(ranks)
        return {family: np.mean(ranks, axis=0) for family, ranks in by_family.items()}
