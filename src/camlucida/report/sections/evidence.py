"""Of a model of a value: is what raises and what lowers it inside the masks? The best against the worst, and the groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from camlucida.analysis.cases.region_shares import SIGNS, Group, evidence_table, pairs_of_two
from camlucida.report.document import NAN, Block, Estimate, Paragraph, Sentence, Table, Value
from camlucida.report.study import Study, Voice
from camlucida.runs.tables import GROUP

HEATS = {words: Sentence(f"evidence.{words.split()[0]}") for words in SIGNS.values()}
"""Heat as the table calls it → "evidence.raises", "evidence.lowers"."""


def evidence(study: Study) -> list[Block]:
    """A table and its sentences for each set of maps of a regression that has a mask; none of other tasks."""
    blocks: list[Block] = []
    for voice in study.voices:
        rows = study.cases.loc[voice.rows]
        rows = rows[(rows["task"] == "regression") & rows["error"].notna()]
        if study.heat.loc[rows.index, "mask_share"].notna().any():
            blocks += _of_voice(study, voice, rows)
    return blocks


def _of_voice(study: Study, voice: Voice, rows: pd.DataFrame) -> Iterator[Block]:
    heat, error = study.heat.loc[rows.index], rows["error"].abs()
    limit = float(error.median()) if study.error_threshold is None else study.error_threshold
    low = f"|error| < {limit:.3g}", set(rows["image"][error < limit])
    high = f"|error| ≥ {limit:.3g}", set(rows["image"][error >= limit])
    groups = list(_groups(rows))
    pairs = [(high, low), *pairs_of_two(groups)]
    table = evidence_table(
        rows, heat, [low, high, *(group for column in groups for group in column)], pairs
    )
    names: dict[str, Value] = {"everybody": Sentence("evidence.everybody")}
    names |= {
        f"{a} minus {b}": Sentence("evidence.minus", {"first": a, "second": b})
        for (a, _), (b, _) in pairs
    }
    lines = table.to_dict("records")
    yield _table(voice, lines, names)
    rule = "median" if study.error_threshold is None else "asked"
    said = [Sentence(f"evidence.split_{rule}", {"limit": f"{limit:.3g}"})]
    for line in lines:
        said += _sentence(voice, line, names)
    yield Paragraph((*said, *_ends(rows, heat)))


def _groups(rows: pd.DataFrame) -> Iterator[list[Group]]:
    """Those of each group column."""
    for column in rows.columns[rows.columns.str.startswith(GROUP)]:
        values = sorted(set(rows[column]) - {""})
        yield [
            (f"{column.removeprefix(GROUP)}={value}", set(rows["image"][rows[column] == value]))
            for value in values
        ]


def _table(voice: Voice, lines: Sequence[dict[Any, Any]], names: dict[str, Value]) -> Table:
    head = tuple(
        Sentence(f"evidence.head_{name}")
        for name in ("heat", "group", "images", "patients", "share", "excess")
    )
    rows: list[tuple[Value, ...]] = []
    for line in lines:
        share = Estimate(line["share"], chance=line["area"]) if isfinite(line["share"]) else NAN
        name = names.get(line["group"], line["group"])
        rows.append(
            (HEATS[line["heat"]], name, line["images"], line["patients"], share, _excess(line))
        )
    return Table("evidence", Sentence("evidence.table", {"voice": voice.name}), head, tuple(rows))


def _excess(line: dict[Any, Any]) -> Estimate:
    known = line["how"] != "none"
    return Estimate(line["excess"], line["low"] if known else NAN, line["high"] if known else NAN)


def _sentence(voice: Voice, line: dict[Any, Any], names: dict[str, Value]) -> list[Sentence]:
    """Of everybody, against the area; of a difference, against none."""
    excess, name = _excess(line), names.get(line["group"])
    values: dict[str, Value] = {
        "voice": voice.name,
        "heat": HEATS[line["heat"]],
        "images": line["images"],
        "excess": excess,
    }
    if line["group"] == "everybody":
        shares = {"share": line["share"], "area": line["area"]}
        return [
            Sentence(
                "evidence.everywhere",
                {**values, **shares, "verdict": Sentence(f"quality.{excess.verdict}")},
            )
        ]
    if isinstance(name, Sentence):
        return [
            Sentence(
                "evidence.difference",
                {**values, **name.values, "verdict": Sentence(f"evidence.{excess.verdict}")},
            )
        ]
    return []


def _ends(rows: pd.DataFrame, heat: pd.DataFrame) -> Iterator[Sentence]:
    """The best and the worst case beside each other, where both have a mask."""
    for sign, words in SIGNS.items():
        own = rows[rows["target"].str.endswith(sign)].assign(
            size=lambda frame: frame["error"].abs()
        )
        if own["image"].nunique() < 2:
            continue
        best = own.sort_values(["size", "image"]).index[0]
        worst = own.sort_values(["size", "image"], ascending=[False, True]).index[0]
        values: dict[str, Value] = {"heat": HEATS[words]}
        for name, row in (("best", best), ("worst", worst)):
            values[name] = str(own["image"][row])
            values |= {
                f"{name}_{column}": float(heat[f"mask_{column}"][row])
                for column in ("share", "area")
            }
        if all(isfinite(value) for value in values.values() if isinstance(value, float)):
            yield Sentence("evidence.ends", values)
