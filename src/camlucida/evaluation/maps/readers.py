"""Maps beside readers: how well readers agree with each other, and a map with each of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from camlucida.core.messages import Message, Value, declare
from camlucida.io.records import records_of
from camlucida.metrics.annotation_overlap import iou_area_matched
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.statistics import mean_interval

READERS = "readers.csv"
"""Agreement of readers, and of maps with them, of each image and label."""

AGREEMENT = "agreement"
"""Name of the note."""

KEYS = ["label", "method", "layer"]
SCORES = ("reader_iou", "map_iou")

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


def reader_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean agreement of readers, and of each map with them.

    Args:
        rows: one an image, label, method and layer, with the columns of :func:`reader_scores` and
            the image's ``patient``.

    Returns:
        One row a label, method and layer for which two readers marked an image:
        ``reader_iou``, ``map_iou``, with ``_low`` and ``_high`` of :data:`LEVEL` by patient (NaN
        where there are few patients) and ``_images``, whose mean each is.
    """
    lines: list[dict[str, Any]] = []
    for key, group in rows.groupby(KEYS, sort=False) if len(rows) else ():
        if group["reader_iou"].isna().all():
            continue
        line: dict[str, Any] = dict(zip(KEYS, key))
        for name in SCORES:
            mean = mean_interval(group[name].to_numpy(), group["patient"].to_numpy(), level=LEVEL)
            line |= {name: mean.estimate, f"{name}_low": mean.low, f"{name}_high": mean.high}
            line[f"{name}_images"] = mean.rows
        lines.append(line)
    return pd.DataFrame(lines)


def reader_notes(rows: pd.DataFrame) -> list[Message]:
    """The agreement of readers, and of each map with them, one line a label, method and layer.

    Args:
        rows: as of :func:`reader_summary`.
    """
    notes = []
    for line in records_of(reader_summary(rows)):
        values: dict[str, Value] = {"label": str(line["label"]), "method": str(line["method"])}
        values |= {"readers": line["reader_iou"], "pairs": line["reader_iou_images"]}
        values |= {"map": line["map_iou"], "count": line["map_iou_images"]}
        values["interval"] = _bounds(line["reader_iou_low"], line["reader_iou_high"])
        values["map_interval"] = _bounds(line["map_iou_low"], line["map_iou_high"])
        notes.append(Message(f"readers.{AGREEMENT}", values))
    return notes


def _bounds(low: float, high: float) -> Value:
    """The interval, for brackets that go on; "" where there is none."""
    if np.isnan(low):
        return ""
    return Message("readers.interval", {"low": low, "high": high, "level": LEVEL})


def _iou(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / (first | second).sum())
