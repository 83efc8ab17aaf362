"""Cases on which map series disagree, ranked, each with the kind of its disagreement."""

from __future__ import annotations

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.verdict import ARTEFACT, REVIEW
from camlucida.core.messages import Message, declare

declare(
    "disagreement",
    {
        "class": "another prediction",
        "artefact": "heat on artefacts",
        "no_evidence": "a map without evidence",
        "place": "another place",
        "rule": (
            "Images to look at first, {shown} of {cases} cases that are not consistent: those with "
            "different predictions, then heat on artefacts, then a map without evidence, then "
            "heat in another place; within each kind the least similar maps first."
        ),
        "none": "Of {cases} cases, all are consistent by this rule.",
        "rank": "rank",
        "image": "image",
        "kind": "what differs",
        "reason": "reason",
    },
)

KINDS = ("class", "artefact", "no_evidence", "place")
"""What differs, in the order in which cases are looked at."""

COLUMNS = ["rank", "image", "label", "kind", "agreement", "excess", "artefact_ratio", "reason_code"]


def ranked_disagreements(comparison: Comparison) -> pd.DataFrame:
    """The cases that are not consistent, the first to be looked at first.

    Args:
        comparison: of map series.

    Returns:
        Columns :data:`COLUMNS`; ``kind`` is one of :data:`KINDS`, and ``reason_code`` a message.
    """
    cases = comparison.cases
    if cases.empty:
        return pd.DataFrame(columns=COLUMNS)
    cases = cases[cases["verdict"].isin([ARTEFACT, REVIEW])]
    kinds = [
        disagreement_kind(verdict, agreement, empty)
        for verdict, agreement, empty in zip(cases["verdict"], cases["agreement"], cases["empty"])
    ]
    ranked = cases.assign(kind=kinds, order=[KINDS.index(kind) for kind in kinds])
    ranked = ranked.sort_values(["order", "agreement", "excess", "image"], kind="stable")
    ranked["rank"] = np.arange(1, len(ranked) + 1)
    return ranked[COLUMNS].reset_index(drop=True)


def disagreement_kind(verdict: str, agreement: float, empty: int) -> str:
    """What map series differ in, one of :data:`KINDS`.

    Args:
        verdict: of the case.
        agreement: share of pairs with the same prediction; NaN where it is unknown.
        empty: maps without evidence.

    >>> disagreement_kind("artefact", 0.5, 0), disagreement_kind("review", 1.0, 0)
    ('class', 'place')
    """
    if agreement < 1:
        return "class"
    if verdict == ARTEFACT:
        return "artefact"
    return "no_evidence" if empty else "place"


def look_first(ranked: pd.DataFrame, cases: int, most: int) -> Message:
    """How the first rows were chosen, or that there are none.

    Args:
        ranked: of :func:`ranked_disagreements`.
        cases: of the comparison.
        most: rows that are shown.
    """
    if ranked.empty:
        return Message("disagreement.none", {"cases": cases})
    return Message("disagreement.rule", {"shown": min(most, len(ranked)), "cases": len(ranked)})
