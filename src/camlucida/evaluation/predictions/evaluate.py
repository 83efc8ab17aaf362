"""From a predictions file to its figures and documents: read, evaluate, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.files import write_json
from camlucida.core.messages import Message
from camlucida.datasets.mask_files import read_mask_pairs
from camlucida.datasets.predictions import Predictions, read_predictions
from camlucida.evaluation.predictions.tables import (
    Document,
    PredictionSettings,
    evaluate_masks,
    evaluate_predictions,
    metrics_document,
    prediction_records,
    records,
    segmentation_document,
)
from camlucida.io.tables import write_table
from camlucida.metrics.segmentation import MaskPair, compare_masks

SEGMENTATION = "segmentation"


@dataclass(frozen=True)
class Evaluated:
    """Figures of a file.

    Attributes:
        figures: columns of :class:`~camlucida.metrics.score_table.Row`.
        document, records: ``metrics.json`` and ``predictions.json``.
        predictions: the tidy table; None for masks.
        notes: for the reader.
        errors: one line for each row that is left out.
    """

    figures: pd.DataFrame
    document: Document
    records: list[Document]
    predictions: Predictions | None
    notes: tuple[Message, ...]
    errors: tuple[str, ...] = ()


def evaluate_file(
    path: Path,
    task: str,
    settings: PredictionSettings,
    *,
    columns: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
    labels: Sequence[str] = (),
    sheet: str | None = None,
    class_names: Mapping[str, str] | None = None,
    split: str | None = None,
) -> Evaluated:
    """Read and evaluate predictions of any task.

    See :func:`~camlucida.datasets.predictions.read_predictions` and, for masks,
    :func:`~camlucida.datasets.mask_files.read_mask_pairs`.

    Args:
        path: of the CSV file.
        task: "multilabel", "multiclass", "regression" or "segmentation".
        settings: thresholds, tolerances and the sampling of the intervals.
        columns: meaning of a column → its name in the file, where it differs.
        groups: names of columns by whose values the rows are grouped.
        labels: of multi-class predictions: the classes in their order.
        sheet: of a workbook, by its name or number.
        class_names: class as the file calls it → name for people.
        split: take only this one.

    Returns:
        The figures with their documents.

    Raises:
        UsageError: as these; groups or labels of masks; no pair of masks that can be read.
    """
    if task == SEGMENTATION:
        if groups or labels:
            raise UsageError(
                "groups and classes are not for masks",
                "leave them out; labels come from the label column",
            )
        return _evaluate_masks(path, settings, columns, split)
    predictions = read_predictions(
        path,
        task,
        columns=columns,
        groups=groups,
        labels=labels,
        sheet=sheet,
        class_names=class_names,
        split=split,
    )
    return evaluate_table(predictions, settings)


def evaluate_table(predictions: Predictions, settings: PredictionSettings) -> Evaluated:
    """Figures, document and records of a tidy table, wherever it came from."""
    figures = evaluate_predictions(predictions, settings)
    document = metrics_document(predictions, figures, settings)
    return Evaluated(
        figures, document, prediction_records(predictions), predictions, predictions.notes
    )


def write_evaluated(out: Path, evaluated: Evaluated) -> list[Path]:
    """Write metrics.csv, metrics.json and predictions.json; their paths.

    In the table the group of all images is ``all``.
    """
    figures = evaluated.figures
    write_table(figures.assign(group=figures["group"].replace("", "all")), out / "metrics.csv")
    write_json(out / "metrics.json", evaluated.document)
    write_json(out / "predictions.json", evaluated.records)
    return [out / name for name in ("metrics.csv", "metrics.json", "predictions.json")]


def _evaluate_masks(
    path: Path, settings: PredictionSettings, columns: Mapping[str, str] | None, split: str | None
) -> Evaluated:
    pairs, notes = read_mask_pairs(path, columns, split)
    errors: list[str] = []

    def readable(item: MaskPair | Exception) -> bool:
        if isinstance(item, MaskPair):
            return True
        errors.append(str(item))
        return False

    rows = compare_masks(item for item in pairs if readable(item) and isinstance(item, MaskPair))
    if rows.empty:
        raise UsageError(
            f"no pair of masks of {path} can be read: {errors[0]}", "see the first of them"
        )
    return evaluate_pairs(rows, settings, notes, errors)


def evaluate_pairs(
    rows: pd.DataFrame,
    settings: PredictionSettings,
    notes: Sequence[Message],
    errors: Sequence[str],
) -> Evaluated:
    """As :func:`evaluate_table`, of rows of
    :func:`~camlucida.metrics.segmentation.compare_masks`.
    """
    figures = evaluate_masks(rows, settings)
    document = segmentation_document(rows, figures, notes, settings)
    return Evaluated(figures, document, records(rows), None, tuple(notes), tuple(errors))
