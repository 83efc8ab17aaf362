"""Each two voices of a group: do they say the same, and do their maps look at the same place?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from camlucida.comparison.attention import Alike, alike, stored_maps
from camlucida.comparison.decisions import Agreement
from camlucida.comparison.voices import Voice
from camlucida.metrics.annotations import Floats
from camlucida.metrics.statistics import mean_interval
from camlucida.runs import Run

COLUMNS = [
    *("group", "first", "second", "label", "n", "agreement", "agreement_low", "agreement_high", "agreement_chance", "kappa"),
    *("correlation", "correlation_low", "correlation_high", "maps", "dead", "similarity", "null", "null_pairs", "excess"),
    *("excess_low", "excess_high", "top5_iou", "top5_null", "identical"),
]
"""Of ``pairs``."""

NAN = float("nan")
CaseKey = tuple[str, str]
"""Image and target."""


@dataclass(frozen=True)
class Pair:
    """Two voices.

    Attributes:
        first, second: their names.
        rows: of the table of pairs: all labels together (label ""), then, where there are several, each.
        excess: (image, target) → excess similarity of the two maps; NaN where it has none.
        identical: the maps are the same up to a factor: one voice under two names.
    """

    first: str
    second: str
    rows: list[dict[str, Any]]
    excess: Mapping[CaseKey, float]
    identical: bool


def compare_pair(runs: Sequence[Run], first: Voice, second: Voice, said: Mapping[str, Agreement]) -> Pair:
    """All numbers of two voices.

    Args:
        runs: theirs.
        first, second: with rows of the images that are compared.
        said: how far they say the same, by label, "" for all; empty for voices of one model.
    """
    both = first.rows.merge(second.rows[["image", "target", "explanation"]], on=["image", "target"], suffixes=("", "_2"))
    parts: dict[str, tuple[pd.DataFrame, Alike]] = {}
    for target, rows in both.groupby("target", sort=False):
        others = rows.drop(columns="explanation").rename(columns={"explanation_2": "explanation"})
        ones, twos = stored_maps(runs[first.run], rows), stored_maps(runs[second.run], others)
        parts[str(target)] = rows, alike(ones, twos, rows["patient"].tolist())
    flags = [found.identical for _, found in parts.values() if found.identical is not None]
    identical = bool(flags) and all(flags)
    about = {"group": first.group, "first": first.name, "second": second.name, "identical": identical}
    lines = [_row("", list(parts.values()), said.get(""))]
    if len(parts) > 1:
        lines += [_row(target, [part], said.get(part[0]["label"].iloc[0])) for target, part in parts.items()]
    excess = {
        (image, target): value
        for target, (rows, found) in parts.items()
        for image, value in zip(rows["image"], found.excess.tolist())
    }
    return Pair(first.name, second.name, [about | line for line in lines], excess, identical)


def nothing_shared(first: Voice, second: Voice) -> Pair:
    """Two voices without a common image."""
    about = {"group": first.group, "first": first.name, "second": second.name, "identical": False}
    return Pair(first.name, second.name, [about | _row("", [], None)], {}, False)


def distinct(voices: Sequence[Voice], pairs: Sequence[Pair]) -> dict[str, str]:
    """Voice → the first voice whose maps are the same as its own, itself if there is none before."""
    same = {frozenset((pair.first, pair.second)) for pair in pairs if pair.identical}
    found: dict[str, str] = {}
    for voice in voices:
        found[voice.name] = next((other for other in found if frozenset((other, voice.name)) in same), voice.name)
    return {name: found[other] for name, other in found.items()}


def _row(label: str, parts: Sequence[tuple[pd.DataFrame, Alike]], said: Agreement | None) -> dict[str, Any]:
    """A line of the table; over several labels a null is the mean of theirs, each as often as it has cases."""
    said = said or Agreement(NAN, NAN, NAN)
    similarity, beyond, top = (_joined([getattr(found, name) for _, found in parts]) for name in ("similarity", "excess", "top"))
    patients = [patient for rows, _ in parts for patient in rows["patient"]]
    interval = mean_interval(beyond, patients)
    sizes = [np.full(len(rows), value) for rows, found in parts for value in [found.null]]
    tops = [np.full(len(rows), found.top_null) for rows, found in parts]
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
        "null": _mean(_joined(sizes)[np.isfinite(similarity)]),
        "null_pairs": sum(found.null_pairs for _, found in parts),
        "excess": interval.estimate,
        "excess_low": interval.low,
        "excess_high": interval.high,
        "top5_iou": _mean(top),
        "top5_null": _mean(_joined(tops)[np.isfinite(top)]),
    }


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else NAN
