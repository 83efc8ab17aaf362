"""Class specificity of the maps of one image: against permuted labels and the average mask.

A map that knows only where each finding usually lies tells labels apart, too. What a map adds is
its specificity less that of the average mask. A method that draws one map for all labels has the
specificity of permuted labels: its maps could be swapped between labels unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from camlucida.attribution.explanation import Explanation
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.maps import EvaluatedMap
from camlucida.evaluation.maps.samples import MetricSettings, Sample, label_of
from camlucida.evaluation.maps.scores import NAN, Heat, Score
from camlucida.metrics import METRICS, Metric
from camlucida.metrics.annotations import Mask

AVERAGE = "average_mask"
"""The baseline whose specificity is subtracted."""

OfLabels = Mapping[str, float]
"""Label → specificity of a map that is taken for the map of this label."""


@dataclass
class SpecificityScores:
    """Gathers the maps of one image; scores them once all are there.

    Attributes:
        sample: the image with its masks.
        settings: the metrics that are wanted.
    """

    sample: Sample
    settings: MetricSettings
    _maps: list[tuple[EvaluatedMap, dict[str, OfLabels]]] = field(default_factory=list)

    def add(self, each: EvaluatedMap, heat: Heat) -> None:
        """Score a map on the masks of all labels; nothing where fewer than two are annotated."""
        wanted = with_inputs("two masks", "two masks and an average", among=self.settings.metrics)
        masks = {name: mask for name, mask in self.sample.masks.items() if name and mask.any()}
        if len(masks) < 2 or not wanted:
            return
        of_metrics: dict[str, OfLabels] = {}
        for name in wanted:
            of_metrics[name] = specificities(METRICS[name], heat, masks)
        self._maps.append((each, of_metrics))

    def scores(self) -> Iterator[tuple[EvaluatedMap, Explanation, str, Score]]:
        """Map, explanation, metric and score of all that were added."""
        for each, of_metrics in self._maps:
            for explanation in each.explanations.values():
                label = label_of(explanation)
                for name, of_labels in of_metrics.items():
                    score = self._score(each, name, label, of_labels)
                    if score is not None:
                        yield each, explanation, name, score

    def _score(
        self, each: EvaluatedMap, name: str, label: str, of_labels: OfLabels
    ) -> Score | None:
        """None without a mask of the label, or without its average mask where that is needed."""
        if label not in of_labels:
            return None
        less = 0.0
        if METRICS[name].inputs == "two masks and an average":
            average = self._average(each.layer, name, label)
            if average is None:
                return None
            less = average
        return Score(of_labels[label] - less, self._permuted(each, name, label) - less)

    def _average(self, layer: str, name: str, label: str) -> float | None:
        """Specificity of the average mask of a label, on the grid of a layer."""
        for each, of_metrics in self._maps:
            labels = {label_of(explanation) for explanation in each.explanations.values()}
            if (each.method, each.layer) == (AVERAGE, layer) and label in labels:
                return of_metrics[name][label]
        return None

    def _permuted(self, each: EvaluatedMap, name: str, label: str) -> float:
        """Mean over the labels' maps of one method, each taken for the map of this label.

        NaN where only one label has a map.
        """
        values = []
        for other, of_metrics in self._maps:
            if (other.method, other.layer) != (each.method, each.layer):
                continue
            labels = [label_of(explanation) for explanation in other.explanations.values()]
            annotated = [one for one in labels if one in of_metrics[name]]
            values += [of_metrics[name][label]] * len(annotated)
        return float(np.mean(values)) if len(values) > 1 else NAN


def specificities(metric: Metric, heat: Heat, masks: Mapping[str, Mask]) -> dict[str, float]:
    """Score of a map on each label's mask against those of the others: a mean over the others.

    Args:
        metric: of two masks; where it is a difference of two scores, each mask is scored once.
        heat: the map.
        masks: label → (*original), two or more, none empty.
    """
    values = heat.enlarged_for(metric)
    if metric.of_mask is None:
        return {label: _mean_of_pairs(metric, heat, label, masks) for label in masks}
    scores = {label: float(metric.of_mask(values, mask)) for label, mask in masks.items()}
    total, others = sum(scores.values()), len(scores) - 1
    return {label: score - (total - score) / others for label, score in scores.items()}


def _mean_of_pairs(metric: Metric, heat: Heat, label: str, masks: Mapping[str, Mask]) -> float:
    values = heat.enlarged_for(metric)
    others = [mask for name, mask in masks.items() if name != label]
    return float(np.mean([metric.run(values, masks[label], other) for other in others]))
