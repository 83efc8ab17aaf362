"""Map series side by side: what each says and how right it is, whether each two agree, and a verdict on each case."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison import cases as per_case
from camlucida.analysis.comparison import pairs as per_pair
from camlucida.analysis.comparison.cases import GroupEvidence, judge_cases
from camlucida.analysis.comparison.decisions import (
    OTHER_TASK,
    CaseKey,
    Kind,
    SeriesPredictions,
    agreements,
    dice_row,
    headline,
    performance,
)
from camlucida.analysis.comparison.pairs import Pair, compare_pair, distinct, nothing_shared
from camlucida.analysis.comparison.series import (
    Group,
    MapSeries,
    find_groups,
    keys,
    on_shared_images,
)
from camlucida.analysis.comparison.verdict import Rule
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare, prefixed
from camlucida.metrics.score_table import Row, table
from camlucida.metrics.statistics import mean_interval
from camlucida.runs import Run

declare(
    "notes",
    {
        "unfinished": "{failed} items failed, {pending} are pending",
        "other_labels": (
            "{count} {count:|map|maps} of a label that another map series has no map of: "
            "not compared. A target such as “predicted” is another label in each "
            "model: ask for labels by name"
        ),
        "same_maps": "{first} and {second} have the same maps up to a factor: they count as one map series",
        "unmeasured": "heat on artefacts could not be measured for {count} of {maps} maps",
    },
)

NAN = float("nan")

SERIES_COLUMNS = [
    *(
        "group",
        "name",
        "model",
        "architecture",
        "seed",
        "fold",
        "method",
        "layer",
        "grid",
        "images",
        "patients",
        "maps",
        "empty",
    ),
    *(
        "same_as",
        "metric",
        "value",
        "low",
        "high",
        "chance",
        "artefact_share",
        "artefact_low",
        "artefact_high",
        "artefact_area",
    ),
]
"""Of ``all_series``; ``metric`` names the figure whose ``value`` and interval follow, ``same_as`` a map series with the same maps."""


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        by: what varies.
        kind: what the models say.
        map series: one row a map series, :data:`SERIES_COLUMNS`.
        pairs: each two of a group, :data:`~camlucida.analysis.comparison.pairs.COLUMNS`; label "" is all labels together.
        cases: one row an image and label that all map series of a group have, :data:`~camlucida.analysis.comparison.cases.COLUMNS`.
        maps: one row a case and map series, :data:`~camlucida.analysis.comparison.cases.MAP_COLUMNS`.
        performance: every figure of every model, columns of :class:`~camlucida.metrics.score_table.Row`, ``model`` being the map series.
        rule: of the verdicts, in words.
        thresholds: of the rule.
        notes: one line each, for the person who reads the result.
        synthetic: whether any image is.
    """

    by: str
    kind: Kind
    all_series: pd.DataFrame
    pairs: pd.DataFrame
    cases: pd.DataFrame
    maps: pd.DataFrame
    performance: pd.DataFrame
    rule: str
    thresholds: Rule
    notes: tuple[Message, ...]
    synthetic: bool


@dataclass(frozen=True)
class _Found:
    """Of one group."""

    kind: Kind
    all_series: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    cases: list[dict[str, Any]]
    maps: list[dict[str, Any]]
    performance: list[Row]
    notes: list[Message]


def compare(
    runs: Sequence[Run],
    cases: pd.DataFrame,
    heat: pd.DataFrame,
    by: str = "model",
    rule: Rule | None = None,
    progress: Callable[..., object] | None = None,
) -> Comparison:
    """Compare map series that differ in one thing, on the images that all of a group have.

    Groups without a shared image (the folds of a cross-validation) are compared by how right they are and by their heat on
    artefacts alone; a note says so.

    Args:
        runs: one or several.
        cases: their :func:`~camlucida.cases.case_table`, or a choice of its rows.
        heat: :func:`~camlucida.cases.attribution_table` of ``cases``.
        by: what varies, one of :data:`~camlucida.analysis.comparison.series.BY`.
        rule: of the verdicts.
        progress: called with 1 for each pair of map series that is done, and once with their ``total``.

    Raises:
        UsageError: nothing varies in ``by`` alone; the models of a group answer different questions.
    """
    rule, report = rule or Rule(), progress or (lambda done=0, total=None: None)
    groups, notes = find_groups(runs, cases, by)
    notes += [*_unfinished(runs), *_unmeasured(cases, heat)]
    report(0, total=sum(len(g.all_series) * (len(g.all_series) - 1) // 2 for g in groups))
    one_model = by in ("method", "layer")
    found: list[_Found] = []
    for group in groups:
        start = sum(len(part.cases) for part in found)
        found.append(_compare_group(runs, group, heat, rule, one_model, start, report))
    kind = found[0].kind
    if any(part.kind != kind for part in found):
        raise UsageError(*OTHER_TASK)
    rows = pd.concat([series.rows for group in groups for series in group.all_series])
    return Comparison(
        by=by,
        kind=kind,
        all_series=pd.DataFrame(
            [line for part in found for line in part.all_series], columns=SERIES_COLUMNS
        ),
        pairs=pd.DataFrame(
            [line for part in found for line in part.pairs], columns=per_pair.COLUMNS
        ),
        cases=pd.DataFrame(
            [line for part in found for line in part.cases], columns=per_case.COLUMNS
        ),
        maps=pd.DataFrame(
            [line for part in found for line in part.maps], columns=per_case.MAP_COLUMNS
        ),
        performance=table(row for part in found for row in part.performance),
        rule=rule.words(kind, one_model),
        thresholds=rule,
        notes=tuple(dict.fromkeys([*notes, *(note for part in found for note in part.notes)])),
        synthetic=bool(rows["synthetic"].any()),
    )


def _compare_group(
    runs: Sequence[Run],
    group: Group,
    heat: pd.DataFrame,
    rule: Rule,
    one_model: bool,
    start: int,
    report: Callable[..., object],
) -> _Found:
    group, images, notes = on_shared_images(runs, group)
    said = {
        v.name: SeriesPredictions.of(runs[v.run], v.model, images or keys(runs, v.rows))
        for v in group.all_series
    }
    answers = {name: own.only(_labels(group, said)) for name, own in said.items()}
    kind = answers[group.all_series[0].name].kind
    if any(other.kind != kind for other in answers.values()):
        raise UsageError(*OTHER_TASK)
    of_model = {
        series.model_key: performance(answers[series.name])
        for series in {v.model_key: v for v in group.all_series}.values()
    }
    right = {
        series.name: [*of_model[series.model_key], *dice_row(series.rows)]
        for series in group.all_series
    }
    gap = (
        _mean([row.estimate for rows in right.values() if (row := headline(rows, kind))])
        if kind == "values"
        else NAN
    )
    pairs: list[Pair] = []
    same: dict[frozenset[str], Mapping[CaseKey, float]] = {}
    for first, second in combinations(group.all_series, 2):
        agreed, of_cases = (
            ({}, {})
            if one_model or not images
            else agreements(answers[first.name], answers[second.name], gap)
        )
        same[frozenset((first.name, second.name))] = of_cases
        pairs.append(
            compare_pair(runs, first, second, agreed) if images else nothing_shared(first, second)
        )
        report(1)
    first_of = distinct(group.all_series, pairs)
    heard = GroupEvidence(kind, group.all_series, heat, pairs, same, first_of)
    cases, maps, left = judge_cases(heard, rule, start) if images else ([], [], 0)
    return _Found(
        kind=kind,
        all_series=[
            _series_row(v, first_of[v.name], headline(right[v.name], kind), heat)
            for v in group.all_series
        ],
        pairs=[line for pair in pairs for line in pair.rows],
        cases=cases,
        maps=maps,
        performance=[replace(row, model=name) for name, rows in right.items() for row in rows],
        notes=[*notes, *_notes(group, pairs, left)],
    )


def _labels(group: Group, said: Mapping[str, SeriesPredictions]) -> set[str]:
    """Those of which there is a map, as far as every model answers them: a mean over other labels is another figure."""
    mapped = {label for series in group.all_series for label in series.rows["label"]}
    return mapped.intersection(*(own.labels for own in said.values())) or mapped


def _notes(group: Group, pairs: Sequence[Pair], left: int) -> list[Message]:
    found = []
    if left:
        note = Message("notes.other_labels", {"count": left})
        found.append(prefixed(group.name, note) if group.name else note)
    twins = [pair for pair in pairs if pair.identical]
    return found + [
        Message("notes.same_maps", {"first": pair.first, "second": pair.second}) for pair in twins
    ]


def _unfinished(runs: Sequence[Run]) -> list[Message]:
    counts = {
        run.folder.root.name: {key: run.counts[key] for key in ("failed", "pending")}
        for run in runs
    }
    return [
        prefixed(name, Message("notes.unfinished", of_run))
        for name, of_run in counts.items()
        if any(of_run.values())
    ]


def _unmeasured(cases: pd.DataFrame, heat: pd.DataFrame) -> list[Message]:
    missing = int((heat["artefact_share"].isna() & (cases["high"] > 0)).sum())
    return [Message("notes.unmeasured", {"count": missing, "maps": len(cases)})] if missing else []


def _series_row(
    series: MapSeries, first_of: str, figure: Row | None, heat: pd.DataFrame
) -> dict[str, Any]:
    rows = series.rows
    own = heat.loc[rows.index]
    share = mean_interval(own["artefact_share"].to_numpy(np.float64), rows["patient"].tolist())
    area = own["artefact_area"][own["artefact_share"].notna()]
    grids = list(dict.fromkeys("×".join(map(str, grid)) for grid in rows["grid"]))
    return {
        "group": series.group,
        "name": series.name,
        **{
            name: getattr(series, name)
            for name in ("model", "architecture", "seed", "fold", "method", "layer")
        },
        "grid": ", ".join(grids),
        "images": rows["image"].nunique(),
        "patients": rows["patient"].nunique(),
        "maps": len(rows),
        "empty": int((rows["empty_reason"] != "").sum()),
        "same_as": "" if first_of == series.name else first_of,
        "metric": figure.metric if figure else "",
        **{key: getattr(figure, name) if figure else NAN for key, name in _FIGURE.items()},
        "artefact_share": share.estimate,
        "artefact_low": share.low,
        "artefact_high": share.high,
        "artefact_area": float(area.mean()) if len(area) else NAN,
    }


_FIGURE = {"value": "estimate", "low": "low", "high": "high", "chance": "chance"}


def _mean(values: Collection[float]) -> float:
    return float(np.mean(list(values))) if values else NAN
