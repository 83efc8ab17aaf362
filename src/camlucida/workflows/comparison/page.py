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
from camlucida.figures.consistency import TITLES
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
    phrase,
)
from camlucida.workflows.comparison.limits import limits

SHOWN = 200
"""Cases on the page; all of them are in ``cases.csv``."""

DIGITS = ".3g"

Row: TypeAlias = "tuple[CellValue | Cell, ...]"


@dataclass(frozen=True)
class ComparisonFigure:
    """A figure that is written beside the page: its name without suffix, and its caption."""

    name: str
    caption: str
    is_panel: bool = False


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
    pictures = {figure.name: Picture(figure.name, figure.caption) for figure in figures}
    panels = [Picture(figure.name, figure.caption) for figure in figures if figure.is_panel]
    notes = tuple(Notice((_sentence(note),)) for note in comparison.notes)
    return Document(
        title=f"Compared by {comparison.by}",
        sections=(
            _all_series(comparison, pictures),
            *_aucs(comparison),
            _pairs(comparison, pictures),
            _verdicts(comparison, pictures),
            _cases(comparison, panels),
            Section("limits", (Points(tuple(limits(comparison))),), title="Limits"),
            Section("record", (_record(runs, about),), title="Record"),
        ),
        synthetic=comparison.synthetic,
        intro=notes,
    )


def _all_series(comparison: Comparison, pictures: Mapping[str, Picture]) -> Section:
    explained = (
        "A map series is the maps of one model, method and layer.",
        "Brackets hold 95% intervals by patient: Wilson for proportions, BCa for all others.",
        "Heat on artefacts lies on the border, on burned-in text and outside the body; its chance "
        "level is their share of the image.",
    )
    head = (
        "Map series",
        "Images",
        "Patients",
        Cell("How right", note="and by chance"),
        Cell("Heat on artefacts", note="and by chance"),
        "Maps",
        "No evidence",
    )
    rows = tuple(_series_row(row) for row in comparison.all_series.to_dict("records"))
    note = phrase("Every metric of every model is in ", Link("performance.csv"), ".")
    blocks: list[Block] = [Paragraph(explained, quiet=True)]
    blocks.append(Table("all_series", None, head, rows, notes=(note,)))
    blocks += _picture(pictures, "map_series")
    return Section("series", tuple(blocks), title="Map series")


def _series_row(row: Mapping[Any, Any]) -> Row:
    about = f"{row['model']}, {row['method']} at {row['layer']} ({row['grid']})"
    if row["same_as"]:
        about += f"; the same maps as {row['same_as']}"
    right: CellValue | Cell = None
    if row["metric"]:
        value = Estimate(row["value"], row["low"], row["high"])
        title = TITLES[row["metric"]]
        right = Cell(value, note=f"{title}; chance {_number(row['chance'])}", spec=DIGITS)
    heat = Estimate(row["artefact_share"], row["artefact_low"], row["artefact_high"])
    return (
        Cell(row["name"], note=about),
        int(row["images"]),
        int(row["patients"]),
        right,
        Cell(heat, note=f"chance {_number(row['artefact_area'])}", spec=DIGITS),
        int(row["maps"]),
        int(row["empty"]),
    )


def _aucs(comparison: Comparison) -> Iterator[Section]:
    """The models compared, where there is a ground truth of labels."""
    if comparison.aucs.empty:
        return
    head = (
        *_group_head(comparison),
        "Models",
        "Label",
        "AUCs",
        "Difference",
        "p",
        "p (Holm)",
        "Positives",
        "Images",
        "Patients",
    )
    rows = tuple(_auc_row(comparison, row) for row in comparison.aucs.to_dict("records"))
    explained = (Message("comparison_aucs.explained"), Message("comparison_aucs.corrected"))
    blocks = (Paragraph(explained, quiet=True), Table("aucs", None, head, rows))
    yield Section("aucs", blocks, title="AUCs compared")


def _auc_row(comparison: Comparison, row: Mapping[Any, Any]) -> Row:
    difference = Estimate(row["estimate"], row["low"], row["high"])
    return (
        *_group(comparison, row),
        f"{row['first']} − {row['second']}",
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
        nothing = (
            "No image is shared by all map series, so predictions and maps cannot be compared "
            "case by case.",
        )
        return Section("pairs", (Paragraph(nothing),), title="Agreement")
    explained = (
        "Excess similarity is (similarity − null) ÷ (1 − null): 0 is no more alike than maps of "
        "different patients, 1 is the same.",
        "Similarity is the Pearson correlation of two maps on the coarser of their grids; the "
        "null is that of the same map series' maps of different patients.",
        "Top 5 is the overlap (IoU) of the five hottest cells, beside its null. Kappa is Cohen's.",
    )
    over_all = comparison.pairs["label"] == ALL_LABELS
    blocks: list[Block] = [Paragraph(explained, quiet=True)]
    blocks += _picture(pictures, "consistency")
    blocks.append(_pair_table("agreement", comparison, comparison.pairs[over_all]))
    by_label = comparison.pairs[~over_all]
    if len(by_label):
        table = _pair_table("agreement_by_label", comparison, by_label)
        blocks.append(Details(f"By label ({len(by_label)} rows)", (table,)))
    return Section("pairs", tuple(blocks), title="Agreement")


def _pair_table(name: str, comparison: Comparison, pairs: pd.DataFrame) -> Table:
    head = (
        "Map series",
        "Label",
        Cell(agreement_name(comparison.kind), note="and by chance"),
        "Kappa",
        "r of logits",
        "Maps",
        "No similarity",
        Cell("Similarity", note="and null"),
        "Excess",
        Cell("Top 5", note="and null"),
    )
    return Table(name, None, head, tuple(_pair_row(row) for row in pairs.to_dict("records")))


def _pair_row(row: Mapping[Any, Any]) -> Row:
    agreement = Estimate(row["agreement"], row["agreement_low"], row["agreement_high"])
    correlation = Estimate(row["correlation"], row["correlation_low"], row["correlation_high"])
    excess: CellValue | Cell = Cell(
        Estimate(row["excess"], row["excess_low"], row["excess_high"]), spec=DIGITS
    )
    if row["identical"]:
        excess = "the same maps up to a factor: no agreement of two"
    chance, null, top_null = row["agreement_chance"], row["null"], row["top5_null"]
    return (
        Cell(row["first"], note=row["second"]),
        row["label"] or "all",
        Cell(agreement, note=f"chance {_number(chance)}", spec=DIGITS),
        Cell(row["kappa"], spec=DIGITS),
        Cell(correlation, spec=DIGITS),
        int(row["maps"]),
        int(row["dead"]),
        Cell(row["similarity"], note=f"null {_number(null)}", spec=DIGITS),
        excess,
        Cell(row["top5_iou"], note=f"null {_number(top_null)}", spec=DIGITS),
    )


def _verdicts(comparison: Comparison, pictures: Mapping[str, Picture]) -> Section:
    if comparison.cases.empty:
        return Section("verdicts", (Paragraph(("No case is compared.",)),), title="Verdicts")
    right = right_name(comparison.kind)
    head = (*_group_head(comparison), "Verdict", "Cases", "Share", right, "With ground truth")
    rows = []
    for row in by_verdict(comparison).to_dict("records"):
        estimate = Cell(Estimate(row["estimate"], row["low"], row["high"]), spec=DIGITS)
        counts = (int(row["cases"]), Cell(float(row["share"]), spec=".0%"))
        name = verdict_name(row["verdict"])
        rows.append((*_group(comparison, row), name, *counts, estimate, int(row["judged"])))
    blocks: list[Block] = [Paragraph((comparison.rule,)), *_picture(pictures, "verdicts")]
    blocks.append(Table("verdict_counts", None, head, tuple(rows)))
    return Section("verdicts", tuple(blocks), title="Verdicts")


def _cases(comparison: Comparison, panels: Sequence[Picture]) -> Section:
    cases = comparison.cases[:SHOWN]
    head = (
        *_group_head(comparison),
        "Image",
        "Label",
        "Verdict",
        "Reason",
        "Predictions agree",
        "Excess",
        "Heat on artefacts ÷ area",
    )
    rows = tuple(_case_row(comparison, row) for row in cases.to_dict("records"))
    summary: Text = f"All {len(cases)} cases"
    if len(cases) < len(comparison.cases):
        summary = f"The first {len(cases)} of {len(comparison.cases)} cases; all are in cases.csv"
    table = Table("case_list", None, head, rows)
    return Section("cases", (*panels, Details(summary, (table,))), title="Cases")


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
    rows: list[tuple[Text, CellValue]] = [("Runs", ", ".join(runs))]
    for name, value in about.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {version}" for key, version in value.items())
        rows.append((name.capitalize(), Code(str(value))))
    return Facts(tuple(rows))


def _group_head(comparison: Comparison) -> tuple[Text, ...]:
    """A column of groups, where there are two or more."""
    return ("Group",) if comparison.all_series["group"].nunique() > 1 else ()


def _group(comparison: Comparison, row: Mapping[Any, Any]) -> Row:
    return (row["group"],) if _group_head(comparison) else ()


def _picture(pictures: Mapping[str, Picture], name: str) -> Iterator[Picture]:
    if name in pictures:
        yield pictures[name]


def _sentence(note: Message) -> Text:
    return phrase(note, ".")


def _number(value: float) -> str:
    return "–" if value != value else number(value, DIGITS)
