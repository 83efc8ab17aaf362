"""Is the evidence inside the mask? Shares of heat in the true masks, by group of images.

A regression has a map of each sign: what raises the value, and what lowers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from camlucida.core.messages import Message, Value, chain, declare
from camlucida.metrics.bootstrap import Sampling, difference_of_means
from camlucida.metrics.intervals import IntervalMethod
from camlucida.metrics.statistics import mean_interval

NAN = float("nan")

SIGNS = (1, -1)
"""Signs of a target: heat that raises the value, and heat that lowers it."""

ALL_IMAGES = "all"
"""Name of the group of all images in a table of evidence."""

declare(
    "evidence",
    {
        "raises": "raises the value",
        "lowers": "lowers the value",
        "inside": (
            "heat: {signs}; the mask covers {area:.1%} of the image, which is the chance level"
        ),
        "inside_of_sign": "{of_heat:.1%} {heat}, {share:.1%} of that inside the mask",
    },
)


@dataclass(frozen=True)
class ImageGroup:
    """Images that have something in common.

    Attributes:
        name: what people read, such as ``sex=F`` or ``|error| < 5``.
        images: names of the images.
        column: of the cohort, by which the images are grouped; "" for other groups.
    """

    name: str
    images: frozenset[str]
    column: str = ""


@dataclass(frozen=True)
class EvidenceRow:
    """Heat in the mask, of the images of a group that have a mask and heat of this sign.

    Attributes:
        sign: 1 for heat that raises the value, −1 for heat that lowers it.
        group: name of the group; :data:`ALL_IMAGES` for all images.
        minus: the group whose excess is subtracted; "" where the row is not a difference.
        images, patients: number of those that are averaged.
        of_heat: mean share of all heat that has this sign; NaN for a difference.
        share: mean share of the heat that lies in the mask; NaN for a difference.
        area: mean share of the image that the mask covers, the chance level of ``share``; NaN for
            a difference.
        excess: mean of share − area; for a difference, that of ``group`` less that of ``minus``.
        low, high, interval_method: the interval of ``excess``; see
            :class:`~camlucida.metrics.intervals.Interval`.
    """

    sign: int
    group: str
    minus: str
    images: int
    patients: int
    of_heat: float
    share: float
    area: float
    excess: float
    low: float
    high: float
    interval_method: IntervalMethod


COLUMNS = [field.name for field in fields(EvidenceRow)]
Pair = tuple[ImageGroup, ImageGroup]


def heat_of_sign(sign: int) -> Message:
    """What heat of a sign does to the value.

    >>> str(heat_of_sign(-1))
    'lowers the value'
    """
    return Message("evidence.raises" if sign > 0 else "evidence.lowers")


def evidence_table(
    cases: pd.DataFrame,
    heat: pd.DataFrame,
    groups: Sequence[ImageGroup],
    pairs: Sequence[Pair],
) -> pd.DataFrame:
    """Of each sign: all images, each group, and the difference of each pair of groups.

    Args:
        cases: rows of the case table, of a regression.
        heat: the attribution table of ``cases``, same index.
        groups: a group without an image that can be measured has no row.
        pairs: of groups without a common image.

    Returns:
        A table with the columns :data:`COLUMNS`; see :class:`EvidenceRow`.
    """
    rows = [asdict(row) for row in _rows(cases, heat, groups, pairs)]
    return pd.DataFrame(rows, columns=COLUMNS)


def pairs_of_two(columns: Iterable[Sequence[ImageGroup]]) -> list[Pair]:
    """The two groups of each column that has just two.

    Of more groups somebody would have to choose which two are compared.
    """
    return [(groups[0], groups[1]) for groups in columns if len(groups) == 2]


def share_inside(cases: pd.DataFrame, heat: pd.DataFrame) -> Message | None:
    """How much of one image's heat lies in its mask; None where it was not measured.

    Args:
        cases: the image's rows of the case table, one a sign.
        heat: their attribution table, same index.
    """
    area = heat["mask_area"].dropna()
    of_heat = 1 - heat["negative_share"]
    signs: list[Message] = []
    for sign, part, share in zip(cases["target_sign"], of_heat, heat["mask_share"]):
        if np.isfinite(share):
            values: dict[str, Value] = {"of_heat": float(part), "share": float(share)}
            values["heat"] = heat_of_sign(sign)
            signs.append(Message("evidence.inside_of_sign", values))
    if not signs or area.empty:
        return None
    clauses = chain("words.clause", signs)
    return Message("evidence.inside", {"signs": clauses, "area": float(area.iloc[0])})


def _rows(
    cases: pd.DataFrame,
    heat: pd.DataFrame,
    groups: Sequence[ImageGroup],
    pairs: Sequence[Pair],
) -> Iterator[EvidenceRow]:
    frame = cases[["image", "patient", "target_sign"]].assign(
        of_heat=1 - heat["negative_share"], share=heat["mask_share"], area=heat["mask_area"]
    )
    frame = frame[frame["share"].notna() & frame["area"].notna()]
    for sign in SIGNS:
        of_sign = frame[frame["target_sign"] == sign]
        if len(of_sign):
            yield _group_row(sign, ALL_IMAGES, of_sign)
            yield from _rows_of_sign(sign, of_sign, groups, pairs)


def _rows_of_sign(
    sign: int, frame: pd.DataFrame, groups: Sequence[ImageGroup], pairs: Sequence[Pair]
) -> Iterator[EvidenceRow]:
    for group in groups:
        rows = frame[frame["image"].isin(group.images)]
        if len(rows):
            yield _group_row(sign, group.name, rows)
    for first, second in pairs:
        difference = _difference_row(sign, frame, first, second)
        if difference is not None:
            yield difference


def _group_row(sign: int, name: str, rows: pd.DataFrame) -> EvidenceRow:
    excess = mean_interval(rows["share"] - rows["area"], rows["patient"].tolist())
    return EvidenceRow(
        sign=sign,
        group=name,
        minus="",
        images=len(rows),
        patients=rows["patient"].nunique(),
        of_heat=float(rows["of_heat"].mean()),
        share=float(rows["share"].mean()),
        area=float(rows["area"].mean()),
        excess=excess.estimate,
        low=excess.low,
        high=excess.high,
        interval_method=excess.interval_method,
    )


def _difference_row(
    sign: int, rows: pd.DataFrame, first: ImageGroup, second: ImageGroup
) -> EvidenceRow | None:
    inside = [rows["image"].isin(group.images).to_numpy() for group in (first, second)]
    if not (inside[0].any() and inside[1].any()):
        return None
    excess = (rows["share"] - rows["area"]).to_numpy(np.float64)
    difference = difference_of_means(excess, inside, rows["patient"].tolist(), Sampling())
    return EvidenceRow(
        sign=sign,
        group=first.name,
        minus=second.name,
        images=difference.rows,
        patients=difference.patients,
        of_heat=NAN,
        share=NAN,
        area=NAN,
        excess=difference.estimate,
        low=difference.low,
        high=difference.high,
        interval_method=difference.interval_method,
    )
