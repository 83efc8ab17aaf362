"""What the numbers of a comparison do not show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from camlucida.analysis.cases.outcomes import POSITIVE
from camlucida.analysis.comparison.agreement import ALL_LABELS
from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.verdict import ARTEFACT, CONSISTENT
from camlucida.core.messages import Message, declare
from camlucida.metrics.bootstrap import MIN_POSITIVES

declare(
    "comparison_limits",
    {
        "intervals": "Intervals are by patient, of whom there are {patients}.",
        "no_intervals": (
            "Intervals are by patient, of whom there are {patients}: under {needed} patients "
            "none is given."
        ),
        "range": "{fewest} to {most}, by map series",
        "null": (
            "Maps of different patients are alike, too: r {low:.2f} to {high:.2f} on average, by "
            "pair of map series. Only what exceeds that counts as agreement, and the null itself "
            "is estimated from these images."
        ),
        "dead": (
            "{dead} of {maps} compared pairs of maps have no similarity: one of the two maps is "
            "constant, or their models saw too little of the image in common."
        ),
        "artefact": (
            "Heat on artefacts is {low:.2f} to {high:.2f} by map series; the chance level is "
            "{area:.2f}. Little of it does not prove that no shortcut is used: one may lie inside "
            "the body. Text and body are found by simple rules."
        ),
        "denied": (
            "{denied} of {marked} verdicts “artefact” rest on map series that do not call the "
            "label positive. Their maps hold what little speaks for it, and where that lies says "
            "little about how the model decides."
        ),
        "wrong": (
            "Of {judged} consistent cases with a ground truth, {wrong} {wrong:|has|have} at least "
            "one map series whose prediction is wrong."
        ),
    },
)


def limits(comparison: Comparison) -> list[Message]:
    """Sentences, each with a number of this comparison."""
    messages = [*_of_patients(comparison), *_of_similarity(comparison)]
    if len(comparison.cases):
        messages += [*_of_artefacts(comparison), *_of_agreement(comparison)]
    return messages


def _of_patients(comparison: Comparison) -> Iterator[Message]:
    counts = comparison.all_series["patients"]
    fewest, most = int(counts.min()), int(counts.max())
    patients: Message | int = most
    if fewest != most:
        patients = Message("comparison_limits.range", {"fewest": fewest, "most": most})
    if fewest < MIN_POSITIVES:
        values = {"patients": patients, "needed": MIN_POSITIVES}
        yield Message("comparison_limits.no_intervals", values)
    else:
        yield Message("comparison_limits.intervals", {"patients": patients})


def _of_similarity(comparison: Comparison) -> Iterator[Message]:
    pairs = comparison.pairs[comparison.pairs["label"] == ALL_LABELS]
    nulls = pairs["null"].dropna()
    if len(nulls):
        values = {"low": float(nulls.min()), "high": float(nulls.max())}
        yield Message("comparison_limits.null", values)
    dead, maps = int(pairs["dead"].sum()), int(pairs["maps"].sum())
    if dead:
        yield Message("comparison_limits.dead", {"dead": dead, "maps": maps})


def _of_artefacts(comparison: Comparison) -> Iterator[Message]:
    measured = comparison.all_series[comparison.all_series["artefact_share"].notna()]
    if len(measured):
        shares, areas = measured["artefact_share"], measured["artefact_area"]
        ends = {"low": float(shares.min()), "high": float(shares.max())}
        yield Message("comparison_limits.artefact", {**ends, "area": float(areas.mean())})
    denied = _denied(comparison)
    if denied:
        marked = int((comparison.cases["verdict"] == ARTEFACT).sum())
        yield Message("comparison_limits.denied", {"denied": denied, "marked": marked})


def _of_agreement(comparison: Comparison) -> Iterator[Message]:
    consistent = comparison.cases[comparison.cases["verdict"] == CONSISTENT]
    judged = int(consistent["correct"].notna().sum())
    if judged:
        wrong = int((consistent["correct"] < 1).sum())
        yield Message("comparison_limits.wrong", {"judged": judged, "wrong": wrong})


def _denied(comparison: Comparison) -> int:
    """Cases with heat on artefacts only in map series that do not call the label positive."""
    if comparison.kind != "labels":
        return 0
    maps = comparison.maps
    heat = zip(maps["artefact_share"], maps["artefact_area"])
    counts = [comparison.thresholds.on_artefacts(share, area) for share, area in heat]
    marked = maps[np.array(counts, bool)]
    positive = (marked["predicted"] == POSITIVE).groupby(marked["case"]).any()
    cases = comparison.cases["case"][comparison.cases["verdict"] == ARTEFACT]
    return int((~positive.reindex(cases).astype(bool)).sum())
