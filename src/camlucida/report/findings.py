"""The comparison that decides about a method, in a sentence: does it exceed what ignores the model?

For each evaluated method and main metric: the paired difference from the best of the baselines that
use neither the model nor the annotation of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any

import pandas as pd

from camlucida.core.messages import Estimate, Message, Value, declare
from camlucida.evaluation.maps.summary import headline, over_all_labels, title
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.report.evaluations import Evaluation

NAMED = ("sobel", "center")
"""Baselines that a discussion names each: is a map more than the edges, or the middle?"""

BLIND = ("average_mask", "sobel", "center", "intensity", "random")
"""Baselines that use neither the model nor the annotation of the image."""

declare(
    "findings",
    {
        "average_mask": "the average mask of the other patients",
        "sobel": "an edge filter",
        "center": "a Gaussian at the image centre",
        "intensity": "the brightness of the image",
        "random": "a random map",
        "better": (
            "{method} at {layer} ({model}) is better than {baseline}, the best baseline without "
            "the model, by {metric} (difference {difference:.3g})."
        ),
        "not_shown_better": (
            "{method} at {layer} ({model}) is not shown to be better than {baseline} by {metric} "
            "here (difference {difference:.3g})."
        ),
        "worse": (
            "{method} at {layer} ({model}) is worse than {baseline} by {metric} (difference "
            "{difference:.3g})."
        ),
        "undecided": (
            "{method} at {layer} ({model}) against {baseline} by {metric}: difference "
            "{difference:.3g}. With fewer than {needed} patients it cannot be said which is better."
        ),
    },
)


def findings(evaluation: Evaluation) -> Iterator[Message]:
    """One sentence a method, layer and main metric that has such a baseline.

    Args:
        evaluation: with ``summary`` and ``differences``.

    Yields:
        Codes ``findings.better``, ``.not_shown_better``, ``.worse`` or ``.undecided``.
        ``difference`` is positive where the method is better, whatever the direction of the metric.
    """
    if evaluation.differences.empty or evaluation.summary.empty:
        return
    table = over_all_labels(evaluation.summary)
    for metric, output in headline(evaluation.summary):
        of_metric = table[(table["metric"] == metric) & (table["output"] == output)]
        methods = of_metric[~of_metric["baseline"].astype(bool)]
        for line in methods.to_dict("records"):
            baseline = best_baseline(of_metric[of_metric["layer"] == line["layer"]])
            difference = difference_from(evaluation.differences, line, baseline)
            if difference is not None:
                yield _finding(evaluation.model, line, baseline, difference)


@dataclass(frozen=True)
class AgainstBaseline:
    """The paired difference of a method from a baseline by one main metric.

    Attributes:
        difference: positive where the method is better, whatever the direction of the metric.
        patients: with a value of both.
        favours: "method" or "baseline" where the Holm-adjusted test names one, else "".
    """

    model: str
    method: str
    layer: str
    metric: Message
    baseline: str
    difference: Estimate
    patients: int
    favours: str


def against(evaluation: Evaluation, baselines: Sequence[str] = NAMED) -> Iterator[AgainstBaseline]:
    """Each evaluated method against each of these baselines, by each main metric.

    Args:
        evaluation: with ``summary`` and ``differences``.
        baselines: names of baselines; those that were not measured are left out.
    """
    if evaluation.differences.empty or evaluation.summary.empty:
        return
    table = over_all_labels(evaluation.summary)
    for metric, output in headline(evaluation.summary):
        of_metric = table[(table["metric"] == metric) & (table["output"] == output)]
        methods = of_metric[~of_metric["baseline"].astype(bool)]
        for line, baseline in product(methods.to_dict("records"), baselines):
            row = _difference_row(evaluation.differences, line, baseline)
            if row is not None:
                yield AgainstBaseline(
                    model=evaluation.model,
                    method=str(line["method"]),
                    layer=str(line["layer"]),
                    metric=title(metric, output),
                    baseline=baseline,
                    difference=_better_is_more(row),
                    patients=int(row["patients"]),
                    favours={"first": "method", "second": "baseline"}.get(row["better"], ""),
                )


def best_baseline(rows: pd.DataFrame) -> str:
    """The baseline of :data:`BLIND` with the best mean; "" where none was measured.

    Args:
        rows: of a summary, of one metric, model output and layer.
    """
    blind = rows[rows["method"].isin(BLIND) & rows["estimate"].notna()]
    if blind.empty:
        return ""
    falling = blind["direction"].iloc[0] == "lower"
    return str(blind.sort_values("estimate", ascending=falling, kind="stable")["method"].iloc[0])


def difference_from(
    differences: pd.DataFrame, line: dict[Any, Any], baseline: str
) -> Estimate | None:
    """A method's mean minus that of a baseline, positive where the method is better.

    Args:
        differences: of an evaluation.
        line: a row of its summary, of the method.
        baseline: the name of the baseline.

    Returns:
        None where the difference was not measured.
    """
    row = _difference_row(differences, line, baseline)
    return None if row is None else _better_is_more(row)


def _difference_row(
    differences: pd.DataFrame, line: dict[Any, Any], baseline: str
) -> dict[Any, Any] | None:
    """The row of a method against a baseline; None where there is no finite difference."""
    keys = {name: line[name] for name in ("metric", "output", "layer")}
    keys |= {"first": line["method"], "second": baseline}
    rows = differences
    for name, value in keys.items():
        rows = rows[rows[name] == value]
    if rows.empty or not isfinite(rows["estimate"].iloc[0]):
        return None
    return dict(rows.iloc[0])


def _better_is_more(row: dict[Any, Any]) -> Estimate:
    estimate, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
    if row["direction"] == "lower":
        estimate, low, high = -estimate, -high, -low
    return Estimate(estimate, low, high)


def _finding(model: str, line: dict[Any, Any], baseline: str, difference: Estimate) -> Message:
    values: dict[str, Value] = {
        "method": str(line["method"]),
        "layer": str(line["layer"]),
        "model": model,
        "baseline": Message(f"findings.{baseline}"),
        "metric": title(line["metric"], line["output"]),
        "difference": difference,
    }
    if not isfinite(difference.low):
        return Message("findings.undecided", {**values, "needed": MIN_POSITIVES})
    if difference.low > 0:
        return Message("findings.better", values)
    return Message("findings.worse" if difference.high < 0 else "findings.not_shown_better", values)
