"""The columns of the cases: what each is called and what it means, for people."""

from __future__ import annotations

from typing import Any

import pandas as pd

from camlucida.metrics import METRICS
from camlucida.web.comparisons import AGREEMENT, PLURALS, SAME, VERDICT
from camlucida.web.plain import plain

METRIC = "metric_"
"""Before the name of a metric, in the column of its value."""

FEW = 500
"""Most values of a column that can be chosen from a list."""

MEANINGS = {
    "probability": ("probability", "What the model predicts for the label: its confidence."),
    "score": ("score", "The model's output that the map explains."),
    "loss": ("loss", "How far the prediction is from the ground truth; 0 is right."),
    "error": ("error", "Predicted value minus true value."),
    "artefact_share": (
        "Heat on artefacts",
        "Share of the positive heat on the border, on burned-in text or outside the body.",
    ),
    "artefact_area": (
        "Area of artefacts",
        "Share of the film that is border, burned-in text or outside the body: the heat on "
        "artefacts of an even map.",
    ),
}
"""Column → title and meaning."""


def titled(name: str) -> tuple[str, str]:
    """Title and meaning of a column; the meaning is "" where the title says it.

    Args:
        name: of the column.

    >>> titled("agreement_seed")[0]
    'Agreement across seeds'
    >>> titled("split")
    ('split', '')
    """
    if name in MEANINGS:
        return MEANINGS[name]
    if name.startswith(METRIC):
        return _of_metric(name.removeprefix(METRIC))
    for prefix, about in _COMPARED.items():
        others = PLURALS.get(name.removeprefix(prefix))
        if name.startswith(prefix) and others is not None:
            return about[0].format(others=others), about[1].format(others=others)
    return name, ""


_COMPARED = {
    AGREEMENT: (
        "Agreement across {others}",
        "How much more alike the map is to those of the other {others} than maps of different "
        "patients are: 1 is the same map, 0 is no more alike.",
    ),
    SAME: (
        "Same prediction across {others}",
        "Share of pairs of {others} that predict the same.",
    ),
    VERDICT: (
        "Verdict across {others}",
        "What camlucida compare concludes of the case.",
    ),
}


_PLAIN = {
    "road": (
        "How much more the score falls when the hottest pixels are removed than when the coldest "
        "are: above 0, the score follows the map."
    ),
    "hit": "Whether the hottest place of the map lies in the annotation: 1 is yes, 0 is no.",
}
"""Metrics that stand first in a case: what they mean for a reader who does not know them."""


def _of_metric(name: str) -> tuple[str, str]:
    """Of a metric; the part behind a colon is the region or zone that it was measured in."""
    registered, _, part = name.partition(":")
    metric = METRICS[registered]
    title = f"{metric.title}: {part.replace('_', ' ')}" if part else metric.title
    return title, _PLAIN.get(registered, metric.description)


def column(name: str, values: pd.Series) -> dict[str, Any]:
    """A column for the pages: its kind, and its range or its values.

    Args:
        name: of the column.
        values: of all cases.
    """
    title, meaning = titled(name)
    about = {"name": name, "title": title, "meaning": meaning}
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.dropna()
        ends = [plain(numbers.min()), plain(numbers.max())] if len(numbers) else [None, None]
        return about | {"kind": "number", "range": ends}
    texts = values.dropna().astype(str)
    distinct = sorted(set(texts) - {""})
    listed = distinct if len(distinct) <= FEW else []
    return about | {"kind": "text", "values": listed}
