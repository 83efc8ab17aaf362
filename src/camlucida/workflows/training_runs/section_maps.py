"""The parts of a pack's section on its maps: where their heat lies, and how consistent they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.look_first import look_first, ranked_disagreements
from camlucida.analysis.comparison.summary import by_verdict, on_artefacts
from camlucida.analysis.comparison.verdict import VERDICTS, verdict_name
from camlucida.core.messages import Estimate, Message, Value, declare, named

# Some messages of the pack are those of a report; its sections declare their texts.
from camlucida.report import sections  # noqa: F401
from camlucida.report.document import Block, Paragraph, Picture, Points, Table
from camlucida.workflows.training_runs.results import TrainingResults
from camlucida.workflows.training_runs.section_tables import classes_of, column_per_run, estimate

declare(
    "pack",
    {
        "row_class": "true class {name}",
        "text": (
            "{run}: in {maps} {maps:|map of an image|maps of images} with burned-in text, "
            "{share} of the heat lies on the text, which covers {area:.1%} of the area."
        ),
        "spread": (
            "How widely the heat spreads, by true class: share of a map's cells at half its "
            "maximum or above, mean with interval. That classes differ is a hypothesis; the "
            "differences follow."
        ),
        "contrast": (
            "{run}: the spread of class {last} minus that of class {first} is {value}: {verdict}."
        ),
        "wider": "wider",
        "narrower": "narrower",
        "not_apart": "not distinguishable from no difference",
        "unsure": "too few patients to distinguish it from no difference",
        "marked": (
            "{run}: by this rule, its heat lies on artefacts in {marked} of {cases} "
            "{cases:|case|cases}."
        ),
        "pair": (
            "{first} and {second}: same class {agreement}; excess similarity of their maps "
            "{excess} ({maps} {maps:|map|maps} of the same class in both)."
        ),
        "layer_pair": "Layers: {first} and {second} have an excess similarity of {excess}.",
        "folds_apart": (
            "The {folds} folds validate on different patients: they share no image, so no case "
            "can be compared. The accuracy of each and its heat on artefacts stand side by side, "
            "each on its own images."
        ),
        "figure_all_series": (
            "Each seed: its accuracy, and its heat on artefacts beside their area."
        ),
        "figure_consistency": (
            "Each two seeds: how often they predict the same class, how similar their maps are, "
            "and the excess over maps of different patients."
        ),
        "figure_verdicts": "Verdicts by seed, and the accuracy of the predictions in each.",
        "figure_cases": (
            "Cases with the maps of every seed: of each verdict the one with the highest and the "
            "one with the lowest excess similarity."
        ),
        "figure_folds": "Each fold: its accuracy, and its heat on artefacts beside their area.",
    },
)

_WIDTHS = {"more": "wider", "less": "narrower", "same": "not_apart", "unsure": "unsure"}

SHOWN = 8
"""Images to look at first that the section lists; all are in the table beside it."""

_SEED_FIGURES = {
    "series": "figure_all_series",
    "consistency": "figure_consistency",
    "verdicts": "figure_verdicts",
    "cases": "figure_cases",
}
"""End of a file's name → code of its caption."""


def quality(seeds: Sequence[TrainingResults], folds: Sequence[TrainingResults]) -> Iterator[Block]:
    """Heat on artefacts and text, then the spread by class.

    Args:
        seeds, folds: results of the runs.
    """
    trainings = (*seeds, *folds)
    places: list[Message] = []
    contrasts: list[Message] = []
    for training in trainings:
        places += _heat_in_places(training)
        contrasts += _contrast(training)
    yield Points(tuple(places))
    for kind, of_kind in (("seeds", seeds), ("folds", folds)):
        if any(training.spread for training in of_kind):
            rows = _spread_rows(of_kind)
            yield column_per_run(f"pack_spread_{kind}", Message("pack.spread"), of_kind, rows)
    yield Points(tuple(contrasts))


def consistency(
    name: str, comparisons: Mapping[str, Comparison], assets: Path, short: bool = False
) -> Iterator[Block]:
    """Seeds, folds and layers compared.

    Args:
        name: of the pack.
        comparisons: by what varies.
        assets: folder of the figures.
        short: only the verdicts and the images to look at first.
    """
    seeds, folds = comparisons.get("seed"), comparisons.get("fold")
    if seeds is not None:
        yield from _seeds(seeds, short)
    if short:
        return
    if seeds is not None:
        for end, code in _SEED_FIGURES.items():
            if (assets / f"{name}_{end}.png").is_file():
                yield Picture(f"{name}_{end}", Message(f"pack.{code}"))
    if folds is not None and (assets / f"{name}_folds.png").is_file():
        if folds.cases.empty:
            yield Paragraph((Message("pack.folds_apart", {"folds": len(folds.all_series)}),))
        yield Picture(f"{name}_folds", Message("pack.figure_folds"))
    if "layer" in comparisons:
        yield Points(tuple(_layer_pairs(comparisons["layer"])))


def _heat_in_places(training: TrainingResults) -> Iterator[Message]:
    artefact, text = training.artefact, training.text
    lift = training.lift.to_estimate()
    if artefact.estimate is not None and artefact.chance is not None and isfinite(lift.estimate):
        values: dict[str, Value] = {
            "series": training.name,
            "maps": artefact.n,
            "share": artefact.estimate,
            "area": artefact.chance,
            "lift": Estimate(lift.estimate, lift.low, lift.high, percent=True),
            "verdict": Message(f"quality.{lift.verdict}"),
        }
        yield Message("quality.artefact", values)
    if text.estimate is not None and text.chance is not None:
        share = text.to_estimate()
        values = {
            "run": training.name,
            "maps": text.n,
            "share": Estimate(share.estimate, share.low, share.high, percent=True),
            "area": text.chance,
        }
        yield Message("pack.text", values)


def _spread_rows(trainings: Sequence[TrainingResults]) -> list[tuple[Value, ...]]:
    rows: list[tuple[Value, ...]] = []
    for name in classes_of(trainings):
        cells = (estimate(training.spread.get(name)) for training in trainings)
        rows.append((Message("pack.row_class", {"name": name}), *cells))
    return rows


def _contrast(training: TrainingResults) -> Iterator[Message]:
    difference = training.contrast.to_estimate()
    if isfinite(difference.estimate) and training.contrast_of:
        first, last = training.contrast_of
        verdict = Message(f"pack.{_WIDTHS[difference.verdict]}")
        values = {"run": training.name, "first": first, "last": last}
        yield Message("pack.contrast", {**values, "value": difference, "verdict": verdict})


def _seeds(seeds: Comparison, short: bool) -> Iterator[Block]:
    """How many cases have each verdict, by which rule, and how similar each two are."""
    if seeds.cases.empty:
        return
    counts = seeds.cases["verdict"].value_counts()
    values: dict[str, Value] = {"by": Message("words.seed"), "cases": len(seeds.cases)}
    for verdict in VERDICTS:
        values[verdict] = int(counts.get(verdict, 0))
    yield Paragraph((Message("summary.verdicts", values), seeds.rule))
    if not short:
        yield _verdict_table(seeds)
    yield from _look_first(seeds)
    if not short:
        yield Points((*_marked(seeds), *_seed_pairs(seeds)))


def _look_first(seeds: Comparison) -> Iterator[Block]:
    """The cases on which the seeds disagree, ranked, with the reason of each."""
    ranked = ranked_disagreements(seeds)
    rule = look_first(ranked, len(seeds.cases), SHOWN)
    if ranked.empty:
        yield Paragraph((rule,))
        return
    head = tuple(Message(f"disagreement.{key}") for key in ("rank", "image", "kind", "reason"))
    rows: list[tuple[Value, ...]] = []
    for row in ranked.head(SHOWN).to_dict("records"):
        kind = Message(f"disagreement.{row['kind']}")
        reason = Message.loads(row["reason_code"])
        rows.append((int(row["rank"]), named(row["image"]), kind, reason))
    yield Table("pack_look_first", rule, head, tuple(rows))


def _verdict_table(seeds: Comparison) -> Table:
    keys = ("head_verdict", "head_cases", "head_share", "head_known", "right_classes")
    head = tuple(Message(f"consistency.{key}") for key in keys)
    rows: list[tuple[Value, ...]] = []
    for row in by_verdict(seeds).to_dict("records"):
        verdict = verdict_name(row["verdict"])
        right = Estimate(row["estimate"], row["low"], row["high"])
        share = f"{row['share']:.0%}"
        rows.append((verdict, int(row["cases"]), share, int(row["judged"]), right))
    return Table("pack_verdicts", Message("consistency.verdicts"), head, tuple(rows))


def _marked(seeds: Comparison) -> Iterator[Message]:
    """In how many cases the heat of each seed lies on artefacts, whatever that of the others."""
    for run, marked, cases in on_artefacts(seeds):
        yield Message("pack.marked", {"run": run, "marked": marked, "cases": cases})


def _seed_pairs(seeds: Comparison) -> Iterator[Message]:
    for row in _pairs(seeds):
        agreement = Estimate(
            row["agreement"],
            row["agreement_low"],
            row["agreement_high"],
            row["agreement_chance"],
        )
        if isfinite(agreement.estimate):
            values = {"first": row["first"], "second": row["second"], "maps": int(row["maps"])}
            estimates = {"agreement": agreement, "excess": _excess(row)}
            yield Message("pack.pair", {**values, **estimates})


def _layer_pairs(layers: Comparison) -> Iterator[Message]:
    for row in _pairs(layers):
        values = {"first": row["first"], "second": row["second"], "excess": _excess(row)}
        yield Message("pack.layer_pair", values)


def _pairs(comparison: Comparison) -> Iterator[Mapping[Any, Any]]:
    """The pairs over all labels whose excess similarity is known."""
    pairs = comparison.pairs
    for row in pairs[pairs["label"] == ""].to_dict("records"):
        if isfinite(row["excess"]):
            yield row


def _excess(row: Mapping[Any, Any]) -> Estimate:
    return Estimate(row["excess"], row["excess_low"], row["excess_high"])
