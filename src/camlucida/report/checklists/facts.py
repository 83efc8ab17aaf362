"""What a report has to know before it answers an item of a checklist.

A fact is a function of the report's data: None where it holds, else what is missing and how to
supply it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TypeAlias

from camlucida.core.messages import Message, declare
from camlucida.metrics import METRICS
from camlucida.report.data import ReportData

declare(
    "checklist_facts",
    {
        "truth": "needs ground truth in the cohort's table",
        "performance": "needs the performance of the models: ground truth in the cohort's table",
        "intervals": "no estimate has an interval: fewer than 10 patients",
        "classes": "needs a classification with ground truth",
        "splits": "needs a split column in the cohort's table",
        "one_split": (
            "these runs hold one split alone: state at which level the others are disjoint"
        ),
        "no_patients": "needs the patient of every image in the cohort's table",
        "shared": (
            "{count} {count:|patient is|patients are} in more than one split: state the overlap"
        ),
        "groups": "needs groups in [columns] of the cohort, such as sex or scanner",
        "maps": "needs maps: an [explain] table in the cohort",
        "sanity": (
            "needs the sanity check: camlucida evaluate RUN --metrics cascading_randomisation"
        ),
        "robustness": (
            "needs a second seed, fold or model, or stability: camlucida evaluate RUN --metrics psc"
        ),
        "errors": "needs a case with a wrong prediction: camlucida report RUN --rule outcomes",
        "versions": "needs a run made by camlucida run, which records its versions",
    },
)

Fact: TypeAlias = Callable[[ReportData], "Message | None"]


def _needs(code: str, holds: bool) -> Message | None:
    return None if holds else Message(f"checklist_facts.{code}")


def _truth(report: ReportData) -> Message | None:
    return _needs("truth", report.has_truth)


def _performance(report: ReportData) -> Message | None:
    return _needs("performance", bool(report.performance))


def _intervals(report: ReportData) -> Message | None:
    figures = (each.figures["interval_method"] for each in report.performance)
    methods = set(chain.from_iterable(figures))
    return _needs("intervals", bool(methods - {"none"}))


def _classes(report: ReportData) -> Message | None:
    tasks = {each.task for each in report.performance}
    return _needs("classes", bool(tasks & {"multilabel", "multiclass"}))


def _splits(report: ReportData) -> Message | None:
    return _needs("splits", bool(report.images["split"].notna().any()))


def _disjoint(report: ReportData) -> Message | None:
    """Whether no patient is in two splits, as far as the runs hold them."""
    images = report.images.dropna(subset="split")
    if images["split"].nunique() < 2:
        return Message("checklist_facts.one_split")
    if not images["patient_known"].all():
        return Message("checklist_facts.no_patients")
    shared = int((images.groupby("patient")["split"].nunique() > 1).sum())
    return Message("checklist_facts.shared", {"count": shared}) if shared else None


def _groups(report: ReportData) -> Message | None:
    return _needs("groups", any(str(name).startswith("group_") for name in report.images))


def _maps(report: ReportData) -> Message | None:
    return _needs("maps", len(report.cases) > 0)


def _sanity(report: ReportData) -> Message | None:
    return _needs("sanity", any(each.gate is not None for each in report.evaluations))


def _robustness(report: ReportData) -> Message | None:
    tables = [each.summary for each in report.evaluations if len(each.summary)]
    measured = set(chain.from_iterable(table["metric"] for table in tables))
    stability = {name for name, metric in METRICS.items() if metric.family == "stability"}
    return _needs("robustness", bool(report.comparisons) or bool(measured & stability))


def _errors(report: ReportData) -> Message | None:
    shown = list(chain.from_iterable(each.rows for each in report.selected))
    wrong = report.cases.loc[shown, "correct"].eq(False)
    regression = report.cases.loc[shown, "task"].isin(["regression", "segmentation"])
    return _needs("errors", bool(wrong.any() or regression.any()))


def _versions(report: ReportData) -> Message | None:
    return _needs("versions", all(run.about.get("versions") for run in report.runs))


FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        "truth": _truth,
        "performance": _performance,
        "intervals": _intervals,
        "classes": _classes,
        "splits": _splits,
        "disjoint": _disjoint,
        "groups": _groups,
        "maps": _maps,
        "sanity": _sanity,
        "robustness": _robustness,
        "errors": _errors,
        "versions": _versions,
    }
)
