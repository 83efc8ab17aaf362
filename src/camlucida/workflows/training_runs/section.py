"""The pack as a document: every sentence from a number of these runs, in the words of the reports' texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.summary import by_verdict, on_artefacts
from camlucida.analysis.comparison.verdict import ARTEFACT, CONSISTENT, NOT_COMPARED, REVIEW
from camlucida.core.messages import declare
from camlucida.metrics.statistics import MIN_POSITIVES
from camlucida.report.document import (
    NAN,
    Block,
    Document,
    Estimate,
    Message,
    Paragraph,
    Picture,
    Points,
    Section,
    Table,
    Value,
)
from camlucida.report.sections.consistency import rule_of
from camlucida.workflows.training_runs.measure import StoredEstimate, TrainingResults

declare(
    "pack",
    {
        "title": "Attention maps: {name}",
        "head_figure": "Figure",
        "row_images": "images",
        "row_patients": "patients",
        "row_recall": "recall of class {name}",
        "row_artefact": "heat on artefacts (chance: their area)",
        "row_text": "heat on burned-in text (chance: its area)",
        "row_class": "true class {name}",
        "check_same": (
            "{runs}: computed again for these maps, predicted class and "
            "probabilities of every image are those in val_predictions.csv."
        ),
        "check_classes": (
            "{run}: computed again for these maps, the predicted class differs from "
            "that in val_predictions.csv in {differ} of {images} "
            "{images:|image|images}{probabilities}."
        ),
        "check_probabilities": (
            "; the probabilities differ by at most {largest:.2g}, in the median "
            "image by {median:.2g}"
        ),
        "check_none": "",
        "check_wrong": (
            "{run}: this is more than rounding. The model as loaded here is not the "
            "one that wrote the file, perhaps for a wrong preprocessing: its maps "
            "and numbers are not to be used."
        ),
        "maps": (
            "{runs} ({architecture}): each map ({maps} in all) explains the class "
            "{target}, by {method} at {layer}: {grid} cells, each about {cell:.0f} "
            "{cell:|pixel|pixels} of the image long, and nothing smaller can be "
            "placed."
        ),
        "target_predicted": "that the model predicts",
        "target_truth": "that is true",
        "target_class": "{name}",
        "seeds": (
            "Runs by seed: figures on the validation images with intervals and "
            "chance levels; below, where the heat of their maps lies."
        ),
        "folds": "Runs by fold, each on the validation images of its own fold.",
        "legend": (
            "Colours: where a map is zero, the film shows as it is; growing values "
            "cover it more and more, from dark purple over red and orange to pale "
            "yellow, which is full colour. The scale is one for all panels of a "
            "class grid and stands beside it: colours of different figures are not "
            "comparable. A map is no probability, and its strongest place is not "
            "proof of anything in the film."
        ),
        "legend_signed": (
            "Colours: where a map is zero, the film shows as it is; red speaks for "
            "the class, blue against it, both stronger with larger values. The scale "
            "is one for all panels of a class grid and stands beside it: colours of "
            "different figures are not comparable. A map is no probability, and its "
            "strongest place is not proof of anything in the film."
        ),
        "grid": (
            "{run}: one row a true class ({classes}). Each panel: the film and the "
            "map over it; above, the prediction, whether it is right, and the "
            "model's probability of it; a solid frame is right, a dashed one wrong. "
            "Full colour is a map value of {scale} in all panels. Cases were chosen "
            "by a rule, not by eye: {rule}."
        ),
        "layers": "{run}: one case of each class at several layers, each map on its own scale.",
        "text": (
            "{run}: in {maps} {maps:|map of an image|maps of images} with burned-in "
            "text, {share} of the heat lies on the text, {area:.1%} of the area."
        ),
        "spread": (
            "How widely the heat spreads, by true class: share of a map's cells at "
            "half its maximum or above, mean with interval. That it differs between "
            "classes is a hypothesis; the differences are below."
        ),
        "contrast": (
            "{run}: the spread of class {last} less that of class {first} is {value}: {verdict}."
        ),
        "wider": "wider",
        "narrower": "narrower",
        "not_apart": "not told apart from no difference",
        "unsure": "of too few patients to tell it from no difference",
        "marked": (
            "{run}: by this rule, its heat lies on artefacts in {marked} of {cases} "
            "{cases:|case|cases}."
        ),
        "pair": (
            "{first} and {second}: same class {agreement}; excess similarity of "
            "their maps {excess} ({maps} {maps:|map|maps} of the same class in both)."
        ),
        "layer_pair": "Layers: {first} and {second} have an excess similarity of {excess}.",
        "folds_apart": (
            "The {folds} folds validate on different patients: no image is shared "
            "and no case can be compared. How right each is and its heat on "
            "artefacts stand side by side, each on its own images."
        ),
        "figure_all_series": "Each seed: how right it is, and its heat on artefacts beside their area.",
        "figure_consistency": (
            "Each two seeds: how often they say the same, how alike their maps are, "
            "and the excess over maps of different patients."
        ),
        "figure_verdicts": "Verdicts by seed, and how right the predictions are in each.",
        "figure_cases": (
            "Cases as every seed sees them: of each verdict the one with the highest "
            "and the one with the lowest excess similarity."
        ),
        "figure_folds": "Each fold: how right it is, and its heat on artefacts beside their area.",
        "few": (
            "{run}: {images} {images:|image|images} of {patients} "
            "{patients:|patient|patients}, fewer than {needed} patients: none of its "
            "numbers has an interval."
        ),
        "no_patients": (
            "{run}: whose the {images} images are is not known; if patients have "
            "several, the intervals are too narrow."
        ),
        "no_class": "{run}: classes of which no image has a map: {classes}.",
        "empty": (
            "{run}: {empty} of {images} {images:|map|maps} {empty:|shows|show} no evidence at all."
        ),
        "gone": (
            "{runs}: the maps are no longer at hand. Numbers and figures are those "
            "recorded when they were; they are not in the comparison."
        ),
    },
)

METRICS = ("accuracy", "quadratic_kappa", "balanced_accuracy", "macro_f1")


def pack_document(
    name: str,
    packed: Sequence[TrainingResults],
    comparisons: Mapping[str, Comparison],
    opened: set[str],
    assets: Path,
) -> Document:
    """What the section says, in no language yet.

    Args:
        name: of the pack.
        packed: every run.
        comparisons: by what varies.
        opened: keys of the runs whose maps are at hand.
        assets: the folder of the figures.
    """
    seeds, folds = (
        [one for one in packed if (one.fold is None) == alone] for alone in (True, False)
    )
    sections = [
        Section("model", (Points(tuple(_checks(packed))), Points(tuple(_maps(packed))))),
        Section("results", tuple(_results(seeds, folds))),
        Section("cases", (Paragraph(tuple(_legend(packed))), *_pictures(packed, assets))),
        Section("quality", tuple(_quality(seeds, folds))),
        Section("consistency", tuple(_consistency(name, comparisons, assets))),
        Section("limitations", (Points(tuple(_limits(packed, comparisons, opened))),)),
    ]
    kept = tuple(part for part in sections if part.blocks)
    return Document(
        Message("pack.title", {"name": name}), kept, any(one.synthetic for one in packed)
    )


def _checks(packed: Sequence[TrainingResults]) -> Iterator[Message]:
    """Are the predictions those of the runs' own files?"""
    same = [one for one in packed if one.check.same]
    if same:
        yield Message("pack.check_same", {"runs": [one.name for one in same]})
    for one in packed:
        check = one.check
        if not check.same:
            apart = Message("pack.check_none")
            if check.largest is not None and check.median is not None:
                apart = Message(
                    "pack.check_probabilities", {"largest": check.largest, "median": check.median}
                )
            values: dict[str, Value] = {
                "differ": check.differ,
                "images": check.images,
                "probabilities": apart,
            }
            yield Message("pack.check_classes", {"run": one.name, **values})
        if check.wrong:
            yield Message("pack.check_wrong", {"run": one.name})


def _maps(packed: Sequence[TrainingResults]) -> Iterator[Message]:
    """What each map is; runs of which the same is true in one sentence."""
    groups: dict[tuple[object, ...], list[TrainingResults]] = {}
    for one in packed:
        groups.setdefault(
            (one.architecture, one.method, one.layer, one.grid, one.target, round(one.cell)), []
        ).append(one)
    for ones in groups.values():
        first = ones[0]
        target = first.target if first.target in ("predicted", "truth") else "class"
        values: dict[str, Value] = {
            "runs": [one.name for one in ones],
            "architecture": first.architecture,
            "maps": sum(one.images for one in ones),
            "target": Message(
                f"pack.target_{target}", {"name": first.target} if target == "class" else {}
            ),
            "method": first.method,
            "layer": first.layer,
            "grid": " × ".join(map(str, first.grid)),
            "cell": first.cell,
        }
        yield Message("pack.maps", values)


def _results(seeds: Sequence[TrainingResults], folds: Sequence[TrainingResults]) -> Iterator[Block]:
    for kind, ones in (("seeds", seeds), ("folds", folds)):
        if ones:
            yield _by_run(f"pack_{kind}", Message(f"pack.{kind}"), ones, _result_rows(ones))


def _by_run(
    name: str, caption: Message, ones: Sequence[TrainingResults], rows: Sequence[tuple[Value, ...]]
) -> Table:
    """A column a run."""
    head = (
        Message("pack.head_figure"),
        *(Message("words.plain", {"text": one.name}) for one in ones),
    )
    return Table(name, caption, head, tuple(rows))


def _result_rows(ones: Sequence[TrainingResults]) -> list[tuple[Value, ...]]:
    rows: list[tuple[Value, ...]] = [
        (Message("pack.row_images"), *(one.images for one in ones)),
        (Message("pack.row_patients"), *(one.patients for one in ones)),
    ]
    for metric in METRICS:
        rows.append(
            (Message(f"metrics.{metric}"), *(_cell(one.figures.get(metric)) for one in ones))
        )
    for name in _classes(ones):
        found = [one.figures.get(f"recall:{name}") for one in ones]
        if any(found):
            rows.append((Message("pack.row_recall", {"name": name}), *map(_cell, found)))
    places: tuple[tuple[str, Callable[[TrainingResults], StoredEstimate]], ...] = (
        ("artefact", lambda one: one.artefact),
        ("text", lambda one: one.text),
    )
    for place, of in places:
        if any(of(one).estimate is not None for one in ones):
            rows.append((Message(f"pack.row_{place}"), *(_cell(of(one)) for one in ones)))
    return rows


def _cell(number: StoredEstimate | None) -> Value:
    return NAN if number is None else number.said()


def _legend(packed: Sequence[TrainingResults]) -> Iterator[Message]:
    yield Message("pack.legend_signed" if any(one.signed for one in packed) else "pack.legend")


def _pictures(packed: Sequence[TrainingResults], assets: Path) -> Iterator[Picture]:
    for one in packed:
        values: dict[str, Value] = {
            "run": one.name,
            "classes": list(one.classes),
            "rule": one.rule,
            "scale": one.scale,
        }
        if (assets / f"{one.figure}.png").is_file():
            yield Picture(one.figure, Message("pack.grid", values))
        if one.layers_figure and (assets / f"{one.layers_figure}.png").is_file():
            yield Picture(one.layers_figure, Message("pack.layers", {"run": one.name}))


def _quality(seeds: Sequence[TrainingResults], folds: Sequence[TrainingResults]) -> Iterator[Block]:
    """Heat on artefacts and text, then the spread by class: measured, whatever one might expect."""
    yield Points(tuple(sentence for one in (*seeds, *folds) for sentence in _places(one)))
    for kind, ones in (("seeds", seeds), ("folds", folds)):
        if any(one.spread for one in ones):
            yield _by_run(f"pack_spread_{kind}", Message("pack.spread"), ones, _spread_rows(ones))
    yield Points(tuple(sentence for one in (*seeds, *folds) for sentence in _contrast(one)))


def _places(one: TrainingResults) -> Iterator[Message]:
    artefact, lift, text = one.artefact, one.lift.said(), one.text
    if artefact.estimate is not None and artefact.chance is not None and isfinite(lift.estimate):
        verdict = Message(f"quality.{lift.verdict}")
        values: dict[str, Value] = {
            "series": one.name,
            "maps": artefact.n,
            "share": artefact.estimate,
            "area": artefact.chance,
        }
        shown = Estimate(lift.estimate, lift.low, lift.high, percent=True)
        yield Message("quality.artefact", {**values, "lift": shown, "verdict": verdict})
    if text.estimate is not None and text.chance is not None:
        said = text.said()
        share = Estimate(said.estimate, said.low, said.high, percent=True)
        yield Message(
            "pack.text", {"run": one.name, "maps": text.n, "share": share, "area": text.chance}
        )


def _spread_rows(ones: Sequence[TrainingResults]) -> list[tuple[Value, ...]]:
    return [
        (Message("pack.row_class", {"name": name}), *(_cell(one.spread.get(name)) for one in ones))
        for name in _classes(ones)
    ]


def _classes(ones: Sequence[TrainingResults]) -> list[str]:
    """Those of any of the runs."""
    return list(dict.fromkeys(name for one in ones for name in one.classes))


def _contrast(one: TrainingResults) -> Iterator[Message]:
    difference = one.contrast.said()
    if isfinite(difference.estimate) and one.contrast_of:
        first, last = one.contrast_of
        verdict = Message(f"pack.{_WIDTHS[difference.verdict]}")
        yield Message(
            "pack.contrast",
            {
                "run": one.name,
                "first": first,
                "last": last,
                "value": difference,
                "verdict": verdict,
            },
        )


_WIDTHS = {"more": "wider", "less": "narrower", "same": "not_apart", "unsure": "unsure"}


def _consistency(name: str, comparisons: Mapping[str, Comparison], assets: Path) -> Iterator[Block]:
    seeds = comparisons.get("seed")
    if seeds is not None:
        yield from _seeds(seeds)
        for figure in ("all_series", "consistency", "verdicts", "cases"):
            if (assets / f"{name}_{figure}.png").is_file():
                yield Picture(f"{name}_{figure}", Message(f"pack.figure_{figure}"))
    folds = comparisons.get("fold")
    if folds is not None and (assets / f"{name}_folds.png").is_file():
        yield Paragraph(
            (Message("pack.folds_apart", {"folds": len(folds.all_series)}),)
            if folds.cases.empty
            else ()
        )
        yield Picture(f"{name}_folds", Message("pack.figure_folds"))
    if "layer" in comparisons:
        yield Points(tuple(_layers(comparisons["layer"])))


def _seeds(seeds: Comparison) -> Iterator[Block]:
    """How many cases have each verdict, by which rule, and how alike each two are."""
    if seeds.cases.empty:
        return
    counts = seeds.cases["verdict"].value_counts()
    values = {key: int(counts.get(verdict, 0)) for key, verdict in _VERDICTS.items()}
    yield Paragraph(
        (
            Message(
                "summary.verdicts",
                {"by": Message("words.seed"), "cases": len(seeds.cases), **values},
            ),
            rule_of(seeds),
        )
    )
    head = tuple(
        Message(f"consistency.head_{key}") for key in ("verdict", "cases", "share", "known")
    )
    rows: list[tuple[Value, ...]] = []
    for row in by_verdict(seeds).to_dict("records"):
        verdict = Message(f"verdicts.{row['verdict'].replace(' ', '_') or 'all'}")
        right = Estimate(row["estimate"], row["low"], row["high"])
        rows.append((verdict, int(row["cases"]), f"{row['share']:.0%}", int(row["known"]), right))
    yield Table(
        "pack_verdicts",
        Message("consistency.verdicts"),
        (*head, Message("consistency.right_classes")),
        tuple(rows),
    )
    yield Points((*_marked(seeds), *_pairs(seeds)))


_VERDICTS = {
    "consistent": CONSISTENT,
    "review": REVIEW,
    "artefact": ARTEFACT,
    "not_compared": NOT_COMPARED,
}


def _marked(seeds: Comparison) -> Iterator[Message]:
    """In how many cases each seed's own heat lies on artefacts, whatever the others' does."""
    for run, marked, cases in on_artefacts(seeds):
        yield Message("pack.marked", {"run": run, "marked": marked, "cases": cases})


def _pairs(seeds: Comparison) -> Iterator[Message]:
    for row in seeds.pairs[seeds.pairs["label"] == ""].to_dict("records"):
        agreement = Estimate(
            row["agreement"], row["agreement_low"], row["agreement_high"], row["agreement_chance"]
        )
        excess = Estimate(row["excess"], row["excess_low"], row["excess_high"])
        if isfinite(agreement.estimate) and isfinite(excess.estimate):
            names: dict[str, Value] = {
                "first": row["first"],
                "second": row["second"],
                "maps": int(row["maps"]),
            }
            yield Message("pack.pair", {**names, "agreement": agreement, "excess": excess})


def _layers(comparison: Comparison) -> Iterator[Message]:
    for row in comparison.pairs[comparison.pairs["label"] == ""].to_dict("records"):
        excess = Estimate(row["excess"], row["excess_low"], row["excess_high"])
        if isfinite(excess.estimate):
            yield Message(
                "pack.layer_pair",
                {"first": row["first"], "second": row["second"], "excess": excess},
            )


def _limits(
    packed: Sequence[TrainingResults], comparisons: Mapping[str, Comparison], opened: set[str]
) -> Iterator[Message]:
    for one in packed:
        if one.patients < MIN_POSITIVES:
            yield Message(
                "pack.few",
                {
                    "run": one.name,
                    "images": one.images,
                    "patients": one.patients,
                    "needed": MIN_POSITIVES,
                },
            )
        elif not one.patients_known:
            yield Message("pack.no_patients", {"run": one.name, "images": one.images})
        without = [name for name in one.classes if name not in one.spread]
        if without:
            yield Message("pack.no_class", {"run": one.name, "classes": without})
        if one.empty:
            yield Message("pack.empty", {"run": one.name, "empty": one.empty, "images": one.images})
    gone = [one.name for one in packed if one.key not in opened]
    if gone:
        yield Message("pack.gone", {"runs": gone})
    for by, comparison in comparisons.items():
        for note in comparison.notes:
            yield Message("words.of", {"of": Message(f"words.{by}"), "line": note})
