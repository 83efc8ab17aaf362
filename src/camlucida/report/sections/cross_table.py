"""Predictions against ground truth in counts, as STARD-AI asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from camlucida.core.messages import declare
from camlucida.metrics.multilabel import decision_values
from camlucida.report.data import Performance
from camlucida.report.document import Message, Table, Value

declare(
    "cross_table",
    {
        "caption": (
            "Predictions against ground truth of {model}, in images; a label is predicted from "
            "{threshold} on."
        ),
        "label": "Label",
    },
)

OUTCOMES = ("TP", "FP", "FN", "TN")


def cross_tables(performance: Performance) -> Iterator[Table]:
    """One table a model of multi-label predictions: a row a label, in images.

    Args:
        performance: of any task; a multi-class one has its confusion matrix instead.
    """
    if performance.predictions is None or performance.task != "multilabel":
        return
    for model, frame in performance.predictions.of_models():
        counts = outcome_counts(frame, performance.threshold)
        rows: list[tuple[Value, ...]] = []
        for label, *row in counts.itertuples():
            rows.append((str(label), *map(int, row)))
        head = (Message("cross_table.label"), *(Message(f"words.{name}") for name in OUTCOMES))
        values: dict[str, Value] = {"model": str(model), "threshold": performance.threshold}
        yield Table("cross_table", Message("cross_table.caption", values), head, tuple(rows))


def outcome_counts(frame: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """True and false positives and negatives of each label; rows without a truth do not count.

    Args:
        frame: rows with label, truth (0, 1 or NaN), probability and perhaps ``scaled_output``.
        threshold: from which on a label is predicted.

    Returns:
        Index: the labels in their order; columns TP, FP, FN, TN.

    >>> columns = {"label": "nodule", "truth": [1, 1, 0, float("nan")]}
    >>> frame = pd.DataFrame({**columns, "probability": [0.9, 0.2, 0.5, 0.9]})
    >>> outcome_counts(frame, 0.5).loc["nodule"].tolist()
    [1, 1, 1, 0]
    """
    truth = frame["truth"].to_numpy(np.float64)
    decided = decision_values(frame)
    complete = np.isfinite(truth) & np.isfinite(decided)
    positive, true = decided >= threshold, truth == 1
    outcomes = {
        "TP": positive & true,
        "FP": positive & ~true,
        "FN": ~positive & true,
        "TN": ~positive & ~true,
    }
    table = pd.DataFrame(outcomes, index=frame.index)[complete]
    counts: pd.DataFrame = table.groupby(frame["label"][complete], sort=False).sum()
    return counts.astype(int)
