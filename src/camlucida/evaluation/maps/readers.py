"""Maps beside readers: how well readers agree with each other, and a map with each of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from camlucida.core.messages import Message, Value, declare
from camlucida.metrics.annotation_overlap import iou_area_matched
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.intervals import Interval
from camlucida.metrics.statistics import mean_interval

LEVEL = 0.95
"""Coverage of the intervals."""

declare(
    "readers",
    {
        "agreement": (
            "{label}: the boxes of two readers have an IoU of {readers:.2f} ({interval}{pairs} "
            "{pairs:|image|images} that two or more marked); {method}, cut to the area of each "
            "reader's boxes, has {map:.2f} with a reader ({map_interval}{count} "
            "{count:|image|images})"
        ),
        "interval": "{level:.0%} interval {low:.2f} to {high:.2f} by patient; ",
    },
)


def reader_scores(values: Floats, readers: Mapping[str, Mask]) -> dict[str, Any]:
    """A map and readers' masks of one label in one image.

    Args:
        values: (H, W) the map.
        readers: reader → mask (H, W); those who marked the label.

    Returns:
        ``readers``, their number; ``reader_iou``, the mean IoU of their pairs, NaN for one reader;
        ``map_iou``, the mean over readers of :func:`iou_area_matched`.

    >>> mask = np.eye(2, dtype=bool)
    >>> scores = reader_scores(np.eye(2), {"R1": mask, "R2": np.ones((2, 2), bool)})
    >>> scores["readers"], scores["reader_iou"], scores["map_iou"]
    (2, 0.5, 1.0)
    """
    masks = list(readers.values())
    pairs = [_iou(first, second) for first, second in combinations(masks, 2)]
    of_map = [iou_area_matched(values, mask) for mask in masks]
    return {
        "readers": len(masks),
        "reader_iou": float(np.mean(pairs)) if pairs else float("nan"),
        "map_iou": float(np.mean(of_map)),
    }


def reader_notes(rows: pd.DataFrame) -> list[Message]:
    """The agreement of readers, and of each map with them, one line a label, method and layer.

    Args:
        rows: one an image, label, method and layer, with the columns of :func:`reader_scores` and
            the image's ``patient``. Intervals have :data:`LEVEL`; there is none of few patients.
    """
    notes = []
    keys = ["label", "method", "layer"]
    for (label, method, _), group in rows.groupby(keys, sort=False) if len(rows) else ():
        if group["reader_iou"].isna().all():
            continue
        readers, of_map = (_mean(group, column) for column in ("reader_iou", "map_iou"))
        values: dict[str, Value] = {"label": str(label), "method": str(method)}
        values |= {"readers": readers.estimate, "pairs": readers.rows}
        values |= {"map": of_map.estimate, "count": of_map.rows}
        values |= {"interval": _bounds(readers), "map_interval": _bounds(of_map)}
        notes.append(Message("readers.agreement", values))
    return notes


def _mean(rows: pd.DataFrame, column: str) -> Interval:
    return mean_interval(rows[column].to_numpy(), rows["patient"].to_numpy(), level=LEVEL)


def _bounds(interval: Interval) -> Value:
    """The interval, for brackets that go on; "" where there is none."""
    if interval.interval_method == "none":
        return ""
    values: dict[str, Value] = {"low": interval.low, "high": interval.high, "level": LEVEL}
    return Message("readers.interval", values)


def _iou(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / (first | second).sum())
