"""Computing the data of a report, once, from its runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from camlucida.analysis.cases.attribution_table import COLUMNS, attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.model_performance import evaluate_runs
from camlucida.analysis.comparison import BY, Comparison, compare
from camlucida.analysis.selection import Selected, select
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Message, declare
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.report.data import PARTS, Part, Performance, ReportData
from camlucida.report.evaluations import Evaluation, read_evaluations
from camlucida.report.tables import (
    annotations_of,
    cases_by_task,
    cell_table,
    image_table,
    no_cells,
    run_names,
    series_of,
    stacked,
    truth_table,
)
from camlucida.runs import Run

declare(
    "report_data",
    {
        "maps": "the measures of the maps",
        "performance": "the performance of the models",
        "comparison": "the comparison by {by}",
        "evaluations": "the stored evaluations",
        "lost": "{what} could not be computed: {error}",
    },
)

RULES = {
    "regression": ("best", "worst", "median", "random:1:seed=0"),
    "segmentation": ("best", "worst", "median", "random:1:seed=0"),
    "multiclass": ("per-class:1", "best", "worst", "random:1:seed=0", "low-evidence"),
}
"""Task → rules by which its cases are chosen, where none are requested."""

OTHER_RULES = ("outcomes", "best", "worst", "random:1:seed=0", "low-evidence")

T = TypeVar("T")


def gather(
    runs: Sequence[Run],
    folder: Path,
    rules: Sequence[str] = (),
    error_threshold: float | None = None,
    settings: PredictionSettings | None = None,
    progress: Callable[..., object] | None = None,
    *,
    parts: Collection[Part] = PARTS,
) -> ReportData:
    """Compute the tables of a report.

    What fails with an error of the inputs is left out, and is in ``failures``.

    Args:
        runs: at least one.
        folder: of the report.
        rules: of the selection of cases; by task if empty.
        error_threshold: of a regression: absolute errors from here up are high; None: the median.
        settings: of the figures of predictions.
        progress: called with how many maps were measured since the last call, and once with their
            ``total``.
        parts: the slow tables to compute; the others are left empty.
    """
    runs = tuple(runs)
    failures: list[Message] = []
    names = run_names(runs)
    predictions = stacked([run.predictions() for run in runs])
    annotations = annotations_of(runs, predictions)
    cases = case_table(runs)
    tasks = cases_by_task(cases, predictions)
    heat = pd.DataFrame(float("nan"), index=cases.index, columns=COLUMNS)
    # Cases are chosen and maps compared by their measures, too.
    if not {"measured", "chosen", "comparisons"}.isdisjoint(parts):
        measures = Message("report_data.maps")
        zones = "measured" in parts
        measure = partial(attribution_table, runs, cases, progress, zones)
        heat = _tried(measures, measure, heat, failures)
    unread = [*cases.attrs.get("problems", []), *heat.attrs.get("problems", [])]
    performance: tuple[Performance, ...] = ()
    not_evaluated: tuple[str, ...] = ()
    if "performance" in parts:
        performance, not_evaluated = _performance(runs, settings or PredictionSettings(), failures)
    evaluations: list[Evaluation] = []
    if "evaluations" in parts:
        stored = Message("report_data.evaluations")
        evaluations = _tried(stored, lambda: list(read_evaluations(runs)), evaluations, failures)
    comparisons: tuple[Comparison, ...] = ()
    if "comparisons" in parts:
        comparisons = _comparisons(runs, tasks, heat, failures)
    chosen: dict[str, list[Selected]] = {}
    if "chosen" in parts:
        chosen = {task: _select(task, rows, heat, rules) for task, rows in tasks.items()}
    return ReportData(
        runs=runs,
        folder=folder,
        names=names,
        error_threshold=error_threshold,
        predictions=predictions,
        images=image_table(runs, annotations),
        truth=truth_table(predictions),
        cases=cases,
        measured=cases.join(heat),
        cells=cell_table(runs, cases) if "cells" in parts else no_cells(cases),
        # The case table and the measures both read the masks of a segmentation.
        problems=tuple(dict.fromkeys(unread)),
        performance=performance,
        not_evaluated=not_evaluated,
        all_series=series_of(cases, names),
        tasks=tasks,
        chosen=chosen,
        comparisons=comparisons,
        evaluations=tuple(evaluations),
        annotations=annotations,
        failures=tuple(failures),
    )


def _tried(what: Message, make: Callable[[], T], without: T, failures: list[Message]) -> T:
    """A part of the data, or what stands for it where it cannot be made."""
    try:
        return make()
    except CamlucidaError as error:
        failures.append(Message("report_data.lost", {"what": what, "error": str(error)}))
        return without


def _performance(
    runs: Sequence[Run], settings: PredictionSettings, failures: list[Message]
) -> tuple[tuple[Performance, ...], tuple[str, ...]]:
    """How good the models are by task, and why that of some is unknown."""
    performance: list[Performance] = []
    reasons: list[str] = []
    for group in _comparable(runs):
        try:
            evaluated = evaluate_runs(group, settings)
        except UsageError as error:  # such as no ground truth: no failure
            reasons.append(error.what)
            continue
        except CamlucidaError as error:
            what = Message("report_data.performance")
            failures.append(Message("report_data.lost", {"what": what, "error": str(error)}))
            continue
        task = str(group[0].predictions()["task"].iloc[0])
        if evaluated.predictions is not None:
            task = evaluated.predictions.task
        tables = (evaluated.figures, evaluated.predictions, evaluated.notes)
        performance.append(Performance(task, *tables, settings.threshold))
    return tuple(performance), tuple(reasons)


def _comparable(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs of the same task, and of the same classes: what can stand in one table."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        rows = run.predictions()
        task = str(rows["task"].iloc[0])
        classes = sorted(set(rows["label"])) if task == "multiclass" else []
        groups.setdefault((task, *classes), []).append(run)
    return list(groups.values())


def _select(
    task: str, cases: pd.DataFrame, heat: pd.DataFrame, requested: Sequence[str]
) -> list[Selected]:
    rules = list(requested or RULES.get(task, OTHER_RULES))
    models = len(cases[["run", "model"]].drop_duplicates())
    if not requested and models > 1:
        rules.append("disagreement")
    return select(cases, rules, heat)


def _comparisons(
    runs: Sequence[Run],
    tasks: Mapping[str, pd.DataFrame],
    heat: pd.DataFrame,
    failures: list[Message],
) -> tuple[Comparison, ...]:
    """One for each thing that varies alone; "model" only where no narrower word fits."""
    comparisons: list[Comparison] = []
    for cases in tasks.values():
        compared: list[str] = []
        for by in BY:
            if by == "model" and {"seed", "fold"} & set(compared):
                continue
            if by == "architecture" and "model" in compared:
                continue
            comparison = _compared(runs, cases, heat.loc[cases.index], by, failures)
            if comparison is not None:
                comparisons.append(comparison)
                compared.append(by)
    return tuple(comparisons)


def _compared(
    runs: Sequence[Run], cases: pd.DataFrame, heat: pd.DataFrame, by: str, failures: list[Message]
) -> Comparison | None:
    try:
        return compare(runs, cases, heat, by)
    except UsageError:
        return None  # nothing varies in this alone
    except CamlucidaError as error:
        what = Message("report_data.comparison", {"by": Message(f"words.{by}")})
        failures.append(Message("report_data.lost", {"what": what, "error": str(error)}))
        return None
