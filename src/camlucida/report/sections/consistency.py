"""Do several models, seeds, folds, methods or layers say and see the same? Beside how right they are, and heat on artefacts."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from matplotlib.figure import Figure

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.summary import by_verdict
from camlucida.core.files import unique
from camlucida.core.recorded import heard
from camlucida.figures.consistency import consistency_figure, panel_figure, verdicts_figure
from camlucida.figures.files import save_figure
from camlucida.report.document import (
    Block,
    Estimate,
    Paragraph,
    Picture,
    Points,
    Section,
    Sentence,
    Table,
    Value,
)
from camlucida.report.sections.results import metric_name
from camlucida.report.study import Study

PANELS = 3
"""Groups whose cases are drawn."""


def consistency(study: Study) -> Section | None:
    """One part for each thing that varies; nothing where nothing does."""
    taken: set[str] = set()
    blocks = [block for comparison in study.comparisons for block in _of(study, comparison, taken)]
    return Section("consistency", tuple(blocks)) if blocks else None


def _of(study: Study, comparison: Comparison, taken: set[str]) -> Iterator[Block]:
    by = Sentence(f"words.{comparison.by}")
    counts = {"voices": len(comparison.voices), "groups": comparison.voices["group"].nunique()}
    if counts["groups"] > 1:
        yield Paragraph((Sentence("consistency.varies_groups", {"by": by, **counts}),))
    else:
        yield Paragraph((Sentence("consistency.varies", {"by": by, "voices": counts["voices"]}),))
    yield _voices(comparison, by)
    if len(comparison.pairs) and bool(comparison.pairs["identical"].all()):
        yield Paragraph((Sentence("consistency.all_identical", {"by": by}),))
        return
    if len(comparison.pairs):
        yield _pairs(comparison, by)
    if len(comparison.cases):
        yield Paragraph((rule_of(comparison),))
        yield _verdicts(comparison)
    if comparison.notes:
        yield Points(
            tuple(
                Sentence("data.line", {"line": heard(note, "notes")}) for note in comparison.notes
            )
        )
    for name, figure, caption in _figures(study, comparison, by):
        stem = f"figures/{unique(f'{comparison.by}_{name}', taken)}"
        save_figure(figure, study.folder / stem)
        yield Picture(stem, caption)


def _figures(
    study: Study, comparison: Comparison, by: Sentence
) -> Iterator[tuple[str, Figure, Sentence]]:
    """(name, figure, caption) of what there is to draw."""
    if len(comparison.pairs):
        yield (
            "consistency",
            consistency_figure(comparison),
            Sentence("consistency.figure_consistency", {"by": by}),
        )
    if len(comparison.cases):
        yield (
            "verdicts",
            verdicts_figure(comparison),
            Sentence("consistency.figure_verdicts", {"by": by}),
        )
    groups = list(dict.fromkeys(comparison.voices["group"]))
    for number, group in enumerate(groups[:PANELS], 1):
        panel = panel_figure(comparison, group, study.explanation)
        if panel is not None and len(groups) == 1:
            yield "panel", panel, Sentence("consistency.figure_panel", {"by": by})
        elif panel is not None:
            yield (
                f"panel_{number}",
                panel,
                Sentence("consistency.figure_panel_of", {"by": by, "group": str(group)}),
            )


def _voices(comparison: Comparison, by: Sentence) -> Table:
    names = ("voice", "images", "maps", "empty", "right", "artefact", "area")
    head = tuple(Sentence(f"consistency.head_{name}") for name in names)
    rows = []
    for row in comparison.voices.to_dict("records"):
        right: Value = ""
        if isinstance(row["metric"], str) and row["metric"] and isfinite(row["value"]):
            value = Estimate(row["value"], row["low"], row["high"], row["chance"])
            right = Sentence(
                "consistency.right", {"metric": metric_name(row["metric"]), "value": value}
            )
        artefact = Estimate(row["artefact_share"], row["artefact_low"], row["artefact_high"])
        same = row["same_as"] if isinstance(row["same_as"], str) and row["same_as"] else ""
        name = (
            Sentence("consistency.same_as", {"voice": row["name"], "other": same})
            if same
            else str(row["name"])
        )
        counts = (int(row["images"]), int(row["maps"]), int(row["empty"]))
        rows.append((name, *counts, right, artefact, float(row["artefact_area"])))
    return Table(
        f"voices_{comparison.by}", Sentence("consistency.voices", {"by": by}), head, tuple(rows)
    )


def _pairs(comparison: Comparison, by: Sentence) -> Table:
    pairs = comparison.pairs[comparison.pairs["label"] == ""]
    head = tuple(
        Sentence(f"consistency.head_{name}")
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
            excess = Sentence("consistency.identical")
        name = f"{row['first']} – {row['second']}"
        maps = Sentence(
            "consistency.measured",
            {"known": int(row["maps"]) - int(row["dead"]), "maps": int(row["maps"])},
        )
        rows.append((name, maps, agreement, float(row["similarity"]), float(row["null"]), excess))
    return Table(
        f"pairs_{comparison.by}", Sentence("consistency.pairs", {"by": by}), head, tuple(rows)
    )


def rule_of(comparison: Comparison) -> Sentence:
    """By which rule cases were judged, with its thresholds."""
    rule = comparison.thresholds
    one_model = comparison.by in ("method", "layer")
    differ = Sentence(
        "consistency.differ_none" if one_model else f"consistency.differ_{comparison.kind}"
    )
    values = {
        "factor": rule.factor,
        "share": rule.share,
        "voices": rule.voices,
        "excess": rule.excess,
    }
    return Sentence("consistency.rule", {**values, "differ": differ})


def _verdicts(comparison: Comparison) -> Table:
    """How many cases have each verdict, and how right the voices are in them."""
    right = Sentence(f"consistency.right_{comparison.kind}")
    head = (
        *(Sentence(f"consistency.head_{name}") for name in ("verdict", "cases", "share", "known")),
        right,
    )
    rows = []
    for row in by_verdict(comparison).to_dict("records"):
        verdict = row["verdict"].replace(" ", "_") or "all"
        name = Sentence(f"verdicts.{verdict}")
        if comparison.voices["group"].nunique() > 1:
            name = Sentence("consistency.of_group", {"verdict": name, "group": str(row["group"])})
        estimate = Estimate(row["estimate"], row["low"], row["high"])
        rows.append((name, int(row["cases"]), f"{row['share']:.0%}", int(row["known"]), estimate))
    return Table(f"verdicts_{comparison.by}", Sentence("consistency.verdicts"), head, tuple(rows))
