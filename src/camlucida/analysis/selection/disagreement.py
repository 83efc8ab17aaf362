"""Images on which models, seeds or folds differ most."""

from __future__ import annotations

from typing import Any

import pandas as pd

from camlucida.analysis.selection.base import RuleRequest, Selected, nothing, rule
from camlucida.analysis.selection.pool import MODEL, Pool, first, of_classes, share
from camlucida.core.messages import Message, Value, chain, declare, named

declare(
    "selection",
    {
        "disagreement": (
            "{chosen} of {cases} {cases:|case|cases}{short} with maps by two or more of "
            "{models} models: widest range of {measured} across the models first{first}"
        ),
        "other_classes": ", cases with different predicted classes ({count}) before all others",
        "value": "the value",
        "dice": "the Dice",
        "probability": "the probability",
        "none_of_two": "none: two models are needed, and there {models:|is|are} {models}",
        "none_shared": "none: no case has a map and {measured} from two models",
    },
)

MEASURED = {"regression": "value", "segmentation": "dice"}
"""Task → column whose range over the models counts; else "probability"."""


@rule(
    "disagreement",
    (
        "the widest range, over the models, of the probability, value or Dice; other predicted "
        "classes first"
    ),
    title="disagreement between models",
    role="disagreement",
)
def disagreement(pool: Pool, request: RuleRequest) -> Selected:
    """The maps of all models of each chosen case, each by its first method and layer.

    It needs two models on the same image. Classes: images for which other classes are predicted
    first, then by the probability of the class. Segmentations: Dice where any is known, otherwise
    the probability over the region.
    """
    parts = [Pool(part).candidates() for _, part in pool.cases.groupby(MODEL, sort=False)]
    if len(parts) < 2:
        return nothing(request, Message("selection.none_of_two", {"models": len(parts)}))
    if not pool.loss:
        return nothing(request, pool.unjudged)
    every = pd.concat(parts)
    classes, task = bool(of_classes(every).any()), str(every["task"].iloc[0])
    column = MEASURED.get(task, "probability")
    if column == "dice" and not every["dice"].notna().any():
        column = "probability"
    groups = every.groupby(["path", every["label"].where(~of_classes(every), "")], sort=False)
    compared = [_compared(rows, column, classes) for _, rows in groups if len(rows) > 1]
    table = pd.DataFrame(compared, columns=["image", "label", "path", "rows", "classes", "range"])
    table = table.dropna(subset=["range"])
    measured = Message(f"selection.{column}")
    if table.empty:
        return nothing(request, Message("selection.none_shared", {"measured": measured}))
    ahead = (table["classes"] > 1) * (1 + table["range"].max())
    chosen = first(table, -(table["range"] + ahead), request.count)
    rows: list[Any] = []
    for of_case in chosen["rows"]:
        rows += of_case
    ahead_of = Message("selection.other_classes", {"count": int((table["classes"] > 1).sum())})
    values: dict[str, Value] = {
        "measured": measured,
        "models": len(parts),
        "first": ahead_of if classes else Message("words.nothing"),
    }
    message = Message("selection.disagreement", {**share(request.count, len(table)), **values})
    description = chain("words.clause", [message, Message("selection.equal")])
    roles = [named(str(model)) for model in every.loc[rows, "model"]]
    return Selected(request.text, description, rows, roles)


def _compared(rows: pd.DataFrame, column: str, classes: bool) -> tuple[object, ...]:
    """One case by several models: where and what, rows, number of predicted classes, range."""
    head, values = rows.iloc[0], rows[column]
    spread = float("nan")
    if values.notna().sum() > 1:
        spread = values.max() - values.min()
    # Probabilities of different classes cannot be compared.
    other = classes and rows["label"].nunique() > 1
    count = rows["predicted"].nunique() if classes else 1
    return (
        head["image"],
        "" if classes else head["label"],
        head["path"],
        list(rows.index),
        count,
        0.0 if other else spread,
    )
