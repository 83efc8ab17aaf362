"""Scores of the maps of one image against its annotations.

The ceilings depend on the annotation and the grid alone, so all maps of a grid share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.evaluation.maps import scores
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.readers import reader_scores
from camlucida.evaluation.maps.samples import MetricSettings, Sample, label_of
from camlucida.evaluation.maps.scores import NAN, Heat, Score
from camlucida.metrics.annotations import Floats, Mask

LabelOnGrid = tuple[str, tuple[int, ...]]


@dataclass
class AnnotationScores:
    """Scores against the annotations of one image, with their ceilings.

    Attributes:
        sample: the image with its masks and boxes.
        settings: the metrics that are wanted, and their options.
    """

    sample: Sample
    settings: MetricSettings
    _best: dict[LabelOnGrid, Heat] = field(default_factory=dict)
    _ceilings: dict[LabelOnGrid, dict[str, float]] = field(default_factory=dict)

    def scores(self, explanation: Explanation, heat: Heat) -> dict[str, Score]:
        """Scores of a map against the annotation of the explained label.

        Args:
            explanation: of the image of this object.
            heat: its map.

        Returns:
            Metric name → score; empty where the label has no annotation.
        """
        label = label_of(explanation)
        truth = self.sample.mask(label)
        if truth is None:
            return {}
        grid = explanation.grid
        names = self.settings.metrics
        options = self.settings.options
        ceilings = self._ceilings_of(label, truth, grid)
        of_label: dict[str, Score] = {}
        against_mask = scores.mask_scores(heat, truth, names, options)
        for name, score in against_mask.items():
            ceiling = ceilings.get(name, NAN)
            of_label[name] = replace(score, ceiling=ceiling)
        boxes = self._boxes_of(label)
        if boxes is not None:
            best = self._best_heat(label, truth, grid)
            of_label |= scores.box_scores(heat, best, boxes, names)
        self._score_readers(explanation, heat)
        return of_label

    def _score_readers(self, explanation: Explanation, heat: Heat) -> None:
        """Add the agreement of a map with each reader, where the ground truth has readers."""
        label = label_of(explanation)
        readers = self.sample.readers.get(label)
        if not readers:
            return
        row = {"image": self.sample.scan.id, "patient": self.sample.patient, "label": label}
        row |= {"method": explanation.method, "layer": explanation.layer}
        self.sample.reader_rows.append({**row, **reader_scores(heat.original, readers)})

    def boxes(self, explanation: Explanation, heat: Heat) -> dict[str, list[Any]] | None:
        """What the metrics of all boxes together need of this image.

        Args:
            explanation, heat: as for :meth:`scores`.

        Returns:
            See :func:`~camlucida.evaluation.maps.scores.box_table`; None where the label has no
            box or no such metric is wanted.
        """
        label = label_of(explanation)
        boxes = self._boxes_of(label)
        wanted = with_inputs("all boxes", among=self.settings.metrics)
        if boxes is None or self.sample.mask(label) is None or not wanted:
            return None
        # Without a probability every image weighs the same in the ranking of all boxes.
        probability = 1.0 if explanation.probability is None else explanation.probability
        return scores.box_table(heat.original, boxes, probability)

    def _boxes_of(self, label: str) -> Floats | None:
        key = self.sample.annotation_key(label)
        return self.sample.boxes.get(key)

    def _best_heat(self, label: str, truth: Mask, grid: tuple[int, ...]) -> Heat:
        """The best map of a grid for the annotation of a label."""
        key = (label, grid)
        if key not in self._best:
            geometry = self.sample.scan.geometry
            self._best[key] = scores.best_heat(truth, grid, geometry)
        return self._best[key]

    def _ceilings_of(self, label: str, truth: Mask, grid: tuple[int, ...]) -> dict[str, float]:
        """Metric name → score of the best map."""
        key = (label, grid)
        if key not in self._ceilings:
            best = self._best_heat(label, truth, grid)
            names = self.settings.metrics
            options = self.settings.options
            self._ceilings[key] = scores.mask_ceilings(best, truth, names, options)
        return self._ceilings[key]
