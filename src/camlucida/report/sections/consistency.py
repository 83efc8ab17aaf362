"""Consistency of models, seeds, folds, methods or layers: predictions and maps."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from matplotlib.figure import Figure

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.summary import by_verdict
from camlucida.analysis.comparison.verdict import verdict_name
from camlucida.attribution.explanation import Explanation
from camlucida.core.files import unique
from camlucida.core.messages import declare
from camlucida.figures.consistency import (
    consistency_figure,
    panel_figure,
    read_panel,
    verdicts_figure,
)
from camlucida.figures.files import save_figure
from camlucida.report.data import ReportData
from camlucida.report.document import (
    Block,
    Estimate,
    Message,
    Paragraph,
    Picture,
    Points,
    Section,
    Table,
    Value,
)
from camlucida.report.estimates import metric_name
from camlucida.report.sections.base import section
from camlucida.report.viewer.panels import write_panels

declare(
    "consistency",
    {
        "all_identical": (
            "All of these maps are identical by construction, so they cannot be compared by {by}."
        ),
        "varies": "{all_series} map series differ only in the {by}.",
        "varies_groups": (
            "{all_series} map series in {groups} groups; within a group they differ "
            "only in the {by}."
        ),
        "all_series": (
            "Map series by {by}, on the images and labels that are compared. "
            "Artefacts are the image border, burned-in text and the region outside "
            "the body."
        ),
        "pairs": (
            "Agreement of pairs by {by}. Excess: (similarity − null) ÷ (1 − null); "
            "the null is the similarity of maps of different patients."
        ),
        "verdicts": "Cases by verdict, and the performance within each.",
        "head_series": "Map series",
        "head_images": "Images",
        "head_empty": "Without evidence",
        "head_right": "Performance",
        "head_artefact": "On artefacts",
        "head_area": "Area of artefacts",
        "head_pair": "Pair",
        "head_maps": "Maps",
        "head_measured": "Maps with a similarity",
        "head_agreement": "Agreement of predictions",
        "head_similarity": "Similarity",
        "head_null": "Null",
        "head_excess": "Excess",
        "head_verdict": "Verdict",
        "head_cases": "Cases",
        "head_share": "Share",
        "head_known": "With ground truth",
        "right_labels": "Correct decisions",
        "right_classes": "Correct predictions",
        "right_values": "Mean absolute error",
        "right_regions": "Dice",
        "of_group": "{verdict}, {group}",
        "measured": "{known} of {maps}",
        "right": "{metric} {value}",
        "same_as": "{series} (the same maps as {other})",
        "identical": "the same maps by construction",
        "figure_panel": "The same cases by {by}: image, maps and predictions.",
        "figure_panel_of": "The same cases by {by}, {group}: image, maps and predictions.",
        "figure_consistency": (
            "Excess similarity of each pair by {by}, with 95% intervals where available."
        ),
        "figure_verdicts": "Verdicts by {by}, and the performance within each.",
    },
)

PANELS = 3
"""Groups whose cases are drawn."""


@section("consistency", "Consistency", needs=("comparisons",))
def consistency(report: ReportData) -> Section | None:
    """One part for each thing that varies; nothing where nothing does."""
    taken: set[str] = set()
    blocks: list[Block] = []
    for comparison in report.comparisons:
        blocks += _of(report, comparison, taken)
    return Section("consistency", tuple(blocks)) if blocks else None


def _of(report: ReportData, comparison: Comparison, taken: set[str]) -> Iterator[Block]:
    by = Message(f"words.{comparison.by}")
    counts = {
        "all_series": len(comparison.all_series),
        "groups": comparison.all_series["group"].nunique(),
    }
    if counts["groups"] > 1:
        yield Paragraph((Message("consistency.varies_groups", {"by": by, **counts}),))
    else:
        yield Paragraph(
            (Message("consistency.varies", {"by": by, "all_series": counts["all_series"]}),)
        )
    yield _all_series(comparison, by)
    if len(comparison.pairs) and bool(comparison.pairs["identical"].all()):
        yield Paragraph((Message("consistency.all_identical", {"by": by}),))
        return
    if len(comparison.pairs):
        yield _pairs(comparison, by)
    if len(comparison.cases):
        yield Paragraph((comparison.rule,))
        yield _verdicts(comparison)
    if comparison.notes:
        yield Points(tuple(Message("data.line", {"line": note}) for note in comparison.notes))
    prefix = f"figures/{unique(comparison.by, taken)}_"
    for name, figure, caption in _figures(comparison, by):
        save_figure(figure, report.folder / f"{prefix}{name}")
        yield Picture(f"{prefix}{name}", caption)
    yield from _panels(report, comparison, by, prefix)


def _figures(comparison: Comparison, by: Message) -> Iterator[tuple[str, Figure, Message]]:
    """(name, figure, caption) of what there is to draw."""
    if len(comparison.pairs):
        yield (
            "consistency",
            consistency_figure(comparison),
            Message("consistency.figure_consistency", {"by": by}),
        )
    if len(comparison.cases):
        yield (
            "verdicts",
            verdicts_figure(comparison),
            Message("consistency.figure_verdicts", {"by": by}),
        )


def _panels(
    report: ReportData, comparison: Comparison, by: Message, prefix: str
) -> Iterator[Picture]:
    """Cases side by side, a figure a group, with their films and maps for the viewer."""

    def read(run: int, number: int) -> Explanation:
        return report.explanation(run, number, levels=True)

    groups = list(dict.fromkeys(comparison.all_series["group"]))
    read_panels = [read_panel(comparison, group, read) for group in groups[:PANELS]]
    panels = [panel for panel in read_panels if panel is not None]
    views = write_panels(panels, report.folder, prefix)
    for number, (panel, shown) in enumerate(zip(panels, views), 1):
        stem, caption = f"{prefix}panel", Message("consistency.figure_panel", {"by": by})
        if len(groups) > 1:
            stem = f"{prefix}panel_{number}"
            caption = Message("consistency.figure_panel_of", {"by": by, "group": panel.group})
        save_figure(panel_figure(panel), report.folder / stem)
        yield Picture(stem, caption, views=shown)


def _all_series(comparison: Comparison, by: Message) -> Table:
    names = ("series", "images", "maps", "empty", "right", "artefact", "area")
    head = tuple(Message(f"consistency.head_{name}") for name in names)
    rows = []
    for row in comparison.all_series.to_dict("records"):
        right: Value = "–"
        if isinstance(row["metric"], str) and row["metric"] and isfinite(row["value"]):
            value = Estimate(row["value"], row["low"], row["high"], row["chance"])
            right = Message(
                "consistency.right", {"metric": metric_name(row["metric"]), "value": value}
            )
        artefact = Estimate(row["artefact_share"], row["artefact_low"], row["artefact_high"])
        same = row["same_as"] if isinstance(row["same_as"], str) and row["same_as"] else ""
        name = (
            Message("consistency.same_as", {"series": row["name"], "other": same})
            if same
            else str(row["name"])
        )
        counts = (int(row["images"]), int(row["maps"]), int(row["empty"]))
        rows.append((name, *counts, right, artefact, float(row["artefact_area"])))
    return Table(
        f"series_{comparison.by}", Message("consistency.all_series", {"by": by}), head, tuple(rows)
    )


def _pairs(comparison: Comparison, by: Message) -> Table:
    pairs = comparison.pairs[comparison.pairs["label"] == ""]
    head = tuple(
        Message(f"consistency.head_{name}")
        for name in ("pair", "measured", "agreement", "similarity", "null", "excess")
    )
    rows = []
    for row in pairs.to_dict("records"):
        agreement = Estimate(
            row["agreement"], row["agreement_low"], row["agreement_high"], row["agreement_chance"]
        )
        if not isfinite(row["agreement"]):
            agreement = Estimate(
                row["correlation"], row["correlation_low"], row["correlation_high"]
            )
        excess: Value = Estimate(row["excess"], row["excess_low"], row["excess_high"])
        if bool(row["identical"]):
            excess = Message("consistency.identical")
        name = f"{row['first']} – {row['second']}"
        maps = Message(
            "consistency.measured",
            {"known": int(row["maps"]) - int(row["dead"]), "maps": int(row["maps"])},
        )
        rows.append((name, maps, agreement, float(row["similarity"]), float(row["null"]), excess))
    return Table(
        f"pairs_{comparison.by}", Message("consistency.pairs", {"by": by}), head, tuple(rows)
    )


def _verdicts(comparison: Comparison) -> Table:
    """How many cases have each verdict, and how right the map series are in them."""
    right = Message(f"consistency.right_{comparison.kind}")
    head = (
        *(Message(f"consistency.head_{name}") for name in ("verdict", "cases", "share", "known")),
        right,
    )
    rows = []
    for row in by_verdict(comparison).to_dict("records"):
        name = verdict_name(row["verdict"])
        if comparison.all_series["group"].nunique() > 1:
            name = Message("consistency.of_group", {"verdict": name, "group": str(row["group"])})
        estimate = Estimate(row["estimate"], row["low"], row["high"])
        rows.append((name, int(row["cases"]), f"{row['share']:.0%}", int(row["judged"]), estimate))
    return Table(f"verdicts_{comparison.by}", Message("consistency.verdicts"), head, tuple(rows))
