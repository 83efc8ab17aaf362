"""Is the evidence inside the mask? Shares of heat in marked regions beside their area, by group, patients resampled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from camlucida.metrics.bootstrap import Sampling, difference_of_means
from camlucida.metrics.statistics import mean_interval

NAN = float("nan")

SIGNS = {1: "raises the value", -1: "lowers the value"}
"""Sign of a target → what its heat does."""


@dataclass(frozen=True)
class EvidenceRow:
    """Heat in the mask, of the images of a group that have a mask and heat of this sign.

    Attributes:
        heat: what it does to the value.
        group: "everybody", ``|error| < 5``, ``sex=F``, …; or two of them with " minus " between.
        images, patients: that are averaged.
        of_heat: mean share of all heat, raising and lowering, that has this sign; NaN for a difference.
        share: mean share of the heat that lies in the mask; NaN for a difference.
        area: mean share of the image that the mask covers: what a map that knows nothing scores; NaN for a difference.
        excess: mean of share − area; of two groups the first's less the second's.
        low, high, interval_method: the interval of ``excess``; see :class:`~camlucida.metrics.statistics.Interval`.
    """

    heat: str
    group: str
    images: int
    patients: int
    of_heat: float
    share: float
    area: float
    excess: float
    low: float
    high: float
    interval_method: str


COLUMNS = [field.name for field in fields(EvidenceRow)]
Group = tuple[str, set[str]]
"""A name, and the images in it."""


def evidence_table(
    cases: pd.DataFrame,
    heat: pd.DataFrame,
    groups: Sequence[Group],
    pairs: Sequence[tuple[Group, Group]],
) -> pd.DataFrame:
    """Of each sign of heat: everybody, then each group, then the difference of each pair; columns :data:`COLUMNS`.

    Args:
        cases: rows of :func:`~camlucida.cases.case_table`, of a regression.
        heat: of :func:`~camlucida.cases.heat_table`, same index.
        groups: sets of images.
        pairs: of groups without a common image.
    """
    return pd.DataFrame([asdict(row) for row in _rows(cases, heat, groups, pairs)], columns=COLUMNS)


def _rows(
    cases: pd.DataFrame,
    heat: pd.DataFrame,
    groups: Sequence[Group],
    pairs: Sequence[tuple[Group, Group]],
) -> Iterator[EvidenceRow]:
    frame = cases[["image", "patient", "target_sign"]].assign(
        of_heat=1 - heat["negative_share"], share=heat["mask_share"], area=heat["mask_area"]
    )
    frame = frame[frame["share"].notna() & frame["area"].notna()]
    for sign, words in SIGNS.items():
        own = frame[frame["target_sign"] == sign]
        if own.empty:
            continue
        yield _group(words, "everybody", own)
        for name, images in groups:
            rows = own[own["image"].isin(images)]
            if len(rows):
                yield _group(words, name, rows)
        for first, second in pairs:
            found = _difference(words, own, first, second)
            if found is not None:
                yield found


def _group(words: str, name: str, rows: pd.DataFrame) -> EvidenceRow:
    excess = mean_interval(rows["share"] - rows["area"], rows["patient"].tolist())
    of_heat, share, area = (float(rows[column].mean()) for column in ("of_heat", "share", "area"))
    bounds = (excess.estimate, excess.low, excess.high, excess.interval_method)
    return EvidenceRow(
        words, name, len(rows), rows["patient"].nunique(), of_heat, share, area, *bounds
    )


def _difference(words: str, rows: pd.DataFrame, first: Group, second: Group) -> EvidenceRow | None:
    inside = [rows["image"].isin(images).to_numpy() for _, images in (first, second)]
    if not (inside[0].any() and inside[1].any()):
        return None
    excess = (rows["share"] - rows["area"]).to_numpy(np.float64)
    found = difference_of_means(excess, inside, rows["patient"].tolist(), Sampling())
    bounds = (found.estimate, found.low, found.high, found.interval_method)
    return EvidenceRow(
        words, f"{first[0]} minus {second[0]}", found.rows, found.patients, NAN, NAN, NAN, *bounds
    )


def pairs_of_two(columns: Iterable[Sequence[Group]]) -> list[tuple[Group, Group]]:
    """The two groups of each column that has just two: there a difference means something without choosing."""
    return [(groups[0], groups[1]) for groups in columns if len(groups) == 2]


def inside_words(cases: pd.DataFrame, heat: pd.DataFrame) -> str:
    """What of one image's heat lies in its mask, in one sentence; "" where it is not measured.

    Args:
        cases: the image's maps.
        heat: same index.
    """
    told = list(_told(zip(cases["target_sign"], 1 - heat["negative_share"], heat["mask_share"])))
    area = heat["mask_area"].dropna()
    if not told or area.empty:
        return ""
    return f"heat: {'; '.join(told)}; the mask covers {area.iloc[0]:.1%} of the image, what chance would score"


def _told(shares: Iterable[tuple[int, float, float]]) -> Iterator[str]:
    for sign, of_heat, share in shares:
        if share == share:
            yield f"{of_heat:.1%} {SIGNS[sign]}, {share:.1%} of that inside the mask"
