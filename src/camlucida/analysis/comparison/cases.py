"""The cases of a group of map series, one row an image and label, each with its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.agreement import CaseKey
from camlucida.analysis.comparison.pairs import Pair
from camlucida.analysis.comparison.predictions import Kind
from camlucida.analysis.comparison.series import MapSeries
from camlucida.analysis.comparison.verdict import SeriesCase, VerdictRule
from camlucida.core.messages import Message, Value, declare, named

declare(
    "predictions",
    {
        "label": "{decision} ({probability:p})",
        "value": "{value:.4g}",
    },
)

COLUMNS = [
    "case",
    "group",
    "image",
    "patient",
    "label",
    "series_count",
    "agreement",
    "excess",
    "artefact_ratio",
    "empty",
    "truth",
    "correct",
    "error",
    "dice",
    "verdict",
    "reason_code",
]
"""Of the table of cases. ``series_count``: map series with maps of their own; ``empty``: those
without evidence; ``correct``: share of them whose prediction is correct; ``error``, ``dice``: their
mean, without sign; ``verdict``: a code; ``reason_code``: a message, see
:meth:`~camlucida.core.messages.Message.loads`."""

MAP_COLUMNS = [
    "case",
    "group",
    "series",
    "run",
    "explanation",
    "image",
    "target",
    "label",
    "predicted",
    "probability",
    "value",
    "truth",
    "true_class",
    "correct",
    "artefact_share",
    "artefact_area",
    "artefact_ratio",
    "excess",
    "empty_reason_code",
]
"""Of the table of maps, a row a case and map series. ``run`` and ``explanation`` find the map;
``excess`` is its mean with the others; ``empty_reason_code`` is a message, "" with evidence."""

JOINED = " | "
NAN = float("nan")
Line = dict[str, Any]
Targets = dict[str, dict[str, Line]]
"""Target → map series → row of the case table."""


@dataclass(frozen=True)
class GroupEvidence:
    """What the cases of a group are judged by.

    Attributes:
        kind: what the models predict.
        all_series: the map series.
        heat: attribution table of their maps.
        pairs: each two map series compared.
        agreements: names of two map series → case → whether their predictions agree (1, 0, NaN).
        first_of: map series → the first with the same maps.
    """

    kind: Kind
    all_series: Sequence[MapSeries]
    heat: pd.DataFrame
    pairs: Sequence[Pair]
    agreements: Mapping[frozenset[str], Mapping[CaseKey, float]]
    first_of: Mapping[str, str]


@dataclass(frozen=True)
class JudgedCases:
    """Rows of the tables of cases and maps, and the number of maps without a counterpart."""

    cases: list[Line]
    maps: list[Line]
    unpaired: int


def judge_cases(evidence: GroupEvidence, rule: VerdictRule, start: int) -> JudgedCases:
    """Find the cases of a group and judge each.

    A case is an image and a target of which every map series has a map. Where classes are predicted
    and every map series has just one more map of the image, these are a case, too: each map series
    explains its own class, and the classes differ.

    Args:
        evidence: of a group.
        rule: of the verdicts.
        start: number of the first case.
    """
    cases: list[Line] = []
    maps: list[Line] = []
    unpaired = 0
    for image, targets in _by_image(evidence).items():
        complete, left_over = _complete(targets, evidence)
        unpaired += left_over
        for rows in complete:
            number = start + len(cases)
            lines = [
                _map_row(number, series, rows[series.name], evidence)
                for series in evidence.all_series
            ]
            maps += lines
            cases.append(_case_row(number, image, lines, evidence, rule))
    return JudgedCases(cases, maps, unpaired)


def prediction_of(row: Mapping[str, Any], kind: Kind) -> Message | None:
    """The prediction in a row of the table of maps; None for a region.

    >>> row = {"predicted": "positive", "probability": 0.9}
    >>> str(prediction_of(row, "labels"))
    'positive (0.900)'
    """
    if kind == "values":
        return Message("predictions.value", {"value": float(row["value"])})
    if kind == "labels":
        values: dict[str, Value] = {"decision": str(row["predicted"])}
        values["probability"] = float(row["probability"])
        return Message("predictions.label", values)
    return named(str(row["predicted"])) if kind == "classes" else None


def _by_image(evidence: GroupEvidence) -> dict[str, Targets]:
    """Image → its rows of the case table with their heat, in the order of the first map series."""
    images: dict[str, Targets] = {}
    for series in evidence.all_series:
        rows = series.rows.join(evidence.heat[["artefact_share", "artefact_area"]])
        for record in rows.to_dict("records"):
            line = {str(name): value for name, value in record.items()}
            targets = images.setdefault(line["image"], {})
            targets.setdefault(line["target"], {})[series.name] = line
    return images


def _complete(targets: Targets, evidence: GroupEvidence) -> tuple[list[Mapping[str, Line]], int]:
    """Cases of an image, map series → row, and the number of maps that belong to none."""
    names = [series.name for series in evidence.all_series]
    complete: list[Mapping[str, Line]] = []
    rest: list[tuple[str, Line]] = []
    for rows in targets.values():
        if len(rows) == len(names):
            complete.append(rows)
        else:
            rest += rows.items()
    if evidence.kind == "classes" and sorted(name for name, _ in rest) == sorted(names):
        return [*complete, dict(rest)], 0
    return complete, len(rest)


def _map_row(number: int, series: MapSeries, line: Line, evidence: GroupEvidence) -> Line:
    key = (line["image"], line["target"])
    others = [
        pair.excess.get(key, NAN)
        for pair in evidence.pairs
        if series.name in (pair.first, pair.second) and not pair.identical
    ]
    share, area = line["artefact_share"], line["artefact_area"]
    return {
        **line,
        "case": number,
        "group": series.group,
        "series": series.name,
        "short": series.short,
        "artefact_ratio": share / area if area > 0 else NAN,
        "excess": _mean(others),
        "empty_reason_code": line["empty_reason"],
    }


def _case_row(
    number: int, image: str, lines: Sequence[Line], evidence: GroupEvidence, rule: VerdictRule
) -> Line:
    first = lines[0]
    targets = list(dict.fromkeys(line["target"] for line in lines))
    # Map series with the same maps are one: they neither agree nor disagree.
    distinct = [line for line in lines if evidence.first_of[line["series"]] == line["series"]]
    label = "" if evidence.kind == "classes" else first["label"]
    agreement = _mean(list(_agreements(distinct, (image, label), evidence)))
    excess = _mean(list(_excesses(distinct, image, evidence)))
    verdict, reason = rule.judge(
        [_series_case(line, evidence.kind) for line in distinct], agreement, excess
    )
    ratios = [line["artefact_ratio"] for line in distinct]
    return {
        "case": number,
        "group": first["group"],
        "image": image,
        "patient": first["patient"],
        "label": JOINED.join(targets),
        "series_count": len(distinct),
        "agreement": agreement,
        "excess": excess,
        "artefact_ratio": max((r for r in ratios if np.isfinite(r)), default=NAN),
        "empty": sum(bool(line["empty_reason"]) for line in distinct),
        "truth": first["truth"] if len(targets) == 1 else NAN,
        "correct": _mean([float(x["correct"]) for x in distinct if x["correct"] is not None]),
        "error": _mean([abs(line["error"]) for line in distinct]),
        "dice": _mean([line["dice"] for line in distinct]),
        "verdict": verdict,
        "reason_code": reason.dumps(),
    }


def _series_case(line: Line, kind: Kind) -> SeriesCase:
    return SeriesCase(
        name=line["short"],
        prediction=prediction_of(line, kind),
        share=line["artefact_share"],
        area=line["artefact_area"],
        empty_reason=Message.loads(line["empty_reason"]) if line["empty_reason"] else None,
    )


def _agreements(lines: Sequence[Line], case: CaseKey, evidence: GroupEvidence) -> Iterator[float]:
    """Whether the predictions of each two map series agree on a case."""
    for first, second in combinations(lines, 2):
        names = frozenset((first["series"], second["series"]))
        yield evidence.agreements.get(names, {}).get(case, NAN)


def _excesses(lines: Sequence[Line], image: str, evidence: GroupEvidence) -> Iterator[float]:
    """Excess similarity of each two maps of one target."""
    between = {frozenset((pair.first, pair.second)): pair.excess for pair in evidence.pairs}
    for first, second in combinations(lines, 2):
        if first["target"] == second["target"]:
            names = frozenset((first["series"], second["series"]))
            yield between[names].get((image, first["target"]), NAN)


def _mean(values: Sequence[float]) -> float:
    """Of those that are known."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else NAN
