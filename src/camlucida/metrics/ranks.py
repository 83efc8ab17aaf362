"""AUC and average precision of one label under any weights of its patients.

The rows are sorted once; the weights of a bootstrap then cost sums alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camlucida.metrics.bootstrap import Floats, Integers, divide


@dataclass(frozen=True)
class Ranks:
    """Positives and negatives of a label by score.

    Weighted counts of patients below a score are differences of cumulated weights.

    Attributes:
        positive, negative: (positives,) and (negatives,) patient of each, by ascending score.
        below, up_to: (positives,) negatives with a lower score, and with a lower or equal one.
        positives_below: (positives,) positives with a lower score.
    """

    positive: Integers
    negative: Integers
    below: Integers
    up_to: Integers
    positives_below: Integers

    @classmethod
    def of(cls, score: Floats, patient: Integers, truth: Floats) -> Ranks:
        """Sort the rows of a label.

        Args:
            score: (rows,) ascending with the probability.
            patient: (rows,) number of each row's patient.
            truth: (rows,) 0 or 1.

        >>> ranks = Ranks.of(np.array([0.2, 0.8]), np.array([0, 1]), np.array([0.0, 1.0]))
        >>> ranks.figures(np.ones((1, 2))).tolist()
        [[1.0, 1.0]]
        """
        order = np.argsort(score, kind="stable")
        score, patient, is_positive = score[order], patient[order], truth[order] > 0
        of_positives, of_negatives = score[is_positive], score[~is_positive]
        return cls(
            positive=patient[is_positive],
            negative=patient[~is_positive],
            below=np.searchsorted(of_negatives, of_positives, "left"),
            up_to=np.searchsorted(of_negatives, of_positives, "right"),
            positives_below=np.searchsorted(of_positives, of_positives, "left"),
        )

    def figures(self, weights: Floats) -> Floats:
        """(r, 2): AUC and AP of patients' weights (r, patients).

        AUC: share of pairs in order, ties a half (Hanley and McNeil 1982). AP: mean over the
        positives of the precision at their score, as in scikit-learn.
        """
        positive, negatives = weights[:, self.positive], _cumulated(weights[:, self.negative])
        positives = _cumulated(positive)
        many, others = positives[:, -1], negatives[:, -1]
        under = negatives[:, self.below]
        auc = divide((positive * (under + negatives[:, self.up_to])).sum(1) / 2, many * others)
        hits = many[:, None] - positives[:, self.positives_below]
        # Undefined only where the weight is 0.
        precision = np.nan_to_num(divide(hits, hits + others[:, None] - under))
        return np.stack([auc, divide((positive * precision).sum(1), many)], axis=1)


def _cumulated(weights: Floats) -> Floats:
    """(r, n) → (r, n + 1): 0, then sums from the left."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
