"""The consistency of a label's maps: what a metric of all images needs of each, and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.evaluation.maps.maps import EvaluatedMap
from camlucida.evaluation.maps.rows import MapColumns
from camlucida.evaluation.maps.samples import Sample, label_of
from camlucida.evaluation.maps.scores import Score
from camlucida.evaluation.maps.undefined import Undefined
from camlucida.metrics.consistency import MOST, overlaps, pseudo_values
from camlucida.metrics.multilabel import DECISION_THRESHOLD

NAME = "c_score"
"""The metric of maps of labels."""


@dataclass(frozen=True)
class _Kept:
    """One map on a true positive; nothing else of its image is kept."""

    heat: NDArray[np.float32]
    label: str
    patient: str
    image: str
    weight: float
    columns: MapColumns


@dataclass
class ConsistencyScores:
    """Gathers the maps of all images that show a true positive; scores them once all are there.

    Attributes:
        undefined: gains the reason where a map has no score.
    """

    undefined: Undefined
    _maps: dict[tuple[str, str, tuple[int, ...]], list[_Kept]] = field(default_factory=dict)

    def add(
        self, sample: Sample, each: EvaluatedMap, explanation: Explanation, columns: MapColumns
    ) -> None:
        """Keep a map where its label is true and predicted.

        Args:
            sample: the image.
            each: the map.
            explanation: of the label.
            columns: of its row.
        """
        label, image = label_of(explanation), sample.scan.id
        if not _is_true(sample, label) or not (explanation.decided or 0.0) >= DECISION_THRESHOLD:
            self.undefined.add(NAME, "no_consistency.not_recognised", image, explanation.target)
            return
        kept = self._maps.setdefault((each.method, each.layer, explanation.grid), [])
        if sum(other.label == label for other in kept) >= MOST:
            self.undefined.add(NAME, "no_consistency.beyond", image, explanation.target)
            return
        heat = np.asarray(each.native.detach().cpu().numpy(), np.float32)
        weight = float(explanation.probability or 0.0)
        kept.append(_Kept(heat, label, sample.patient, image, weight, columns))

    def scores(self) -> Iterator[tuple[MapColumns, str, Score]]:
        """Columns, metric and score of each map that was kept."""
        for maps in self._maps.values():
            overlap = overlaps([kept.heat for kept in maps])
            labels = [kept.label for kept in maps]
            patients = [kept.patient for kept in maps]
            weights = [kept.weight for kept in maps]
            for label in dict.fromkeys(labels):
                values = pseudo_values(overlap, labels, patients, weights, label)
                of_label = [kept for kept in maps if kept.label == label]
                for kept in of_label:
                    value = values[kept.patient]
                    if np.isnan(value):
                        self.undefined.add(NAME, "no_consistency.few", kept.image, label)
                    yield kept.columns, NAME, Score(value, 0.0)


def _is_true(sample: Sample, label: str) -> bool:
    """Whether the label is known to be true of the image: by its table, or by an annotation."""
    if sample.positives is not None and label in sample.positives:
        return True
    mask = sample.masks.get(label)
    return mask is not None and bool(mask.any())
