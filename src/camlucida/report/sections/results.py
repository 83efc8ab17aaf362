"""Performance of the models, with intervals, chance levels and the curves behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from camlucida.core.files import slug
from camlucida.core.messages import declare
from camlucida.evaluation.predictions.tables import never_predicted
from camlucida.figures.files import save_figure
from camlucida.figures.predictions import prediction_figures
from camlucida.metrics.multilabel import MEAN, MEAN_ENOUGH
from camlucida.metrics.segmentation import ALL_LABELS
from camlucida.report.data import Performance, ReportData
from camlucida.report.document import Block, Message, Paragraph, Picture, Section, Table, Value
from camlucida.report.estimates import figure_of, metric_name, or_dash
from camlucida.report.sections.base import section
from camlucida.report.sections.cross_table import cross_tables

declare(
    "results",
    {
        "overall": "Performance on all images.",
        "by_label": "Performance of {model} by label.",
        "by_group": "Performance by group.",
        "head_model": "Model",
        "head_n": "Images",
        "head_label": "Label",
        "head_positives": "Positive",
        "head_patients": "Patients",
        "head_group": "Group",
        "mean": "mean of labels",
        "mean_enough": "mean of labels with an interval",
        "never": "{model} predicted {labels} for no image.",
        "not_judged": "Not evaluated: {error}.",
        "regression_figure": (
            "{model}: predicted against true values, and the distribution of the errors."
        ),
        "bland_altman_figure": (
            "{model}: Bland–Altman plot with bias and limits of agreement [@bland1986]."
        ),
        "group_figure": "{model}: errors by group.",
        "confusion_figure": (
            "{model}: confusion matrix. Rows are true classes, columns predicted classes."
        ),
        "curves_figure": "{model}: ROC and precision–recall curves by label.",
        "calibration_figure": (
            "{model}: calibration by label. Observed frequency against predicted probability."
        ),
    },
)

OF_LABELS = {
    "multilabel": ("auc", "ap", "sensitivity", "specificity", "f1", "ece"),
    "multiclass": ("recall", "precision", "f1", "auc"),
    "segmentation": ("dice", "iou", "component_sensitivity", "false_components", "empty_agreement"),
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


@section("results", "Results", needs=("performance",))
def results(report: ReportData) -> Section | None:
    """Tables and figures of each task and model; nothing where no truth is known."""
    blocks: list[Block] = []
    for performance in report.performance:
        figures = performance.figures
        task = performance.task
        everybody = figures[figures["group"] == ""]
        blocks += _overall(task, everybody)
        blocks += [
            _labels(performance, str(name), part)
            for name, part in everybody.groupby("model", sort=False)
            if _named(task, part)
        ]
        blocks.append(Paragraph(tuple(_never(everybody))))
        blocks += cross_tables(performance)
        blocks += _groups(performance)
        blocks += _pictures(report, performance)
        if performance.notes:
            blocks.append(
                Paragraph(tuple(Message("data.line", {"line": note}) for note in performance.notes))
            )
    # Without any ground truth nothing can be evaluated, and the limitations say why.
    if report.truth["truth"].notna().any():
        reasons = [Message("results.not_judged", {"error": why}) for why in report.not_evaluated]
        blocks.append(Paragraph(tuple(reasons)))
    return Section("results", tuple(blocks)) if blocks else None


def _overall(task: str, figures: pd.DataFrame) -> list[Block]:
    """One row a model, one column a figure of all images."""
    wanted = [name for name in OVERALL.get(task, ()) if (figures["metric"] == name).any()]
    wanted += (
        [name for name in dict.fromkeys(figures["metric"]) if str(name).startswith("within_")]
        if task == "regression"
        else []
    )
    if not wanted:
        return []
    head = (Message("results.head_model"), Message("results.head_n"), *map(metric_name, wanted))
    rows = []
    for model, part in figures.groupby("model", sort=False):
        of_all = part[part["label"] == ""].set_index("metric")
        cells = [
            or_dash(figure_of(of_all.loc[name])) if name in of_all.index else "" for name in wanted
        ]
        rows.append((str(model), int(of_all["n"].iloc[0]), *cells))
    return [Table("overall", Message("results.overall"), head, tuple(rows))]


def _named(task: str, figures: pd.DataFrame) -> bool:
    return bool((figures["label"] != "").any()) and task in OF_LABELS


def _labels(performance: Performance, model: str, figures: pd.DataFrame) -> Table:
    """One row a label, one column a figure."""
    wanted = [name for name in OF_LABELS[performance.task] if (figures["metric"] == name).any()]
    head = (
        *(Message(f"results.head_{name}") for name in ("label", "n", "positives", "patients")),
        *map(metric_name, wanted),
    )
    all_images = _images(performance, model)
    of_labels = figures[(figures["label"] != "") & (figures["n"] > 0)]
    rows: list[tuple[Value, ...]] = []
    for label, part in of_labels.groupby("label", sort=False):
        if part["metric"].isin(wanted).any():
            rows.append(_label_row(str(label), part, wanted, all_images))
    return Table("by_label", Message("results.by_label", {"model": model}), head, tuple(rows))


def _label_row(
    label: str, figures: pd.DataFrame, wanted: Sequence[str], all_images: int | str
) -> tuple[Value, ...]:
    by_metric = figures.set_index("metric")
    available = [name for name in wanted if name in by_metric.index]
    first: Any = by_metric.loc[available[0]]
    name: Value = Message(MEANS[label]) if label in MEANS else label
    images: Value = int(first["n"])
    positives: Value = "" if pd.isna(first["positives"]) else int(first["positives"])
    if label in MEANS or label == ALL_LABELS:
        images, positives = all_images, ""
    cells: list[Value] = []
    for metric in wanted:
        cells.append(or_dash(figure_of(by_metric.loc[metric])) if metric in available else "")
    return (name, images, positives, int(first["patients"]), *cells)


def _images(performance: Performance, model: str, group: str = "") -> int | str:
    """Number of images of a mean over labels, whose count is of images and labels.

    It is "" where masks were compared.
    """
    if performance.predictions is None:
        return ""
    frame = performance.predictions.frame
    frame = frame[(frame["model"] == model) & frame["truth"].notna()]
    columns = [
        column for column in performance.predictions.groups if group.startswith(f"{column}=")
    ]
    in_group = [frame[column].map(f"{column}={{}}".format) == group for column in columns]
    return int(frame.loc[in_group[0] if in_group else frame.index, "image"].nunique())


def _never(figures: pd.DataFrame) -> Iterator[Message]:
    for model, part in figures.groupby("model", sort=False):
        labels = never_predicted(part)
        if labels:
            yield Message("results.never", {"model": str(model), "labels": labels})


def _groups(performance: Performance) -> list[Block]:
    """The main figure of each group."""
    figures = performance.figures
    metric = {"regression": "mae", "multiclass": "accuracy", "segmentation": "dice"}.get(
        performance.task, "auc"
    )
    rows = figures[
        (figures["group"] != "") & (figures["metric"] == metric) & figures["label"].isin(["", MEAN])
    ]
    if rows.empty:
        return []
    head = (
        *(Message(f"results.head_{name}") for name in ("model", "group", "n", "patients")),
        metric_name(metric),
    )
    cells = [
        (
            *(str(r["model"]), str(r["group"])),
            _images(performance, str(r["model"]), str(r["group"]))
            if r["label"] == MEAN
            else int(r["n"]),
            *(int(r["patients"]), or_dash(figure_of(r))),
        )
        for _, r in rows.iterrows()
    ]
    return [Table("by_group", Message("results.by_group"), head, tuple(cells))]


def _pictures(report: ReportData, performance: Performance) -> list[Block]:
    """Curves, scatter, confusion: whichever the task has, of each model."""
    if performance.predictions is None:
        return []
    blocks: list[Block] = []
    for model, frame in performance.predictions.of_models():
        figures = performance.figures[performance.figures["model"] == model]
        for name, figure in prediction_figures(performance.predictions, frame, figures):
            stem = f"figures/{slug(str(model) or 'model')}_{name.removesuffix('.png')}"
            save_figure(figure, report.folder / stem)
            blocks.append(
                Picture(stem, Message(f"results.{CAPTIONS[name]}", {"model": str(model)}))
            )
    return blocks
