"""What all tables of an evaluation share: the columns of a row, names of metrics, groups.

A row is one image, label, method, layer, metric and model output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.metrics import METRICS, Metric

ALL_LABELS = "all labels"
"""The label of a summary row over all labels."""

OUTPUTS = ("", "probability", "value", "logit")
"""Values of ``output``, in order of preference: probabilities of models are on one scale, logits
are not."""

declare(
    "metric_names",
    {
        "of_region": "{metric}: {region}",
        "of_output": "{metric} ({output})",
        "probability": "probability",
        "value": "value",
        "logit": "logit",
        "all_labels": "all labels",
    },
)

KEYS = ["label", "method", "layer", "metric", "output"]
ROW = ["image", *KEYS]
NEEDED = [*ROW, "patient", "baseline", "value", "chance", "ceiling", "empty", "synthetic"]

Key = tuple[Any, ...]


def about(metric: str) -> Metric:
    """The registered metric of a row.

    ``region_share:lungs`` is ``region_share`` in the region "lungs".

    Raises:
        UsageError: no such metric.

    >>> about("region_share:lungs").name
    'region_share'
    """
    return METRICS[metric.partition(":")[0]]


def has_own_order(metric: str) -> bool:
    """Whether a metric has an order of its own.

    One less the average mask orders methods as it does without: it would count twice.

    >>> has_own_order("class_specificity"), has_own_order("class_specificity_gain")
    (True, False)
    """
    return about(metric).inputs != "two masks and an average"


def title(metric: str, output: str = "") -> Message:
    """The name of a metric for people, with its region and the model output that it is of.

    >>> str(title("road", "logit"))
    'ROAD combined (logit)'
    >>> str(title("region_share:lungs"))
    'Heat in a region: lungs'
    """
    name = Message(f"metric_titles.{about(metric).name}")
    region = metric.partition(":")[2]
    if region:
        name = Message("metric_names.of_region", {"metric": name, "region": region})
    if not output:
        return name
    return Message("metric_names.of_output", {"metric": name, "output": output_name(output)})


def output_name(output: str) -> Message | str:
    """A model output for people.

    >>> str(output_name("probability"))
    'probability'
    """
    return Message(f"metric_names.{output}") if output in OUTPUTS and output else output


def label_name(label: str) -> Message | str:
    """The label of a row of a summary for people: all labels together, or a label as it is.

    >>> str(label_name(ALL_LABELS)), label_name("nodule")
    ('all labels', 'nodule')
    """
    return Message("metric_names.all_labels") if label == ALL_LABELS else label


def preferred_score(present: Iterable[str]) -> str:
    """The first of ``OUTPUTS`` that is there, else the first by name.

    >>> preferred_score(["logit", "probability"])
    'probability'
    """

    def order(output: str) -> tuple[int, str]:
        rank = OUTPUTS.index(output) if output in OUTPUTS else len(OUTPUTS)
        return rank, output

    return min(present, key=order)


def over_all_labels(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary over all labels; those of the only label where there is one.

    >>> table = pd.DataFrame({"label": [ALL_LABELS, "nodule"], "estimate": [0.5, 0.6]})
    >>> over_all_labels(table)["estimate"].tolist()
    [0.5]
    """
    of_all = summary["label"] == ALL_LABELS
    return summary[of_all] if of_all.any() else summary


def check_rows(rows: pd.DataFrame) -> None:
    """Refuse a table that is not that of an evaluation.

    Args:
        rows: of an evaluation, with the columns ``NEEDED``.

    Raises:
        UsageError: a missing column, a row twice, or a label called as ``ALL_LABELS``.
    """
    missing = [name for name in NEEDED if name not in rows]
    if missing:
        raise UsageError(
            f"rows without {', '.join(missing)}", "give the table that the evaluation wrote"
        )
    if (rows["label"] == ALL_LABELS).any():
        raise UsageError(f"a label called {ALL_LABELS!r}", "rename it: the summary uses this name")
    twice = rows.duplicated(ROW)
    if twice.any():
        first = rows.loc[twice, ROW].iloc[0]
        example = ", ".join(str(value) for value in first if value != "")
        count = int(twice.sum())
        raise UsageError(
            f"{count} rows are there twice, such as {example}",
            "give each image, label and method once",
        )


def groups(table: pd.DataFrame, keys: list[str]) -> Iterator[tuple[Key, pd.DataFrame]]:
    """Groups in order of appearance; none of an empty table, which need not have columns.

    Args:
        table: any.
        keys: columns whose values make a group; missing values are a group of their own.

    >>> table = pd.DataFrame({"label": ["b", "a", "b"], "value": [1, 2, 3]})
    >>> [(key, rows["value"].tolist()) for key, rows in groups(table, ["label"])]
    [(('b',), [1, 3]), (('a',), [2])]
    """
    if not table.empty:
        yield from table.groupby(keys, sort=False, observed=True, dropna=False)
