"""The tidy tables of an evaluation, and how they grow image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from camlucida.attribution.explanation import Explanation
from camlucida.core.failures import Failure
from camlucida.core.messages import Message
from camlucida.evaluation.maps.maps import EvaluatedMap
from camlucida.evaluation.maps.samples import Sample
from camlucida.evaluation.maps.scores import NAN, Score
from camlucida.metrics.queue import Count

PLACE = ("image", "patient", "label", "method", "layer", "baseline")
"""Columns that say which map a row is of."""

SCORE = ("metric", "output", "value", "chance", "ceiling")
EXPLANATION = ("empty", "score", "probability", "synthetic")
ROW = (*PLACE, *SCORE, *EXPLANATION)
CURVE = (*PLACE, "curve", "output", "share", "value")
BOXES = (*PLACE, "found", "truth", "accuracy")


@dataclass(frozen=True)
class MapColumns:
    """The columns of a map that are the same in all of its rows: ``PLACE`` and ``EXPLANATION``."""

    place: tuple[Any, ...]
    explanation: tuple[Any, ...]


@dataclass
class Tables:
    """What was measured.

    Attributes:
        rows: columns ``ROW``: one an image, label, method, layer, metric and model output.
        curves: columns ``CURVE``: one a point of a perturbation curve.
        boxes: columns ``BOXES``: one an image, label, method and layer, for the metrics of all
            boxes.
        failures: images that could not be evaluated.
        notes: for the reader.
        count: of altered images and forward passes.
        shown_layers: method and layer → the layer as people read it, where its name says less: of
            maps that are made of several layers or blocks.
    """

    rows: pd.DataFrame
    curves: pd.DataFrame
    boxes: pd.DataFrame
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    count: Count = field(default_factory=Count)
    shown_layers: dict[tuple[str, str], str] = field(default_factory=dict)


class TableBuilder:
    """Gathers the rows of all images; packs them into frames as it goes, which are smaller."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._frames: list[pd.DataFrame] = []
        self._curves: list[tuple[Any, ...]] = []
        self._boxes: list[tuple[Any, ...]] = []
        self._shown_layers: dict[tuple[str, str], str] = {}

    def show_layer(self, each: EvaluatedMap) -> None:
        """Keep how people read the layer of a map; that of the first image counts."""
        shown = each.first.shown_layer
        if not each.baseline and shown != each.layer:
            self._shown_layers.setdefault((each.method, each.layer), shown)

    def score(
        self,
        sample: Sample,
        each: EvaluatedMap,
        explanation: Explanation,
        name: str,
        score: Score,
        output: str = "",
    ) -> None:
        """One row: the score of a map by the metric ``name``."""
        self.add(map_columns(sample, each, explanation), name, score, output)

    def add(self, columns: MapColumns, name: str, score: Score, output: str = "") -> None:
        """One row of a map of which only the columns are at hand; see :func:`map_columns`."""
        numbers = (name, output, score.value, score.chance, score.ceiling)
        self._rows.append((*columns.place, *numbers, *columns.explanation))

    def curve(
        self,
        sample: Sample,
        each: EvaluatedMap,
        explanation: Explanation,
        curve: tuple[str, str],
        points: Sequence[tuple[float, float]],
    ) -> None:
        """The points (altered share, score) of a curve: (name, model output)."""
        common = (*_place(sample, each, explanation), *curve)
        self._curves += [(*common, share, value) for share, value in points]

    def boxes(
        self,
        sample: Sample,
        each: EvaluatedMap,
        explanation: Explanation,
        table: dict[str, list[Any]],
    ) -> None:
        """One row: the boxes of a map, see :func:`camlucida.evaluation.maps.scores.box_table`."""
        common = _place(sample, each, explanation)
        self._boxes.append((*common, table["found"], table["truth"], table["accuracy"]))

    def pack(self) -> None:
        """The rows so far as a frame."""
        if self._rows:
            self._frames.append(pd.DataFrame(self._rows, columns=list(ROW)))
            self._rows.clear()

    def tables(self, failures: list[Failure], notes: list[Message], count: Count) -> Tables:
        """All that was gathered."""
        self.pack()
        rows = pd.DataFrame([], columns=list(ROW))
        if self._frames:
            rows = pd.concat(self._frames, ignore_index=True)
        curves = pd.DataFrame(self._curves, columns=list(CURVE))
        boxes = pd.DataFrame(self._boxes, columns=list(BOXES))
        return Tables(rows, curves, boxes, failures, notes, count, self._shown_layers)


def map_columns(sample: Sample, each: EvaluatedMap, explanation: Explanation) -> MapColumns:
    """The columns of a map's rows, for metrics that are known once all images are there."""
    probability = NAN if explanation.probability is None else explanation.probability
    about = (explanation.is_empty, explanation.score, probability, sample.scan.synthetic)
    return MapColumns(_place(sample, each, explanation), about)


def _place(sample: Sample, each: EvaluatedMap, explanation: Explanation) -> tuple[Any, ...]:
    image = (sample.scan.id, sample.patient, explanation.target)
    return (*image, each.method, each.layer, each.baseline)
