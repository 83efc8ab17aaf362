"""Are the maps of the best images more concentrated than those of the worst?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.messages import Message, declare
from camlucida.metrics.bootstrap import Sampling, difference_of_means
from camlucida.metrics.description import gini
from camlucida.metrics.intervals import IntervalMethod
from camlucida.runs import Run

declare(
    "concentration",
    {
        "compared": (
            "Gini index of the maps: {worst:.3f} in the {count} images of the largest errors, "
            "{best:.3f} in the {count} of the smallest; difference {difference:+.3f} ({interval}; "
            "chance level 0); a map of the worst is the more concentrated one in {share:.0%} of "
            "pairs (chance level 50%; Mann–Whitney U of {patients} patients, p = {p:.2g})"
        ),
        "opposite": (
            "Gini index of the maps: the difference of the means and the pairs of patients point "
            "in opposite directions, so neither is evidence that one group is the more "
            "concentrated; patients with images in both groups count in the means alone"
        ),
        "interval": "95% CI {low:+.3f} to {high:+.3f}",
        "no_interval": "too few patients for an interval",
    },
)

COUNT = 20
"""Images in each of the two groups; half of them where there are fewer."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Concentration:
    """The concentration of the maps of two groups of images.

    Attributes:
        count: images in each group.
        worst, best: mean Gini index of the maps, 0 for an even map and towards 1 for one cell.
        difference: worst − best; its chance level is 0.
        low, high, interval_method: of the difference, patients resampled.
        share: of pairs of patients, one of each group, in which the map of the worst is the more
            concentrated; its chance level is 0.5.
        p: two-sided, of the Mann–Whitney U test of the patients' means.
        patients: in the test: without those who have images in both groups.
    """

    count: int
    worst: float
    best: float
    difference: float
    low: float
    high: float
    interval_method: IntervalMethod
    share: float
    p: float
    patients: int

    @property
    def messages(self) -> list[Message]:
        """The result as a sentence, and one where its two measures disagree in direction."""
        opposite = self.difference * (self.share - 0.5) < 0
        return [self._message, *([Message("concentration.opposite")] if opposite else [])]

    @property
    def _message(self) -> Message:
        interval = Message("concentration.no_interval")
        if np.isfinite(self.low):
            interval = Message("concentration.interval", {"low": self.low, "high": self.high})
        names = ("worst", "best", "count", "difference", "share", "p", "patients")
        values = {name: getattr(self, name) for name in names}
        return Message("concentration.compared", {**values, "interval": interval})

    def frame(self) -> pd.DataFrame:
        """One row, a column an attribute."""
        return pd.DataFrame([asdict(self)], columns=[field.name for field in fields(self)])


def best_against_worst(run: Run, cases: pd.DataFrame, count: int = COUNT) -> Concentration | None:
    """Compare the concentration of the maps of the images of smallest and of largest error.

    Args:
        run: of one model of a regression.
        cases: its rows of the case table, with ``truth`` and ``value``.
        count: images in each group.

    Returns:
        The comparison; None where there are fewer than two images a group.
    """
    known = cases[(cases["target_sign"] == 1) & cases["truth"].notna() & cases["value"].notna()]
    errors = (known["value"] - known["truth"]).abs().sort_values(kind="stable")
    size = min(count, len(errors) // 2)
    if size < 2:
        return None
    chosen = known.loc[[*errors.index[:size], *errors.index[-size:]]]
    maps = run.raw(chosen["explanation"].tolist())
    values = np.array([gini(each.numpy()) for each in maps])
    is_best = np.arange(2 * size) < size
    return compare_concentration(values, is_best, chosen["patient"].tolist())


def compare_concentration(
    values: Floats, is_best: NDArray[np.bool_], patients: Sequence[str]
) -> Concentration | None:
    """Compare two groups of as many images.

    Args:
        values: (images,) Gini index of each map; NaN for an empty one.
        is_best: (images,) of the group of small errors.
        patients: (images,).

    Returns:
        The comparison; None where a group has no map with evidence, or no patient of its own.

    Source: Mann and Whitney 1947.

    >>> values = np.array([0.2, 0.4, 0.6, 0.8])
    >>> best = np.array([True, True, False, False])
    >>> result = compare_concentration(values, best, ["a", "b", "c", "d"])
    >>> round(result.difference, 3), result.share, round(result.p, 3)
    (0.4, 1.0, 0.333)
    """
    from scipy.stats import mannwhitneyu

    frame = pd.DataFrame({"value": values, "best": is_best, "patient": list(patients)}).dropna()
    means = frame.groupby(["patient", "best"])["value"].mean().unstack("best")
    means = means.reindex(columns=[False, True])
    of_one = means[means.isna().any(axis=1)]
    worst, best = of_one[False].dropna(), of_one[True].dropna()
    if worst.empty or best.empty:
        return None
    test = mannwhitneyu(worst, best)
    groups = [~is_best, is_best]
    interval = difference_of_means(values, groups, list(patients), Sampling())
    return Concentration(
        count=int(is_best.sum()),
        worst=float(np.nanmean(values[~is_best])),
        best=float(np.nanmean(values[is_best])),
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        interval_method=interval.interval_method,
        share=float(test.statistic) / (len(worst) * len(best)),
        p=float(test.pvalue),
        patients=len(of_one),
    )
