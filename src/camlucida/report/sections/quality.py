"""What the maps do, measured: how wide they are, their heat on artefacts and on the truth, whether each label has its own."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.attention import stored_maps
from camlucida.metrics.agreement import different_image_null, pearson
from camlucida.report.document import (
    NAN,
    Block,
    Estimate,
    Paragraph,
    Section,
    Sentence,
    Table,
    Value,
)
from camlucida.report.measured import mean_of, or_dash
from camlucida.report.sections.evaluated import evaluated
from camlucida.report.sections.evidence import evidence
from camlucida.report.study import Study, Voice

QUARTERS = 4
"""Maps of which half can be told apart from the rest."""

LABELS = 12
"""Labels with a row of their own in a table."""


def quality(study: Study) -> Section:
    """Of each model, method and layer; by label where there are several; then what ``camlucida evaluate`` found."""
    blocks: list[Block] = [_overview(study), Paragraph(tuple(_said(study)))]
    blocks += [table for voice in study.voices if (table := _by_label(study, voice)) is not None]
    blocks.append(Paragraph(tuple(_own_maps(study))))
    return Section("quality", (*blocks, *evidence(study), *evaluated(study)))


_MEASURES: tuple[tuple[str, str | float], ...] = (
    ("spread", NAN),
    ("peripheral", "peripheral_chance"),
    ("artefact_share", "artefact_area"),
    ("mask_share", "mask_area"),
    ("box_share", "box_area"),
    ("mask_ap", "mask_area"),
)
"""Column of the heat table, and its chance level."""


def _measured(rows: pd.DataFrame, columns: list[str]) -> tuple[Value, ...]:
    chances = dict(_MEASURES)
    return tuple(or_dash(mean_of(rows, column, chances[column])) for column in columns)


def _known(rows: pd.DataFrame) -> list[str]:
    """Columns that some map has a value of."""
    return [column for column, _ in _MEASURES if rows[column].notna().any()]


def _overview(study: Study) -> Table:
    columns = _known(study.measured)
    head = (
        *(Sentence(f"quality.head_{name}") for name in ("voice", "maps", "empty")),
        *(Sentence(f"quality.head_{column}") for column in columns),
    )
    rows = tuple(
        (voice.name, len(rows), int((rows["empty_reason"] != "").sum()), *_measured(rows, columns))
        for voice in study.voices
        for rows in [study.measured.loc[voice.rows]]
    )
    return Table("quality", Sentence("quality.overview"), head, rows)


def _said(study: Study) -> Iterator[Sentence]:
    for voice in study.voices:
        rows = study.measured.loc[voice.rows]
        spread = rows["spread"].dropna()
        cells = int(np.prod(study.cases.loc[voice.rows[0], "grid"]))
        if len(spread) >= QUARTERS:
            values = {
                "low": float(spread.quantile(0.25)),
                "high": float(spread.quantile(0.75)),
                "median": float(spread.median()),
            }
            yield Sentence("quality.spread", {"voice": voice.name, "cells": cells, **values})
        elif len(spread):
            ends = {"low": float(spread.min()), "high": float(spread.max()), "maps": len(spread)}
            yield Sentence("quality.spread_few", {"voice": voice.name, "cells": cells, **ends})
        yield from _against_area(voice, rows, "artefact", "quality.artefact")
        yield from _against_area(voice, rows, "mask", "quality.mask")
        yield from _against_area(voice, rows, "box", "quality.box")
        ceiling = mean_of(rows[rows["mask_share"].notna()], "mask_ceiling")
        if ceiling is not None:
            yield Sentence("quality.ceiling", {"voice": voice.name, "ceiling": ceiling.estimate})


def _against_area(voice: Voice, rows: pd.DataFrame, region: str, key: str) -> Iterator[Sentence]:
    """The mean difference of heat and area, patients resampled, and whether its interval leaves out zero."""
    share, area = rows[f"{region}_share"], rows[f"{region}_area"]
    found = mean_of(rows.assign(_lift=share - area), "_lift")
    if found is None:
        return
    known = share.notna()
    values: dict[str, Value] = {
        "voice": voice.name,
        "share": float(share.mean()),
        "area": float(area[known].mean()),
        "maps": int(known.sum()),
    }
    yield Sentence(key, {**values, "lift": found, "verdict": Sentence(f"quality.{found.verdict}")})


def _by_label(study: Study, voice: Voice) -> Table | None:
    rows = study.measured.loc[voice.rows]
    labels = list(dict.fromkeys(rows["target"]))
    if not 1 < len(labels) <= LABELS:
        return None
    columns = _known(rows)
    head = (
        *(Sentence(f"quality.head_{name}") for name in ("target", "maps")),
        *(Sentence(f"quality.head_{column}") for column in columns),
    )
    parts = [rows[rows["target"] == label] for label in labels]
    cells = tuple(
        (label, len(part), *_measured(part, columns)) for label, part in zip(labels, parts)
    )
    return Table("quality_labels", Sentence("quality.by_label", {"voice": voice.name}), head, cells)


def _own_maps(study: Study) -> Iterator[Sentence]:
    """Are maps of two labels in one image less alike than maps of one label in different patients?"""
    for voice in study.voices:
        found = _between_labels(study, voice)
        if found is None:
            continue
        within, null = found
        verdict = ""
        if within.sure and (within.low > null or within.high < null):
            verdict = "quality.own_no" if within.low > null else "quality.own_yes"
        yield Sentence("quality.own", {"voice": voice.name, "within": within, "null": null})
        if verdict:
            yield Sentence(verdict, {"voice": voice.name})


def _between_labels(study: Study, voice: Voice) -> tuple[Estimate, float] | None:
    """Mean Pearson correlation of an image's maps of different labels; and of a label's maps of different patients."""
    cases = study.cases.loc[voice.rows]
    cases = cases[(cases["empty_reason"] == "") & (cases["label"] != "")]
    several = cases[cases.groupby("path")["label"].transform("nunique") > 1]
    several = several[several["task"].isin(["multilabel", "multiclass"])]
    if several["patient"].nunique() < 2:
        return None
    maps = dict(zip(several.index, (m.cells for m in stored_maps(study.runs[voice.run], several))))
    pairs = []
    for _, rows in several.groupby("path", sort=False):
        first = list(rows.drop_duplicates("label").index)
        alike = [pearson(maps[a], maps[b]) for i, a in enumerate(first) for b in first[i + 1 :]]
        pairs.append(
            {
                "patient": rows["patient"].iloc[0],
                "alike": float(np.nanmean(alike)) if np.isfinite(alike).any() else NAN,
            }
        )
    nulls = []
    for _, rows in several.groupby("label", sort=False):
        if rows["patient"].nunique() > 1:
            held = [maps[index] for index in rows.index]
            nulls.append(different_image_null(pearson, held, held, groups=rows["patient"].tolist()))
    known = np.concatenate(nulls) if nulls else np.array([])
    known = known[np.isfinite(known)]
    within = mean_of(pd.DataFrame(pairs), "alike")
    if within is None or not isfinite(within.estimate) or not len(known):
        return None
    return within, float(known.mean())
