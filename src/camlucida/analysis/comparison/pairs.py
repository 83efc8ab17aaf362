"""Each two map series of a group: do they say the same, and do their maps look at the same place?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.attention import MapSimilarity, map_similarity, stored_maps
from camlucida.analysis.comparison.decisions import Agreement
from camlucida.analysis.comparison.series import MapSeries
from camlucida.metrics.annotations import Floats
from camlucida.metrics.statistics import excess, mean_interval
from camlucida.runs import Run

COLUMNS = [
    *(
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
    ),
    *(
        "correlation",
        "correlation_low",
        "correlation_high",
        "maps",
        "dead",
        "similarity",
        "null",
        "null_pairs",
        "excess",
    ),
    *("excess_low", "excess_high", "top5_iou", "top5_null", "identical"),
]
"""Of ``pairs``."""

ENOUGH = 50
"""Pairs of maps of different patients that a label's own null needs; with fewer it takes that of all labels together."""

NAN = float("nan")
CaseKey = tuple[str, str]
"""Image and target."""


@dataclass(frozen=True)
class Pair:
    """Two map series.

    Attributes:
        first, second: their names.
        rows: of the table of pairs: all labels together (label ""), then, where there are several, each.
        excess: (image, target) → excess similarity of the two maps; NaN where it has none.
        identical: the maps are the same up to a factor: one map series under two names.
    """

    first: str
    second: str
    rows: list[dict[str, Any]]
    excess: Mapping[CaseKey, float]
    identical: bool


def compare_pair(
    runs: Sequence[Run], first: MapSeries, second: MapSeries, said: Mapping[str, Agreement]
) -> Pair:
    """All numbers of two map series.

    Args:
        runs: theirs.
        first, second: with rows of the images that are compared.
        said: how far they say the same, by label, "" for all; empty for map series of one model.
    """
    both = first.rows.merge(
        second.rows[["image", "target", "explanation"]], on=["image", "target"], suffixes=("", "_2")
    )
    found: dict[str, tuple[pd.DataFrame, MapSimilarity]] = {}
    for target, rows in both.groupby("target", sort=False):
        others = rows.drop(columns="explanation").rename(columns={"explanation_2": "explanation"})
        ones, twos = stored_maps(runs[first.run], rows), stored_maps(runs[second.run], others)
        found[str(target)] = rows, map_similarity(ones, twos, rows["patient"].tolist())
    parts = {
        target: _Part.of(rows, own, [other for _, other in found.values()])
        for target, (rows, own) in found.items()
    }
    flags = [own.identical for _, own in found.values() if own.identical is not None]
    identical = bool(flags) and all(flags)
    about = {
        "group": first.group,
        "first": first.name,
        "second": second.name,
        "identical": identical,
    }
    lines = [_row("", list(parts.values()), said.get(""))]
    if len(parts) > 1:
        lines += [
            _row(target, [part], said.get(part.rows["label"].iloc[0]))
            for target, part in parts.items()
        ]
    excess = {
        (image, target): value
        for target, part in parts.items()
        for image, value in zip(part.rows["image"], part.excess.tolist())
    }
    return Pair(first.name, second.name, [about | line for line in lines], excess, identical)


@dataclass(frozen=True)
class _Part:
    """The cases of one target, with the nulls that they are measured against."""

    rows: pd.DataFrame
    alike: MapSimilarity
    null: float
    null_pairs: int
    top_null: float

    @classmethod
    def of(
        cls, rows: pd.DataFrame, own: MapSimilarity, everything: Sequence[MapSimilarity]
    ) -> _Part:
        """With the null of the target itself, or where that rests on too few pairs, of all targets."""
        enough = len(own.nulls) >= ENOUGH
        nulls = own.nulls if enough else _joined([other.nulls for other in everything])
        tops = own.top_nulls if enough else _joined([other.top_nulls for other in everything])
        return cls(rows, own, _mean(nulls), len(nulls), _mean(tops))

    @property
    def excess(self) -> Floats:
        """(cases,) similarity beyond the null."""
        return np.array(
            [excess(similarity, self.null) for similarity in self.alike.similarity], np.float64
        )


def nothing_shared(first: MapSeries, second: MapSeries) -> Pair:
    """Two map series without a common image."""
    about = {"group": first.group, "first": first.name, "second": second.name, "identical": False}
    return Pair(first.name, second.name, [about | _row("", [], None)], {}, False)


def distinct(all_series: Sequence[MapSeries], pairs: Sequence[Pair]) -> dict[str, str]:
    """Map series → the first map series whose maps are the same as its own, itself if there is none before."""
    same = {frozenset((pair.first, pair.second)) for pair in pairs if pair.identical}
    found: dict[str, str] = {}
    for series in all_series:
        found[series.name] = next(
            (other for other in found if frozenset((other, series.name)) in same), series.name
        )
    return {name: found[other] for name, other in found.items()}


def _row(label: str, parts: Sequence[_Part], said: Agreement | None) -> dict[str, Any]:
    """A line of the table; over several labels a null is the mean of theirs, each as often as it has cases."""
    said = said or Agreement(NAN, NAN, NAN)
    similarity, top = (
        _joined([getattr(part.alike, name) for part in parts]) for name in ("similarity", "top")
    )
    patients = [patient for part in parts for patient in part.rows["patient"]]
    interval = mean_interval(_joined([part.excess for part in parts]), patients)
    nulls, tops = (
        _joined([np.full(len(p.rows), getattr(p, name)) for p in parts])
        for name in ("null", "top_null")
    )
    return {
        "label": label,
        "n": said.n,
        "agreement": said.estimate,
        "agreement_low": said.low,
        "agreement_high": said.high,
        "agreement_chance": said.chance,
        "kappa": said.kappa,
        "correlation": said.correlation,
        "correlation_low": said.correlation_low,
        "correlation_high": said.correlation_high,
        "maps": len(similarity),
        "dead": int(np.isnan(similarity).sum()),
        "similarity": _mean(similarity),
        "null": _mean(nulls[np.isfinite(similarity)]),
        "null_pairs": sum(len(part.alike.nulls) for part in parts)
        if not label
        else parts[0].null_pairs,
        "excess": interval.estimate,
        "excess_low": interval.low,
        "excess_high": interval.high,
        "top5_iou": _mean(top),
        "top5_null": _mean(tops[np.isfinite(top)]),
    }


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else NAN
