"""Map series side by side: how right each is, how far two agree, and a verdict on each case."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison import cases as per_case
from camlucida.analysis.comparison import pairs as per_pair
from camlucida.analysis.comparison.agreement import CaseKey, PredictionAgreement, agreements
from camlucida.analysis.comparison.aucs import auc_rows, auc_table
from camlucida.analysis.comparison.cases import GroupEvidence, JudgedCases, judge_cases
from camlucida.analysis.comparison.pairs import Pair, compare_pair, distinct, nothing_shared
from camlucida.analysis.comparison.predictions import (
    OTHER_TASK,
    Kind,
    SeriesPredictions,
    dice_row,
    headline,
    performance,
)
from camlucida.analysis.comparison.series import (
    ImageKey,
    MapSeries,
    SeriesGroup,
    find_groups,
    image_keys,
    on_shared_images,
)
from camlucida.analysis.comparison.verdict import VerdictRule
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
        "same_maps": (
            "{first} and {second} have the same maps up to a factor: they count as one map series"
        ),
        "unmeasured": "heat on artefacts could not be measured for {count} of {maps} maps",
    },
)

NAN = float("nan")

FACTS = ("model", "architecture", "seed", "fold", "method", "layer")

SERIES_COLUMNS = [
    "group",
    "name",
    *FACTS,
    "grid",
    "images",
    "patients",
    "maps",
    "empty",
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
]
"""Of the table of map series. ``metric`` names what ``value`` and its interval are of; ``same_as``
is a map series with the same maps."""

Progress = Callable[..., object]


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        by: what varies.
        kind: what the models predict.
        all_series: one row a map series, :data:`SERIES_COLUMNS`.
        pairs: each two of a group, :data:`~camlucida.analysis.comparison.pairs.COLUMNS`; label ""
            is all labels together.
        cases: one row an image and label that all map series of a group have,
            :data:`~camlucida.analysis.comparison.cases.COLUMNS`.
        maps: one row a case and map series,
            :data:`~camlucida.analysis.comparison.cases.MAP_COLUMNS`.
        performance: every metric of every model, columns of
            :class:`~camlucida.metrics.score_table.Row`, ``model`` being the map series.
        aucs: AUCs of each two models on the same images,
            :data:`~camlucida.analysis.comparison.aucs.COLUMNS`; empty where models predict no
            labels, where all map series are of one model, and without a ground truth.
        rule: of the verdicts.
        thresholds: of the rule.
        notes: for the person who reads the result.
        synthetic: whether any image is.
    """

    by: str
    kind: Kind
    all_series: pd.DataFrame
    pairs: pd.DataFrame
    cases: pd.DataFrame
    maps: pd.DataFrame
    performance: pd.DataFrame
    aucs: pd.DataFrame
    rule: Message
    thresholds: VerdictRule
    notes: tuple[Message, ...]
    synthetic: bool


@dataclass
class _Tables:
    """Rows of the tables of a comparison, group by group."""

    all_series: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    cases: list[dict[str, Any]]
    maps: list[dict[str, Any]]
    performance: list[Row]
    aucs: list[dict[str, Any]]
    notes: list[Message]


def compare(
    runs: Sequence[Run],
    cases: pd.DataFrame,
    heat: pd.DataFrame,
    by: str = "model",
    rule: VerdictRule | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare map series that differ in one thing, on the images that all of a group have.

    Groups without a shared image, such as the folds of a cross-validation, are compared by how
    right they are and by their heat on artefacts alone; a note says so.

    Args:
        runs: one or more.
        cases: their :func:`~camlucida.analysis.cases.case_table.case_table`, or some of its rows.
        heat: the attribution table of ``cases``.
        by: what varies, one of :data:`~camlucida.analysis.comparison.series.BY`.
        rule: of the verdicts.
        progress: called with 1 for each pair of map series that is done, and once with the
            ``total`` number of pairs.

    Raises:
        UsageError: nothing varies in ``by`` alone; the models of a group predict different things.
    """
    rule, report = rule or VerdictRule(), progress or (lambda done=0, total=None: None)
    groups, notes = find_groups(runs, cases, by)
    notes += [*_unfinished(runs), *_unmeasured(cases, heat)]
    report(0, total=sum(_pair_count(group) for group in groups))
    one_model = by in ("method", "layer")
    tables = _Tables([], [], [], [], [], [], notes)
    kinds = [
        _GroupComparison(runs, group, heat, rule, one_model, report).add_to(tables)
        for group in groups
    ]
    if len(set(kinds)) > 1:
        raise UsageError(*OTHER_TASK)
    return Comparison(
        by=by,
        kind=kinds[0],
        all_series=pd.DataFrame(tables.all_series, columns=SERIES_COLUMNS),
        pairs=pd.DataFrame(tables.pairs, columns=per_pair.COLUMNS),
        cases=pd.DataFrame(tables.cases, columns=per_case.COLUMNS),
        maps=pd.DataFrame(tables.maps, columns=per_case.MAP_COLUMNS),
        performance=table(tables.performance),
        aucs=auc_table(tables.aucs),
        rule=rule.description(kinds[0], one_model),
        thresholds=rule,
        notes=tuple(dict.fromkeys(tables.notes)),
        synthetic=any(_is_synthetic(group) for group in groups),
    )


@dataclass(frozen=True)
class _GroupComparison:
    """The comparison of one group."""

    runs: Sequence[Run]
    group: SeriesGroup
    heat: pd.DataFrame
    rule: VerdictRule
    one_model: bool
    report: Progress

    def add_to(self, tables: _Tables) -> Kind:
        """Append the rows of this group to the tables; what its models predict."""
        group, images, notes = on_shared_images(self.runs, self.group)
        predictions = self._predictions(group, images)
        kind = next(iter(predictions.values())).kind
        scores = _scores(group, predictions)
        pairs, agreed = self._pairs(group, images, predictions, _gap(scores, kind))
        first_of = distinct(group.all_series, pairs)
        judged = JudgedCases([], [], 0)
        if images:
            evidence = GroupEvidence(kind, group.all_series, self.heat, pairs, agreed, first_of)
            judged = judge_cases(evidence, self.rule, start=len(tables.cases))
        for series in group.all_series:
            score = headline(scores[series.name], kind)
            tables.all_series.append(_series_row(series, first_of[series.name], score, self.heat))
            tables.performance += [replace(row, model=series.name) for row in scores[series.name]]
        for pair in pairs:
            tables.pairs += pair.rows
        if images and not self.one_model:
            tables.aucs += _aucs(group, predictions)
        tables.cases += judged.cases
        tables.maps += judged.maps
        tables.notes += [*notes, *_notes(group, pairs, judged.unpaired)]
        return kind

    def _predictions(
        self, group: SeriesGroup, images: Collection[ImageKey]
    ) -> dict[str, SeriesPredictions]:
        """Map series → its model's predictions of the labels that have a map.

        Raises:
            UsageError: they are of different kinds.
        """
        everything = {}
        for series in group.all_series:
            shown = images or image_keys(self.runs, series.rows)
            run = self.runs[series.run]
            everything[series.name] = SeriesPredictions.of(run, series.model, shown)
        labels = _labels(group, list(everything.values()))
        predictions = {name: whole.only(labels) for name, whole in everything.items()}
        if len({part.kind for part in predictions.values()}) > 1:
            raise UsageError(*OTHER_TASK)
        return predictions

    def _pairs(
        self,
        group: SeriesGroup,
        images: Collection[ImageKey],
        predictions: Mapping[str, SeriesPredictions],
        gap: float,
    ) -> tuple[list[Pair], dict[frozenset[str], Mapping[CaseKey, float]]]:
        """Each two map series, and in which cases their predictions agree."""
        pairs: list[Pair] = []
        agreed: dict[frozenset[str], Mapping[CaseKey, float]] = {}
        for first, second in combinations(group.all_series, 2):
            by_label: dict[str, PredictionAgreement] = {}
            by_case: Mapping[CaseKey, float] = {}
            if images and not self.one_model:
                both = predictions[first.name], predictions[second.name]
                by_label, by_case = agreements(*both, gap)
            agreed[frozenset((first.name, second.name))] = by_case
            if images:
                pairs.append(compare_pair(self.runs, first, second, by_label))
            else:
                pairs.append(nothing_shared(first, second))
            self.report(1)
        return pairs, agreed


def _pair_count(group: SeriesGroup) -> int:
    return len(group.all_series) * (len(group.all_series) - 1) // 2


def _is_synthetic(group: SeriesGroup) -> bool:
    return any(bool(series.rows["synthetic"].any()) for series in group.all_series)


def _labels(group: SeriesGroup, predictions: Sequence[SeriesPredictions]) -> set[str]:
    """Labels that have a map, as far as every model predicts them.

    A mean over other labels would be another metric.
    """
    mapped: set[str] = set()
    for series in group.all_series:
        mapped |= set(series.rows["label"])
    return mapped.intersection(*(part.labels for part in predictions)) or mapped


def _scores(
    group: SeriesGroup, predictions: Mapping[str, SeriesPredictions]
) -> dict[str, list[Row]]:
    """Map series → every metric of its model, which is measured once for all its map series."""
    of_model: dict[tuple[int, str], list[Row]] = {}
    scores = {}
    for series in group.all_series:
        if series.model_key not in of_model:
            of_model[series.model_key] = performance(predictions[series.name])
        scores[series.name] = [*of_model[series.model_key], *dice_row(series.rows)]
    return scores


def _aucs(group: SeriesGroup, predictions: Mapping[str, SeriesPredictions]) -> list[dict[str, Any]]:
    """AUCs of each two models; map series of one model have the same predictions."""
    of_models = {series.model_key: series.name for series in reversed(group.all_series)}
    names = [series.name for series in group.all_series if series.name in of_models.values()]
    rows = []
    for first, second in combinations(names, 2):
        about = {"group": group.name, "first": first, "second": second}
        rows += [about | row for row in auc_rows(predictions[first], predictions[second])]
    return rows


def _gap(scores: Mapping[str, Sequence[Row]], kind: Kind) -> float:
    """Largest difference at which two values agree: the map series' mean absolute error."""
    if kind != "values":
        return NAN
    errors = [headline(rows, kind) for rows in scores.values()]
    estimates = [row.estimate for row in errors if row is not None]
    return float(np.mean(estimates)) if estimates else NAN


def _notes(group: SeriesGroup, pairs: Sequence[Pair], unpaired: int) -> Iterator[Message]:
    if unpaired:
        note = Message("notes.other_labels", {"count": unpaired})
        yield prefixed(group.name, note) if group.name else note
    for pair in pairs:
        if pair.identical:
            yield Message("notes.same_maps", {"first": pair.first, "second": pair.second})


def _unfinished(runs: Sequence[Run]) -> Iterator[Message]:
    counts = {run.folder.root.name: run.counts for run in runs}
    for name, of_run in counts.items():
        open_items = {key: of_run[key] for key in ("failed", "pending")}
        if any(open_items.values()):
            yield prefixed(name, Message("notes.unfinished", open_items))


def _unmeasured(cases: pd.DataFrame, heat: pd.DataFrame) -> Iterator[Message]:
    missing = int((heat["artefact_share"].isna() & (cases["high"] > 0)).sum())
    if missing:
        yield Message("notes.unmeasured", {"count": missing, "maps": len(cases)})


def _series_row(
    series: MapSeries, first_of: str, score: Row | None, heat: pd.DataFrame
) -> dict[str, Any]:
    rows = series.rows
    heat = heat.loc[rows.index]
    share = mean_interval(heat["artefact_share"].to_numpy(np.float64), rows["patient"].tolist())
    area = heat["artefact_area"][heat["artefact_share"].notna()]
    grids = dict.fromkeys("×".join(map(str, grid)) for grid in rows["grid"])
    return {
        "group": series.group,
        "name": series.name,
        **{fact: getattr(series, fact) for fact in FACTS},
        "grid": ", ".join(grids),
        "images": rows["image"].nunique(),
        "patients": rows["patient"].nunique(),
        "maps": len(rows),
        "empty": int((rows["empty_reason"] != "").sum()),
        "same_as": "" if first_of == series.name else first_of,
        "metric": score.metric if score else "",
        "value": score.estimate if score else NAN,
        "low": score.low if score else NAN,
        "high": score.high if score else NAN,
        "chance": score.chance if score else NAN,
        "artefact_share": share.estimate,
        "artefact_low": share.low,
        "artefact_high": share.high,
        "artefact_area": float(area.mean()) if len(area) else NAN,
    }
