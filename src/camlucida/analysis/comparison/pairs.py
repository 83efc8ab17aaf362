"""Each two map series of a group: do their predictions and their maps agree?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.agreement import ALL_LABELS, PredictionAgreement
from camlucida.analysis.comparison.attention import MapSimilarity, map_similarity, stored_maps
from camlucida.analysis.comparison.series import MapSeries
from camlucida.metrics.annotations import Floats
from camlucida.metrics.statistics import excess, mean_interval
from camlucida.runs import Run

COLUMNS = [
    "group",
    "first",
    "second",
    "label",
    "n",
    "agreement",
    "agreement_low",
    "agreement_high",
    "agreement_chance",
    "kappa",
    "correlation",
    "correlation_low",
    "correlation_high",
    "maps",
    "dead",
    "similarity",
    "null",
    "null_pairs",
    "excess",
    "excess_low",
    "excess_high",
    "top5_iou",
    "top5_null",
    "identical",
]
"""Of the table of pairs. ``dead``: pairs of maps without a similarity."""

ENOUGH = 50
"""Pairs of maps of different patients that a null of one label needs. With fewer, the null is that
of all labels together."""

NAN = float("nan")
MapKey = tuple[str, str]
"""Image and target."""


@dataclass(frozen=True)
class Pair:
    """Two map series.

    Attributes:
        first, second: their names.
        rows: of the table of pairs: all labels together (label ""), then, where there are two or
            more, each.
        excess: (image, target) → excess similarity of the two maps; NaN where it has none.
        identical: the maps are the same up to a factor: one map series under two names.
    """

    first: str
    second: str
    rows: list[dict[str, Any]]
    excess: Mapping[MapKey, float]
    identical: bool


@dataclass(frozen=True)
class _TargetPairs:
    """The pairs of maps of one target, with the nulls that they are measured against.

    Attributes:
        rows: of the case table, of the first map series.
        similarity: of the maps.
        null, top_null: mean similarity, and mean overlap of the hottest cells, of maps of
            different patients.
        null_pairs: pairs of maps behind ``null``.
    """

    rows: pd.DataFrame
    similarity: MapSimilarity
    null: float
    null_pairs: int
    top_null: float

    @property
    def excess(self) -> Floats:
        """(cases,) similarity beyond the null."""
        values = [excess(similarity, self.null) for similarity in self.similarity.similarity]
        return np.array(values, np.float64)


def compare_pair(
    runs: Sequence[Run],
    first: MapSeries,
    second: MapSeries,
    agreements: Mapping[str, PredictionAgreement],
) -> Pair:
    """All numbers of two map series.

    Args:
        runs: theirs.
        first, second: with rows of the images that are compared.
        agreements: of their predictions, by label, "" for all; empty for map series of one model.
    """
    parts = _by_target(runs, first, second)
    flags = [part.similarity.identical for part in parts.values()]
    # None: maps that are all zero say nothing about being the same.
    decided = [flag for flag in flags if flag is not None]
    identical = bool(decided) and all(decided)
    lines = [_row(ALL_LABELS, list(parts.values()), agreements.get(ALL_LABELS))]
    if len(parts) > 1:
        for target, part in parts.items():
            lines.append(_row(target, [part], agreements.get(part.rows["label"].iloc[0])))
    excesses: dict[MapKey, float] = {}
    for target, part in parts.items():
        keys = [(image, target) for image in part.rows["image"]]
        excesses |= dict(zip(keys, part.excess.tolist()))
    about = _about(first, second, identical)
    return Pair(first.name, second.name, [about | line for line in lines], excesses, identical)


def nothing_shared(first: MapSeries, second: MapSeries) -> Pair:
    """Two map series without a common image."""
    line = _about(first, second, False) | _row(ALL_LABELS, [], None)
    return Pair(first.name, second.name, [line], {}, False)


def distinct(all_series: Sequence[MapSeries], pairs: Sequence[Pair]) -> dict[str, str]:
    """Map series → the first map series that has the same maps, which may be itself."""
    same = {frozenset((pair.first, pair.second)) for pair in pairs if pair.identical}
    first_of: dict[str, str] = {}
    for series in all_series:
        twins = (other for other in first_of if frozenset((other, series.name)) in same)
        first_of[series.name] = next(twins, series.name)
    return {name: first_of[other] for name, other in first_of.items()}


def _by_target(runs: Sequence[Run], first: MapSeries, second: MapSeries) -> dict[str, _TargetPairs]:
    keys = ["image", "target"]
    other = second.rows[[*keys, "explanation"]]
    both = first.rows.merge(other, on=keys, suffixes=("", "_2"))
    rows_of: dict[str, pd.DataFrame] = {}
    similarities: dict[str, MapSimilarity] = {}
    for target, rows in both.groupby("target", sort=False):
        others = rows.drop(columns="explanation").rename(columns={"explanation_2": "explanation"})
        maps = stored_maps(runs[first.run], rows), stored_maps(runs[second.run], others)
        rows_of[str(target)] = rows
        similarities[str(target)] = map_similarity(*maps, rows["patient"].tolist())
    together = list(similarities.values())
    return {
        target: _with_null(rows_of[target], similarity, together)
        for target, similarity in similarities.items()
    }


def _with_null(
    rows: pd.DataFrame, similarity: MapSimilarity, together: Sequence[MapSimilarity]
) -> _TargetPairs:
    """With the null of the target, or of all targets where that would rest on too few pairs."""
    sources = [similarity] if len(similarity.nulls) >= ENOUGH else together
    nulls = _joined([source.nulls for source in sources])
    top_nulls = _joined([source.top_nulls for source in sources])
    return _TargetPairs(rows, similarity, _mean(nulls), len(nulls), _mean(top_nulls))


def _about(first: MapSeries, second: MapSeries, identical: bool) -> dict[str, Any]:
    names = {"group": first.group, "first": first.name, "second": second.name}
    return {**names, "identical": identical}


def _row(
    label: str, parts: Sequence[_TargetPairs], agreement: PredictionAgreement | None
) -> dict[str, Any]:
    """A line of the table; over all labels a null is the mean of theirs, weighted by cases."""
    agreement = agreement or PredictionAgreement(NAN, NAN, NAN)
    similarity = _joined([part.similarity.similarity for part in parts])
    top = _joined([part.similarity.top for part in parts])
    nulls = _joined([np.full(len(part.rows), part.null) for part in parts])
    top_nulls = _joined([np.full(len(part.rows), part.top_null) for part in parts])
    patients: list[str] = []
    for part in parts:
        patients += part.rows["patient"].tolist()
    interval = mean_interval(_joined([part.excess for part in parts]), patients)
    pairs_of_all = sum(len(part.similarity.nulls) for part in parts)
    return {
        "label": label,
        "n": agreement.n,
        "agreement": agreement.estimate,
        "agreement_low": agreement.low,
        "agreement_high": agreement.high,
        "agreement_chance": agreement.chance,
        "kappa": agreement.kappa,
        "correlation": agreement.correlation,
        "correlation_low": agreement.correlation_low,
        "correlation_high": agreement.correlation_high,
        "maps": len(similarity),
        "dead": int(np.isnan(similarity).sum()),
        "similarity": _mean(similarity),
        "null": _mean(nulls[np.isfinite(similarity)]),
        "null_pairs": parts[0].null_pairs if label else pairs_of_all,
        "excess": interval.estimate,
        "excess_low": interval.low,
        "excess_high": interval.high,
        "top5_iou": _mean(top),
        "top5_null": _mean(top_nulls[np.isfinite(top)]),
    }


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _mean(values: Floats) -> float:
    """Of those that are known."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else NAN
