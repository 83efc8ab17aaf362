"""``comparison.html``: a comparison on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from camlucida.analysis.comparison.agreement import ALL_LABELS, agreement_name
from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.summary import by_verdict, right_name
from camlucida.analysis.comparison.verdict import verdict_name
from camlucida.core.messages import Estimate, Message
from camlucida.core.numbers import number
from camlucida.report.document import (
    Block,
    Cell,
    CellValue,
    Code,
    Details,
    Document,
    Facts,
    Link,
    Notice,
    Paragraph,
    Picture,
    Points,
    Section,
    Table,
    Text,
    View,
    phrase,
)
from camlucida.runs.keyed import IMAGE_NAMES, KEYED
from camlucida.workflows.comparison.limits import limits
from camlucida.workflows.comparison.texts import page_message, varied

SHOWN = 200
"""Cases on the page; all of them are in ``cases.csv``."""

DIGITS = ".3g"

Row: TypeAlias = "tuple[CellValue | Cell, ...]"


@dataclass(frozen=True)
class ComparisonFigure:
    """A figure that is written beside the page.

    Attributes:
        name: without suffix.
        caption: below it.
        is_panel: whether it shows cases.
        views: their films and maps for the viewer.
    """

    name: str
    caption: Message
    is_panel: bool = False
    views: tuple[View, ...] = ()

    @property
    def picture(self) -> Picture:
        """The figure in the page."""
        return Picture(self.name, self.caption, views=self.views)


def comparison_page(
    comparison: Comparison,
    figures: Sequence[ComparisonFigure],
    runs: Sequence[str],
    about: Mapping[str, Any],
) -> Document:
    """The page.

    Args:
        comparison: what was found.
        figures: that are written beside the page.
        runs: their folders.
        about: the command and the versions.
    """
    pictures = {figure.name: figure.picture for figure in figures}
    panels = [figure.picture for figure in figures if figure.is_panel]
    notes = tuple(Notice((_sentence(note),)) for note in comparison.notes)
    return Document(
        title=page_message("title", by=varied(comparison.by)),
        sections=(
            _all_series(comparison, pictures),
            *_aucs(comparison),
            _pairs(comparison, pictures),
            _verdicts(comparison, pictures),
            _cases(comparison, panels),
            Section("limits", (Points(tuple(limits(comparison))),), page_message("limits")),
            Section("record", (_record(runs, about),), page_message("record")),
        ),
        synthetic=comparison.synthetic,
        intro=notes,
        keyed=about.get(IMAGE_NAMES) == KEYED,
    )


def _heads(*names: str) -> tuple[Text | Cell, ...]:
    return tuple(map(page_message, names))


def _noted(name: str, note: str) -> Cell:
    """A title of a column with a note below it."""
    return Cell(page_message(name), note=page_message(note))


def _all_series(comparison: Comparison, pictures: Mapping[str, Picture]) -> Section:
    explained = tuple(map(page_message, ("series_note", "brackets", "artefacts_note")))
    head = (
        *_heads("map_series", "images", "patients"),
        _noted("right", "by_chance"),
        _noted("artefacts", "by_chance"),
        *_heads("maps", "no_evidence"),
    )
    rows = tuple(_series_row(row) for row in comparison.all_series.to_dict("records"))
    every = page_message("performance")
    note = phrase(every, Link("performance.csv"), page_message("full_stop"))
    blocks: list[Block] = [Paragraph(explained, quiet=True)]
    blocks.append(Table("all_series", None, head, rows, notes=(note,)))
    blocks += _picture(pictures, "map_series")
    return Section("series", tuple(blocks), page_message("map_series"))


def _series_row(row: Mapping[Any, Any]) -> Row:
    names = {name: str(row[name]) for name in ("model", "method", "layer", "grid")}
    about = page_message("series", **names)
    if row["same_as"]:
        about = page_message("same_series", other=str(row["same_as"]), **names)
    right: CellValue | Cell = None
    if row["metric"]:
        value = Estimate(row["value"], row["low"], row["high"])
        metric = Message(f"metrics.{row['metric']}")
        note = page_message("metric_chance", metric=metric, level=_number(row["chance"]))
        right = Cell(value, note=note, spec=DIGITS)
    heat = Estimate(row["artefact_share"], row["artefact_low"], row["artefact_high"])
    return (
        Cell(row["name"], note=about),
        int(row["images"]),
        int(row["patients"]),
        right,
        Cell(heat, note=_chance(row["artefact_area"]), spec=DIGITS),
        int(row["maps"]),
        int(row["empty"]),
    )


def _aucs(comparison: Comparison) -> Iterator[Section]:
    """The models compared, where there is a ground truth of labels."""
    if comparison.aucs.empty:
        return
    head = (
        *_group_head(comparison),
        *_heads("models", "label", "aucs", "difference", "p", "p_holm", "positives", "images"),
        *_heads("patients"),
    )
    rows = tuple(_auc_row(comparison, row) for row in comparison.aucs.to_dict("records"))
    explained = (Message("comparison_aucs.explained"), Message("comparison_aucs.corrected"))
    blocks = (Paragraph(explained, quiet=True), Table("aucs", None, head, rows))
    yield Section("aucs", blocks, page_message("aucs_title"))


def _auc_row(comparison: Comparison, row: Mapping[Any, Any]) -> Row:
    difference = Estimate(row["estimate"], row["low"], row["high"])
    return (
        *_group(comparison, row),
        page_message("minus", first=str(row["first"]), second=str(row["second"])),
        row["label"] or Message("comparison_aucs.all"),
        f"{_number(row['auc_first'])} − {_number(row['auc_second'])}",
        Cell(difference, spec=DIGITS),
        Cell(row["p"], spec=".2g"),
        Cell(row["p_holm"], spec=".2g"),
        int(row["positives"]),
        int(row["rows"]),
        int(row["patients"]),
    )


def _pairs(comparison: Comparison, pictures: Mapping[str, Picture]) -> Section:
    if comparison.cases.empty:
        nothing = Paragraph((page_message("none_shared"),))
        return Section("pairs", (nothing,), page_message("agreement"))
    explained = tuple(map(page_message, ("excess_note", "similarity_note", "top_note")))
    over_all = comparison.pairs["label"] == ALL_LABELS
    blocks: list[Block] = [Paragraph(explained, quiet=True)]
    blocks += _picture(pictures, "consistency")
    blocks.append(_pair_table("agreement", comparison, comparison.pairs[over_all]))
    by_label = comparison.pairs[~over_all]
    if len(by_label):
        table = _pair_table("agreement_by_label", comparison, by_label)
        blocks.append(Details(page_message("by_label", count=len(by_label)), (table,)))
    return Section("pairs", tuple(blocks), page_message("agreement"))


def _pair_table(name: str, comparison: Comparison, pairs: pd.DataFrame) -> Table:
    head = (
        *_heads("map_series", "label"),
        Cell(agreement_name(comparison.kind), note=page_message("by_chance")),
        *_heads("kappa", "logits", "maps", "no_similarity"),
        _noted("similarity", "and_null"),
        *_heads("excess"),
        _noted("top", "and_null"),
    )
    return Table(name, None, head, tuple(_pair_row(row) for row in pairs.to_dict("records")))


def _pair_row(row: Mapping[Any, Any]) -> Row:
    agreement = Estimate(row["agreement"], row["agreement_low"], row["agreement_high"])
    correlation = Estimate(row["correlation"], row["correlation_low"], row["correlation_high"])
    excess: CellValue | Cell = Cell(
        Estimate(row["excess"], row["excess_low"], row["excess_high"]), spec=DIGITS
    )
    if row["identical"]:
        excess = page_message("identical")
    return (
        Cell(row["first"], note=row["second"]),
        row["label"] or page_message("all_labels"),
        Cell(agreement, note=_chance(row["agreement_chance"]), spec=DIGITS),
        Cell(row["kappa"], spec=DIGITS),
        Cell(correlation, spec=DIGITS),
        int(row["maps"]),
        int(row["dead"]),
        Cell(row["similarity"], note=_null(row["null"]), spec=DIGITS),
        excess,
        Cell(row["top5_iou"], note=_null(row["top5_null"]), spec=DIGITS),
    )


def _verdicts(comparison: Comparison, pictures: Mapping[str, Picture]) -> Section:
    if comparison.cases.empty:
        nothing = Paragraph((page_message("no_case"),))
        return Section("verdicts", (nothing,), page_message("verdicts"))
    head = (
        *_group_head(comparison),
        *_heads("verdict", "cases", "share"),
        right_name(comparison.kind),
        *_heads("judged"),
    )
    rows = []
    for row in by_verdict(comparison).to_dict("records"):
        estimate = Cell(Estimate(row["estimate"], row["low"], row["high"]), spec=DIGITS)
        counts = (int(row["cases"]), Cell(float(row["share"]), spec=".0%"))
        name = verdict_name(row["verdict"])
        rows.append((*_group(comparison, row), name, *counts, estimate, int(row["judged"])))
    blocks: list[Block] = [Paragraph((comparison.rule,)), *_picture(pictures, "verdicts")]
    blocks.append(Table("verdict_counts", None, head, tuple(rows)))
    return Section("verdicts", tuple(blocks), page_message("verdicts"))


def _cases(comparison: Comparison, panels: Sequence[Picture]) -> Section:
    cases = comparison.cases[:SHOWN]
    head = (
        *_group_head(comparison),
        *_heads("image", "label", "verdict", "reason", "predictions_agree", "excess"),
        *_heads("artefact_ratio"),
    )
    rows = tuple(_case_row(comparison, row) for row in cases.to_dict("records"))
    count = len(comparison.cases)
    summary = page_message("all_cases", count=count)
    if len(cases) < count:
        summary = page_message("first_cases", shown=len(cases), count=count)
    table = Table("case_list", None, head, rows)
    return Section("cases", (*panels, Details(summary, (table,))), page_message("cases"))


def _case_row(comparison: Comparison, row: Mapping[Any, Any]) -> Row:
    return (
        *_group(comparison, row),
        row["image"],
        row["label"],
        verdict_name(row["verdict"]),
        Message.loads(row["reason_code"]),
        Cell(row["agreement"], spec=".0%"),
        Cell(row["excess"], spec=DIGITS),
        Cell(row["artefact_ratio"], spec=DIGITS),
    )


def _record(runs: Sequence[str], about: Mapping[str, Any]) -> Facts:
    rows: list[tuple[Text, CellValue]] = [(page_message("runs"), ", ".join(runs))]
    for name, value in about.items():
        if name == IMAGE_NAMES:
            continue  # every page says how its images are named
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {version}" for key, version in value.items())
        title = page_message(name) if name in ("command", "versions") else name
        rows.append((title, Code(str(value))))
    return Facts(tuple(rows))


def _group_head(comparison: Comparison) -> tuple[Text, ...]:
    """A column of groups, where there are two or more."""
    return (page_message("group"),) if comparison.all_series["group"].nunique() > 1 else ()


def _group(comparison: Comparison, row: Mapping[Any, Any]) -> Row:
    return (row["group"],) if _group_head(comparison) else ()


def _picture(pictures: Mapping[str, Picture], name: str) -> Iterator[Picture]:
    if name in pictures:
        yield pictures[name]


def _sentence(note: Message) -> Text:
    return page_message("sentence", text=note)


def _chance(level: float) -> Message:
    return page_message("chance", level=_number(level))


def _null(level: float) -> Message:
    return page_message("null", level=_number(level))


def _number(value: float) -> str:
    return "–" if value != value else number(value, DIGITS)
