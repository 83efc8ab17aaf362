"""A verdict on each case, by a rule with stated thresholds, and the reason with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

from camlucida.analysis.comparison.predictions import Kind
from camlucida.core.messages import Message, Value, chain, declare

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

declare(
    "consistency",
    {
        "rule": (
            "A case is “artefact” if in at least {series_share:.0%} of the map series the heat "
            "per area on the border, on burned-in text and outside the body is more "
            "than {factor:g} times that of the rest of the image, and at least "
            "{share:.0%} of all heat lies there. Otherwise it is “review” if {differ}a map "
            "shows no evidence, or the mean excess similarity is under {excess:g} or "
            "unknown. All other cases are “consistent”, which means that the map series agree, "
            "not that they are right."
        ),
        "differ_none": "",
        "differ_labels": "the decisions on the label differ, ",
        "differ_classes": "the predicted classes differ, ",
        "differ_values": "two values differ by more than the mean absolute error, ",
        "differ_regions": "two predicted regions overlap too little, ",
    },
)

declare(
    "reasons",
    {
        "artefact": "heat on artefacts in {marked} of {count} map series: {shares:,}",
        "share": "{series} {share:.2f} (area {area:.2f})",
        "same_maps": "the map series have the same maps up to a factor",
        "differ": "the map series differ: {predictions:,}",
        "prediction": "{series} {prediction}",
        "no_evidence": "no evidence in {series} ({reason})",
        "excess": "mean excess similarity {excess:.2f}",
        "no_similarity": "no similarity could be measured",
        "same_predictions": "the predictions agree",
        "heat": "heat on artefacts at most {share:.2f} (area {area:.2f})",
        "no_heat": "heat on artefacts not measured",
    },
)

ARTEFACT, REVIEW, CONSISTENT, NOT_COMPARED = "artefact", "review", "consistent", "not_compared"
VERDICTS = (ARTEFACT, REVIEW, CONSISTENT, NOT_COMPARED)
"""Codes of the verdicts, in the order in which the rule applies them. The last: all map series of
the case have the same map."""


def verdict_name(verdict: str) -> Message:
    """What people read; "" stands for all cases.

    >>> str(verdict_name("not_compared")), str(verdict_name(""))
    ('not compared', 'all cases')
    """
    return Message(f"verdicts.{verdict or 'all'}")


@dataclass(frozen=True)
class SeriesCase:
    """What one map series shows of a case.

    Attributes:
        name: of the map series.
        prediction: of the model; None where it has no words, such as a region.
        share, area: heat on the border, on text and outside the body, and its chance level, the
            area of these; NaN where it was not measured.
        empty_reason: why the map shows no evidence; None where it shows some.
    """

    name: str
    prediction: Message | None
    share: float
    area: float
    empty_reason: Message | None


@dataclass(frozen=True)
class VerdictRule:
    """Thresholds of the verdict.

    Attributes:
        factor: heat on artefacts counts where its density is more than this many times that of the
            rest of the image, which also holds where artefacts cover most of the image,
        share: and where artefacts hold at least this share of all heat,
        series_share: in at least this share of the map series.
        excess: mean excess similarity under which a case is to be reviewed.
    """

    factor: float = 2.0
    share: float = 0.2
    series_share: float = 0.5
    excess: float = 0.5

    def description(self, kind: Kind, one_model: bool) -> Message:
        """The rule with its thresholds.

        Args:
            kind: what the models predict.
            one_model: whether all map series are of one model, whose predictions cannot differ.
        """
        differ = Message("consistency.differ_none" if one_model else f"consistency.differ_{kind}")
        thresholds = {
            "factor": self.factor,
            "share": self.share,
            "series_share": self.series_share,
            "excess": self.excess,
        }
        return Message("consistency.rule", {**thresholds, "differ": differ})

    def judge(
        self, all_series: Sequence[SeriesCase], agreement: float, excess: float
    ) -> tuple[str, Message]:
        """The verdict on a case, a code of :data:`VERDICTS`, and its reason.

        Args:
            all_series: the map series whose maps are distinct, one or more.
            agreement: share of pairs of map series with the same prediction, in [0, 1]; NaN where
                it is unknown, and for map series of one model.
            excess: mean excess similarity over pairs of map series; NaN where no pair has one.

        >>> calm = [SeriesCase(f"seed {k}", None, 0.1, 0.1, None) for k in (1, 2)]
        >>> verdict, reason = VerdictRule().judge(calm, agreement=1.0, excess=0.3)
        >>> verdict, str(reason)
        ('review', 'mean excess similarity 0.30')
        """
        marked = [series for series in all_series if self.on_artefacts(series.share, series.area)]
        if marked and len(marked) >= ceil(self.series_share * len(all_series)):
            shares = [_share("share", series.share, series.area, series.name) for series in marked]
            counts = {"marked": len(marked), "count": len(all_series)}
            return ARTEFACT, Message("reasons.artefact", {**counts, "shares": shares})
        if len(all_series) < 2:
            return NOT_COMPARED, Message("reasons.same_maps")
        doubts = list(self._doubts(all_series, agreement, excess))
        if doubts:
            return REVIEW, chain("words.clause", doubts)
        agreed = [Message("reasons.same_predictions")] if agreement == 1 else []
        clauses = [*agreed, _similarity(excess), _largest_heat(all_series)]
        return CONSISTENT, chain("words.clause", clauses)

    def on_artefacts(self, share: float, area: float) -> bool:
        """Whether heat on artefacts counts; not where it was not measured.

        Args:
            share: of all heat, in [0, 1]; NaN unmeasured.
            area: of the image that artefacts cover, in [0, 1].

        >>> VerdictRule().on_artefacts(0.3, 0.1), VerdictRule().on_artefacts(0.15, 0.1)
        (True, False)
        """
        denser = share * (1 - area) > self.factor * area * (1 - share)
        return denser and share >= self.share

    def _doubts(
        self, all_series: Sequence[SeriesCase], agreement: float, excess: float
    ) -> Iterator[Message]:
        """Why the case is to be reviewed, if it is."""
        if agreement < 1:
            predictions = [
                Message("reasons.prediction", {"series": series.name, "prediction": words})
                for series in all_series
                if (words := series.prediction) is not None
            ]
            yield Message("reasons.differ", {"predictions": predictions})
        for series in all_series:
            if series.empty_reason is not None:
                reason = series.empty_reason
                values: dict[str, Value] = {"series": series.name, "reason": reason}
                yield Message("reasons.no_evidence", values)
        if not excess >= self.excess:  # NaN, an unknown similarity, is a reason to look, too
            yield _similarity(excess)


def _share(name: str, share: float, area: float, series: str) -> Message:
    return Message(f"reasons.{name}", {"series": series, "share": share, "area": area})


def _similarity(excess: float) -> Message:
    if isfinite(excess):
        return Message("reasons.excess", {"excess": excess})
    return Message("reasons.no_similarity")


def _largest_heat(all_series: Sequence[SeriesCase]) -> Message:
    """Of the map series that come closest to heat on artefacts."""
    measured = [series for series in all_series if isfinite(series.share)]
    if not measured:
        return Message("reasons.no_heat")
    most = max(measured, key=lambda series: series.share - series.area)
    return Message("reasons.heat", {"share": most.share, "area": most.area})
