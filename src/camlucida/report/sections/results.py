"""How good the models are: every figure with its interval and its chance level, and the curves behind them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from camlucida.cohort.multilabel import MEAN, MEAN_ENOUGH
from camlucida.cohort.report_table import never_predicted
from camlucida.figures.files import save_figure
from camlucida.figures.predictions import prediction_figures
from camlucida.files import slug
from camlucida.report.document import Block, Paragraph, Picture, Section, Sentence, Table, Value
from camlucida.report.measured import figure_of, or_dash
from camlucida.report.study import Judged, Study

OF_LABELS = {
    "multilabel": ("auc", "ap", "sensitivity", "specificity", "f1", "ece"),
    "multiclass": ("recall", "precision", "f1", "auc"),
    "segmentation": ("dice", "iou", "component_sensitivity", "false_components"),
}
"""Task → figures of each label or class that are printed, where they exist."""

OVERALL = {
    "multiclass": ("accuracy", "balanced_accuracy", "quadratic_kappa", "macro_f1"),
    "regression": ("mae", "rmse", "r2", "pearson_r", "bias", "limit_low", "limit_high"),
}
"""Task → figures of all images together."""

MEANS = {MEAN: "results.mean", MEAN_ENOUGH: "results.mean_enough"}

CAPTIONS = {
    "evaluation_results.png": "regression_figure",
    "bland_altman.png": "bland_altman_figure",
    "group_comparison.png": "group_figure",
    "confusion_matrix.png": "confusion_figure",
    "roc_pr_curves.png": "curves_figure",
    "calibration.png": "calibration_figure",
}


def results(study: Study) -> Section | None:
    """Tables and figures of each task and model; nothing where no truth is known."""
    blocks: list[Block] = []
    for found in study.judged:
        figures = found.figures
        task = found.task
        everybody = figures[figures["group"] == ""]
        blocks += _overall(task, everybody)
        blocks += [_labels(task, model, part) for model, part in everybody.groupby("model", sort=False) if _named(task, part)]
        blocks.append(Paragraph(tuple(_never(everybody))))
        blocks += _groups(task, figures)
        blocks += _pictures(study, found)
        if found.notes:
            blocks.append(Paragraph(tuple(Sentence("data.line", {"line": note}) for note in found.notes)))
    return Section("results", tuple(blocks)) if blocks else None


def _overall(task: str, figures: pd.DataFrame) -> list[Block]:
    """One row a model, one column a figure of all images."""
    wanted = [name for name in OVERALL.get(task, ()) if (figures["metric"] == name).any()]
    wanted += (
        [name for name in dict.fromkeys(figures["metric"]) if str(name).startswith("within_")] if task == "regression" else []
    )
    if not wanted:
        return []
    head = (Sentence("results.head_model"), Sentence("results.head_n"), *map(metric_name, wanted))
    rows = []
    for model, part in figures.groupby("model", sort=False):
        of_all = part[part["label"] == ""].set_index("metric")
        cells = [or_dash(figure_of(of_all.loc[name])) if name in of_all.index else "" for name in wanted]
        rows.append((str(model), int(of_all["n"].iloc[0]), *cells))
    return [Table("overall", Sentence("results.overall"), head, tuple(rows))]


def metric_name(name: str) -> Sentence:
    """The name of a figure, for people."""
    if name.startswith("within_"):
        return Sentence("metrics.within", {"tolerance": name.removeprefix("within_")})
    return Sentence(f"metrics.{name}")


def _named(task: str, figures: pd.DataFrame) -> bool:
    return bool((figures["label"] != "").any()) and task in OF_LABELS


def _labels(task: str, model: object, figures: pd.DataFrame) -> Table:
    """One row a label, one column a figure."""
    wanted = [name for name in OF_LABELS[task] if (figures["metric"] == name).any()]
    head = (
        *(Sentence(f"results.head_{name}") for name in ("label", "n", "positives", "patients")),
        *map(metric_name, wanted),
    )
    rows: list[tuple[Value, ...]] = []
    for label, part in figures[figures["label"] != ""].groupby("label", sort=False):
        by_metric = part.set_index("metric")
        known = [name for name in wanted if name in by_metric.index]
        if not known:
            continue
        first = part[part["metric"] == known[0]].iloc[0]
        called: Value = Sentence(MEANS[str(label)]) if label in MEANS else str(label)
        positives: Value = "" if pd.isna(first["positives"]) else int(first["positives"])
        cells = [or_dash(figure_of(by_metric.loc[name])) if name in known else "" for name in wanted]
        rows.append((called, int(first["n"]), positives, int(first["patients"]), *cells))
    return Table("by_label", Sentence("results.by_label", {"model": str(model)}), head, tuple(rows))


def _never(figures: pd.DataFrame) -> Iterator[Sentence]:
    for model, part in figures.groupby("model", sort=False):
        labels = never_predicted(part)
        if labels:
            yield Sentence("results.never", {"model": str(model), "labels": labels})


def _groups(task: str, figures: pd.DataFrame) -> list[Block]:
    """The main figure of each group."""
    metric = {"regression": "mae", "multiclass": "accuracy", "segmentation": "dice"}.get(task, "auc")
    rows = figures[(figures["group"] != "") & (figures["metric"] == metric) & figures["label"].isin(["", MEAN])]
    if rows.empty:
        return []
    head = (*(Sentence(f"results.head_{name}") for name in ("model", "group", "n", "patients")), metric_name(metric))
    cells = [
        (str(r["model"]), str(r["group"]), int(r["n"]), int(r["patients"]), or_dash(figure_of(r))) for _, r in rows.iterrows()
    ]
    return [Table("by_group", Sentence("results.by_group"), head, tuple(cells))]


def _pictures(study: Study, found: Judged) -> list[Block]:
    """Curves, scatter, confusion: whichever the task has, of each model."""
    if found.predictions is None:
        return []
    blocks: list[Block] = []
    for model, frame in found.predictions.of_models():
        figures = found.figures[found.figures["model"] == model]
        for name, figure in prediction_figures(found.predictions, frame, figures):
            stem = f"figures/{slug(str(model) or 'model')}_{name.removesuffix('.png')}"
            save_figure(figure, study.folder / stem)
            blocks.append(Picture(stem, Sentence(f"results.{CAPTIONS[name]}", {"model": str(model)})))
    return blocks
