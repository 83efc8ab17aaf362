"""The maps of an evaluation to look at: the best, the median and the worst by one metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.evaluation.maps.row_tables import about, check_rows, preferred_score, title

declare(
    "chosen_maps",
    {
        "none": "No metric with a direction has a value, so no case is shown.",
        "rule": (
            "Chosen by {quantity} ({direction} is better) among {count} explanations, one for each "
            "image, label, method and layer; baselines are excluded. The median is number "
            "{median} in this order; ties are resolved by name."
        ),
        "over_ceiling": "{metric} ÷ the ceiling of its grid",
    },
)

PREFERRED = ("average_precision_lift", "road")
"""Metrics to choose by, in this order, before all others."""

Which = Literal["best", "median", "worst"]
COLUMNS = [
    *("image", "label", "method", "layer", "metric"),
    *("output", "value", "chance", "ceiling"),
]


@dataclass(frozen=True)
class ChosenMap:
    """One explanation to look at: the best, median or worst of an evaluation by one metric."""

    which: Which
    image: str
    label: str
    method: str
    layer: str
    metric: str
    output: str
    value: float
    chance: float
    ceiling: float


@dataclass(frozen=True)
class ChosenMaps:
    """The chosen maps, and the rule by which they were chosen.

    Attributes:
        rule: a sentence for the reader: the metric, its better end and the number of maps.
        maps: best first; none where no metric has a better end.
    """

    rule: Message
    maps: tuple[ChosenMap, ...]


def best_median_worst(rows: pd.DataFrame, metric: str | None = None) -> ChosenMaps:
    """The best, median and worst explanation, each once; baselines left out.

    Args:
        rows: of :mod:`~camlucida.evaluation.maps.row_tables`.
        metric: to choose by; None takes the first of ``PREFERRED`` that has a value, else the first
            metric with a direction, of the preferred model output. A score with ceilings goes by
            score ÷ ceiling. Equal ones go by name.

    Raises:
        UsageError: a metric without a direction, or rows that are not those of an evaluation.
    """
    check_rows(rows)
    of_methods = rows[~rows["baseline"].astype(bool)]
    for name in _candidates(of_methods) if metric is None else [metric]:
        if about(name).direction == "none":
            raise UsageError(
                f"best and worst by {name}",
                "it describes, and has no better end; choose a metric with a direction",
            )
        of_metric = of_methods["metric"] == name
        measured = of_methods[of_metric & np.isfinite(of_methods["value"])]
        if not measured.empty:
            output = preferred_score(measured["output"].unique())
            return _chosen(name, output, measured[measured["output"] == output])
    return ChosenMaps(Message("chosen_maps.none"), ())


def _candidates(rows: pd.DataFrame) -> list[str]:
    """The metrics with a direction, the preferred ones first."""
    names = dict.fromkeys(rows["metric"])
    directional = [name for name in names if about(name).direction != "none"]
    return [*(name for name in PREFERRED if name in directional), *directional]


def _chosen(name: str, output: str, rows: pd.DataFrame) -> ChosenMaps:
    direction = about(name).direction
    quantity = title(name, output)
    score = rows["value"]
    bounded = rows["ceiling"] > 0
    if bounded.any():
        score = (rows["value"] / rows["ceiling"])[bounded]
        quantity = Message("chosen_maps.over_ceiling", {"metric": quantity})
    loss = -score if direction == "higher" else score
    ranked = rows.loc[score.index].assign(loss=loss)
    ranked = ranked.sort_values(["loss", "image", "label", "method", "layer"], kind="stable")
    median = (len(ranked) - 1) // 2
    rule = Message(
        "chosen_maps.rule",
        {
            "quantity": quantity,
            "direction": Message(f"metric_directions.{direction}"),
            "count": len(ranked),
            "median": median + 1,
        },
    )
    return ChosenMaps(rule, tuple(_picked(ranked, median)))


def _picked(ranked: pd.DataFrame, median: int) -> Iterator[ChosenMap]:
    records = ranked[COLUMNS].to_dict("records")
    positions: dict[Which, int] = {"best": 0, "median": median, "worst": len(ranked) - 1}
    drawn: set[int] = set()
    for which, position in positions.items():
        if position not in drawn:  # of one or two maps, some are the same
            drawn.add(position)
            yield ChosenMap(which, *records[position].values())
