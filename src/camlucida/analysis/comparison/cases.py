"""The cases of a group of map series, one row an image and label, each with its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.decisions import CaseKey, Kind
from camlucida.analysis.comparison.pairs import Pair
from camlucida.analysis.comparison.series import MapSeries
from camlucida.analysis.comparison.verdict import Rule, SeriesCase

COLUMNS = [
    *(
        "case",
        "group",
        "image",
        "patient",
        "label",
        "all_series",
        "agreement",
        "excess",
        "artefact_ratio",
        "empty",
        "truth",
    ),
    *("correct", "error", "dice", "verdict", "why"),
]
"""Of ``cases``; ``correct``: share of the voices that are right; ``error``, ``dice``: mean of theirs, without sign."""

MAP_COLUMNS = [
    *(
        "case",
        "group",
        "series",
        "run",
        "explanation",
        "image",
        "target",
        "label",
        "said",
        "probability",
        "value",
        "truth",
    ),
    *(
        "true_class",
        "correct",
        "artefact_share",
        "artefact_area",
        "artefact_ratio",
        "excess",
        "empty_reason",
    ),
]
"""Of ``maps``: a row a case and voice; ``run`` and ``explanation`` find its map, ``excess`` is the mean with the others."""

Line = dict[str, Any]
JOINED = " | "
NAN = float("nan")


@dataclass(frozen=True)
class GroupEvidence:
    """All that is known of a group: the map series and their maps' heat, what each two of them share, which are the same."""

    kind: Kind
    all_series: Sequence[MapSeries]
    heat: pd.DataFrame
    pairs: Sequence[Pair]
    same: Mapping[frozenset[str], Mapping[CaseKey, float]]
    """(first, second) → (image, label) → whether they say the same."""
    first_of: Mapping[str, str]
    """Map series → the first with the same maps."""


def judge_cases(heard: GroupEvidence, rule: Rule, start: int) -> tuple[list[Line], list[Line], int]:
    """Rows of ``cases`` and of ``maps``, and how many maps have no counterpart in some map series.

    A case is an image and a target that every map series has a map of. Where classes are predicted and every map series has just one more
    map of the image, these are a case, too: each map series explains its own answer, and the answers differ.

    Args:
        heard: of a group.
        rule: of the verdicts.
        start: number of the first case.
    """
    cases: list[Line] = []
    maps: list[Line] = []
    left = 0
    for image, rows in _by_image(heard).items():
        found, unpaired = _of_image(rows, [series.name for series in heard.all_series], heard.kind)
        left += unpaired
        for of_all_series in found:
            number = start + len(cases)
            lines = [
                _map_row(number, series, of_all_series[series.name], heard)
                for series in heard.all_series
            ]
            maps += lines
            cases.append(_case_row(number, image, lines, heard, rule))
    return cases, maps, left


def _by_image(heard: GroupEvidence) -> dict[str, dict[str, dict[str, Line]]]:
    """Image → target → map series → row of the case table with its heat, images in the order of the first map series."""
    found: dict[str, dict[str, dict[str, Line]]] = {}
    for series in heard.all_series:
        rows = series.rows.join(heard.heat[["artefact_share", "artefact_area"]])
        for line in rows.to_dict("records"):
            found.setdefault(line["image"], {}).setdefault(line["target"], {})[series.name] = {
                str(k): v for k, v in line.items()
            }
    return found


def _of_image(
    targets: Mapping[str, Mapping[str, Line]], names: Sequence[str], kind: Kind
) -> tuple[list[Mapping[str, Line]], int]:
    whole = [rows for rows in targets.values() if len(rows) == len(names)]
    rest = [
        (name, row)
        for rows in targets.values()
        if len(rows) < len(names)
        for name, row in rows.items()
    ]
    if kind == "classes" and sorted(name for name, _ in rest) == sorted(names):
        return [*whole, dict(rest)], 0
    return whole, len(rest)


def _map_row(number: int, series: MapSeries, line: Line, heard: GroupEvidence) -> Line:
    others = [
        pair.excess.get((line["image"], line["target"]), NAN)
        for pair in heard.pairs
        if series.name in (pair.first, pair.second) and not pair.identical
    ]
    share, area = line["artefact_share"], line["artefact_area"]
    return {
        **line,
        "case": number,
        "group": series.group,
        "series": series.name,
        "short": series.short,
        "said": _said(line, heard.kind),
        "artefact_ratio": share / area if area > 0 else NAN,
        "excess": _mean(others),
    }


def _said(row: Line, kind: Kind) -> str:
    if kind == "values":
        return f"{row['value']:.4g}"
    if kind == "regions":
        return ""
    return (
        f"{row['predicted']} ({row['probability']:.2f})"
        if kind == "labels"
        else str(row["predicted"])
    )


def _case_row(
    number: int, image: str, lines: Sequence[Line], heard: GroupEvidence, rule: Rule
) -> Line:
    first = lines[0]
    targets = list(dict.fromkeys(line["target"] for line in lines))
    own = [line for line in lines if heard.first_of[line["series"]] == line["series"]]
    label = "" if heard.kind == "classes" else first["label"]
    names = [line["series"] for line in own]
    same = _mean(
        [
            heard.same.get(frozenset(two), {}).get((image, label), NAN)
            for two in combinations(names, 2)
        ]
    )
    between = {frozenset((pair.first, pair.second)): pair.excess for pair in heard.pairs}
    excess = _mean(
        [
            between[frozenset((a["series"], b["series"]))].get((image, a["target"]), NAN)
            for a, b in combinations(own, 2)
            if a["target"] == b["target"]
        ]
    )
    said = [
        SeriesCase(
            x["short"], x["said"], x["artefact_share"], x["artefact_area"], x["empty_reason"]
        )
        for x in own
    ]
    verdict, why = rule.judge(said, same, excess)
    right = [float(line["correct"]) for line in own if line["correct"] is not None]
    return {
        "case": number,
        "group": first["group"],
        "image": image,
        "patient": first["patient"],
        "label": JOINED.join(targets),
        "all_series": len(own),
        "agreement": same,
        "excess": excess,
        "artefact_ratio": max(
            [x["artefact_ratio"] for x in own if np.isfinite(x["artefact_ratio"])], default=NAN
        ),
        "empty": sum(bool(line["empty_reason"]) for line in own),
        "truth": first["truth"] if len(targets) == 1 else NAN,
        "correct": _mean(right),
        "error": _mean([abs(line["error"]) for line in own]),
        "dice": _mean([line["dice"] for line in own]),
        "verdict": verdict,
        "why": why,
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else NAN
