"""The main numbers, first."""

from __future__ import annotations

from collections.abc import Iterator

from camlucida.cohort.multilabel import MEAN
from camlucida.comparison.verdict import VERDICTS
from camlucida.report.document import Paragraph, Section, Sentence
from camlucida.report.measured import figure_of, mean_of
from camlucida.report.sections.results import metric_name
from camlucida.report.study import Study

MAIN = {
    "multilabel": ("auc",),
    "multiclass": ("accuracy", "quadratic_kappa"),
    "regression": ("mae", "r2"),
    "segmentation": ("dice",),
}
MOST = 3
"""Models or voices that have a sentence here; all are in the tables."""


def summary(study: Study) -> Section:
    """At most a dozen sentences."""
    return Section("summary", (Paragraph((*_what(study), *_right(study), *_heat(study), *_verdicts(study))),))


def _what(study: Study) -> Iterator[Sentence]:
    models = list(dict.fromkeys(model["name"] for run in study.runs for model in run.about["models"]))
    counts = {"images": len(study.images), "patients": study.images["patient"].nunique(), "maps": len(study.cases)}
    yield Sentence("summary.what", {"models": models, "count": len(models), **counts})


def _right(study: Study) -> Iterator[Sentence]:
    for found in study.judged:
        figures = found.figures[found.figures["group"] == ""]
        for model in list(dict.fromkeys(figures["model"]))[:MOST]:
            of_model = figures[figures["model"] == model]
            for metric in MAIN[found.task]:
                rows = of_model[of_model["metric"] == metric]
                rows = rows[rows["label"].isin(["", MEAN])] if rows["label"].isin(["", MEAN]).any() else rows[:1]
                estimates = [figure_of(row) for _, row in rows.iterrows()]
                if estimates and estimates[0].estimate == estimates[0].estimate:
                    key = "summary.mean" if rows["label"].iloc[0] == MEAN else "summary.right"
                    yield Sentence(key, {"metric": metric_name(metric), "model": str(model), "value": estimates[0]})


def _heat(study: Study) -> Iterator[Sentence]:
    for voice in study.voices[:MOST]:
        rows = study.measured.loc[voice.rows]
        for region in ("mask", "box", "artefact"):
            share = mean_of(rows, f"{region}_share", f"{region}_area", percent=True)
            if share is not None:
                yield Sentence(f"summary.{region}", {"voice": voice.name, "share": share})


def _verdicts(study: Study) -> Iterator[Sentence]:
    for comparison in study.comparisons:
        counts = comparison.cases["verdict"].value_counts()
        if len(comparison.cases) and not bool(comparison.pairs["identical"].all()):
            numbers = {verdict.replace(" ", "_"): int(counts.get(verdict, 0)) for verdict in VERDICTS}
            by = Sentence(f"words.{comparison.by}")
            yield Sentence("summary.verdicts", {"by": by, "cases": len(comparison.cases), **numbers})
