"""Figures of each label and of all labels: means with intervals by patient, beside chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from camlucida.evaluation.chexlocalize.measure import COUNTS, OTSU, Measured
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.metrics.chexlocalize import pixel_rates
from camlucida.metrics.intervals import Interval, IntervalMethod
from camlucida.metrics.statistics import mean_interval, ratio_interval

NAN = float("nan")
ALL_LABELS = "all labels"
SERIES = ["model", "method", "layer"]


@dataclass(frozen=True)
class Figure:
    """One figure of the maps of a model, method and layer.

    Attributes:
        model, method, layer: whose maps; "" where the source does not say.
        label: or :data:`ALL_LABELS`: the mean of the labels' figures.
        metric: ``iou``, ``iou_all``, ``hit``, or over all pixels ``precision``, ``recall``,
            ``specificity``.
        segmentation: ``otsu`` or ``tuned``; "" where none is needed.
        estimate, low, high, interval_method: see
            :class:`~camlucida.metrics.intervals.Interval`.
        chance: expected without information on where the finding is.
        ceiling: of the best map of the grid.
        images, patients: that count in the figure.
        without_value: maps of positive images that have no value, such as those that segment
            nothing.
    """

    model: str
    method: str
    layer: str
    label: str
    metric: str
    segmentation: str
    estimate: float
    low: float
    high: float
    interval_method: IntervalMethod
    chance: float
    ceiling: float
    images: int
    patients: int
    without_value: int


FIGURE_COLUMNS = [item.name for item in fields(Figure)]


def summarise_maps(measured: Measured) -> pd.DataFrame:
    """A row a figure, in the order of models, methods, layers and labels.

    - ``iou``, ``iou_all`` and ``hit`` are means over the positive images. Chance: the same mask
      with the segmentation moved elsewhere; for a hit, the segmentation's share of the image.
    - ``precision``, ``recall`` and ``specificity`` are over the pixels of all images. Chance: a
      mask of the same size anywhere, that is the share of pixels inside the segmentations, the
      share inside the masks, and one less that share.

    Args:
        measured: of :func:`~camlucida.evaluation.chexlocalize.measure.measure_maps`.

    Returns:
        The columns of :class:`Figure`.
    """
    figures = [*_means(measured.rows), *_rates(measured.pixels)]
    table = pd.DataFrame([asdict(figure) for figure in figures], columns=FIGURE_COLUMNS)
    labels = table["label"].nunique()
    if labels > 1:
        table = pd.concat([table, _over_labels(table)], ignore_index=True)
    return table


def _means(rows: pd.DataFrame) -> Iterator[Figure]:
    keys = [*SERIES, "label", "metric", "segmentation"]
    for names, part in rows.groupby(keys, sort=False):
        is_hit = names[-2] == "hit"
        interval = mean_interval(part["value"], part["patient"].tolist(), proportion=is_hit)
        present = part[part["value"].notna()]
        chance, ceiling = (_mean(present[name]) for name in ("chance", "ceiling"))
        yield _figure(names, interval, chance, ceiling, part["image"].nunique() - len(present))


def _rates(pixels: pd.DataFrame) -> Iterator[Figure]:
    keys = [*SERIES, "label", "segmentation"]
    for (*series, label, segmentation), part in pixels.groupby(keys, sort=False):
        best = part[[f"ceiling_{name}" for name in COUNTS]].to_numpy()
        ceilings = pixel_rates(best)
        chances = _chances(part)
        positives = part.loc[part["positive"].astype(bool), "patient"].nunique()
        for metric, (top, bottom) in _parts(part).items():
            # An image without such a pixel says nothing, and its patient does not count.
            counted = np.where(bottom > 0, bottom, np.nan)
            interval = ratio_interval(top, counted, part["patient"].tolist())
            if metric != "specificity":
                interval = _of_positives(interval, positives)
            names = (*series, label, metric, segmentation)
            yield _figure(names, interval, chances[metric], ceilings[metric], 0)


def _of_positives(interval: Interval, positives: int) -> Interval:
    """Precision and recall rest on the patients who have the finding.

    Where no patient has it, precision is 0 whatever the map, and says nothing of it.
    """
    if positives >= MIN_POSITIVES:
        return interval
    estimate = interval.estimate if positives else NAN
    return replace(interval, estimate=estimate, low=NAN, high=NAN, interval_method="none")


def _parts(part: pd.DataFrame) -> dict[str, tuple[Any, Any]]:
    """Numerator and denominator of each image."""
    tp, fp, tn, fn = (part[name].to_numpy(np.float64) for name in COUNTS)
    return {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "specificity": (tn, tn + fp)}


def _chances(part: pd.DataFrame) -> dict[str, float]:
    tp, fp, tn, fn = (float(part[name].sum()) for name in COUNTS)
    pixels = tp + fp + tn + fn
    inside, predicted = (tp + fn) / pixels, (tp + fp) / pixels
    return {"precision": inside, "recall": predicted, "specificity": 1 - predicted}


def _figure(
    names: tuple[Any, ...], interval: Interval, chance: float, ceiling: float, without: int
) -> Figure:
    model, method, layer, label, metric, segmentation = map(str, names)
    return Figure(
        model=model,
        method=method,
        layer=layer,
        label=label,
        metric=metric,
        segmentation=segmentation,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        interval_method=interval.interval_method,
        chance=chance,
        ceiling=ceiling,
        images=interval.rows,
        patients=interval.patients,
        without_value=without,
    )


def _over_labels(table: pd.DataFrame) -> pd.DataFrame:
    """The mean of the labels' figures: as published, each label counts the same."""
    keys = [*SERIES, "metric", "segmentation"]
    rows = []
    for names, part in table.groupby(keys, sort=False):
        known = part[part["estimate"].notna()]
        row = dict(zip(keys, names))
        row |= {name: _mean(known[name]) for name in ("estimate", "chance", "ceiling")}
        row |= {"label": ALL_LABELS, "low": NAN, "high": NAN, "interval_method": "none"}
        # The images of one label are those of another: their numbers do not add up.
        row |= {"images": 0, "patients": 0, "without_value": int(part["without_value"].sum())}
        rows.append(row)
    return pd.DataFrame(rows, columns=FIGURE_COLUMNS)


def _mean(column: pd.Series) -> float:
    known = column[column.notna()]
    return float(known.mean()) if len(known) else NAN


def primary(table: pd.DataFrame) -> list[str]:
    """The segmentations of a summary, Otsu's first."""
    names = [name for name in dict.fromkeys(table["segmentation"]) if name]
    return sorted(names, key=lambda name: name != OTSU)
