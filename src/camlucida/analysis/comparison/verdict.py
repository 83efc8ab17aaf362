"""A verdict on each case, by a rule that is stated with its thresholds and answered with the numbers it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite

from camlucida.analysis.comparison.decisions import OVERLAP, Kind
from camlucida.core.messages import declare

declare(
    "verdicts",
    {
        "consistent": "consistent",
        "review": "review",
        "artefact": "artefact",
        "not_compared": "not compared",
        "all": "all cases",
    },
)

ARTEFACT, REVIEW, CONSISTENT, NOT_COMPARED = "artefact", "review", "consistent", "not compared"
VERDICTS = (ARTEFACT, REVIEW, CONSISTENT, NOT_COMPARED)
"""In the order in which the rule asks. The last: all map series have the same map."""

_DIFFER: dict[Kind, str] = {
    "labels": "the map series' decisions on the label differ",
    "classes": "the map series predict different classes",
    "values": "two map series' values lie further apart than the map series' mean absolute error",
    "regions": f"two map series' predicted regions overlap with a Dice under {OVERLAP:g}",
}


@dataclass(frozen=True)
class SeriesCase:
    """What one map series shows of a case.

    Attributes:
        name: of the map series.
        said: its decision, in words; "" where there is none.
        share, area: heat on the border, on text and outside the body, and what a uniform map would have there; NaN unmeasured.
        empty_reason: why there is no evidence; "" if there is some.
    """

    name: str
    said: str
    share: float
    area: float
    empty_reason: str


@dataclass(frozen=True)
class Rule:
    """Thresholds of the verdict.

    Attributes:
        factor: heat on artefacts counts where a pixel there has on average more than this many times the heat of one elsewhere
        share: (a rule that also holds where they cover most of the image), and they have at least this share of all heat,
        map series: in at least this share of the map series.
        excess: mean excess similarity under which a case is to be reviewed.
    """

    factor: float = 2.0
    share: float = 0.2
    all_series: float = 0.5
    excess: float = 0.5

    def words(self, kind: Kind, one_model: bool) -> str:
        """The rule in a paragraph, for map series that say this kind of thing; of one model none can differ in what it says."""
        differ = "" if one_model else f"{_DIFFER[kind]}, or "
        return (
            f"“{ARTEFACT}” if in at least {self.all_series:.0%} of the map series the heat per area on the border, on burned-in text and "
            f"outside the body is more than {self.factor:g} times that of the rest of the image, and at least {self.share:g} of "
            f"all heat lies there; else “{REVIEW}” if {differ}a map series has no evidence, or the mean excess similarity of the maps "
            f"of each two map series, (similarity − null) ÷ (1 − null), is under {self.excess:g} or unknown; else “{CONSISTENT}”. "
            "The null is the similarity of the same map series' maps of different patients. Map series whose maps are the same up to a "
            f"factor count as one; a case with one map series left is “{NOT_COMPARED}”. “{CONSISTENT}” says that the map series agree, "
            "not that they are right: how right they are and their heat on artefacts stand beside it."
        )

    def judge(
        self, all_series: Sequence[SeriesCase], same: float, excess: float
    ) -> tuple[str, str]:
        """(verdict, why) of a case.

        Args:
            map series: those that are distinct.
            same: share of pairs of map series that say the same; NaN where that is unknown, or they are one model.
            excess: mean over pairs of map series; NaN where no pair has one.
        """
        marked = [series for series in all_series if self.on_artefacts(series.share, series.area)]
        if marked and len(marked) >= ceil(self.all_series * len(all_series)):
            shares = ", ".join(
                f"{series.name} {series.share:.2f} (area {series.area:.2f})" for series in marked
            )
            return (
                ARTEFACT,
                f"heat on artefacts in {len(marked)} of {len(all_series)} map series: {shares}",
            )
        if len(all_series) < 2:
            return NOT_COMPARED, "the map series' maps are the same up to a factor"
        known = (
            f"mean excess similarity {excess:.2f}".replace("-", "−")
            if isfinite(excess)
            else "no similarity could be measured"
        )
        reasons = [
            f"no evidence in {series.name} ({series.empty_reason})"
            for series in all_series
            if series.empty_reason
        ]
        if same < 1:
            said = ", ".join(f"{series.name} {series.said}" for series in all_series if series.said)
            reasons.insert(0, f"the map series differ: {said}")
        if not excess >= self.excess:
            reasons.append(known)
        if reasons:
            return REVIEW, "; ".join(reasons)
        measured = [(series.share, series.area) for series in all_series if isfinite(series.share)]
        most = max(measured, key=lambda found: found[0] - found[1], default=None)
        heat = (
            f"heat on artefacts at most {most[0]:.2f} (area {most[1]:.2f})"
            if most
            else "heat on artefacts not measured"
        )
        return CONSISTENT, "; ".join(
            [*(["the map series say the same"] if same == 1 else []), known, heat]
        )

    def on_artefacts(self, share: float, area: float) -> bool:
        """Whether this share of heat on artefacts counts; NaN does not."""
        return share * (1 - area) > self.factor * area * (1 - share) and share >= self.share
