"""The pack as a document: every sentence from a number of these runs, in the words of the reports' texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.summary import by_verdict, on_artefacts
from camlucida.analysis.comparison.verdict import ARTEFACT, CONSISTENT, NOT_COMPARED, REVIEW
from camlucida.core.recorded import heard
from camlucida.metrics.statistics import MIN_POSITIVES
from camlucida.report.document import (
    NAN,
    Block,
    Document,
    Estimate,
    Paragraph,
    Picture,
    Points,
    Section,
    Sentence,
    Table,
    Value,
)
from camlucida.report.sections.consistency import rule_of
from camlucida.workflows.training_runs.measure import Number, Packed

METRICS = ("accuracy", "quadratic_kappa", "balanced_accuracy", "macro_f1")


def pack_document(
    name: str,
    packed: Sequence[Packed],
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
        Sentence("pack.title", {"name": name}), kept, any(one.synthetic for one in packed)
    )


def _checks(packed: Sequence[Packed]) -> Iterator[Sentence]:
    """Are the predictions those of the runs' own files?"""
    same = [one for one in packed if one.check.same]
    if same:
        yield Sentence("pack.check_same", {"runs": [one.name for one in same]})
    for one in packed:
        check = one.check
        if not check.same:
            apart = Sentence("pack.check_none")
            if check.largest is not None and check.median is not None:
                apart = Sentence(
                    "pack.check_probabilities", {"largest": check.largest, "median": check.median}
                )
            values: dict[str, Value] = {
                "differ": check.differ,
                "images": check.images,
                "probabilities": apart,
            }
            yield Sentence("pack.check_classes", {"run": one.name, **values})
        if check.wrong:
            yield Sentence("pack.check_wrong", {"run": one.name})


def _maps(packed: Sequence[Packed]) -> Iterator[Sentence]:
    """What each map is; runs of which the same is true in one sentence."""
    groups: dict[tuple[object, ...], list[Packed]] = {}
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
            "target": Sentence(
                f"pack.target_{target}", {"name": first.target} if target == "class" else {}
            ),
            "method": first.method,
            "layer": first.layer,
            "grid": " × ".join(map(str, first.grid)),
            "cell": first.cell,
        }
        yield Sentence("pack.maps", values)


def _results(seeds: Sequence[Packed], folds: Sequence[Packed]) -> Iterator[Block]:
    for kind, ones in (("seeds", seeds), ("folds", folds)):
        if ones:
            yield _by_run(f"pack_{kind}", Sentence(f"pack.{kind}"), ones, _result_rows(ones))


def _by_run(
    name: str, caption: Sentence, ones: Sequence[Packed], rows: Sequence[tuple[Value, ...]]
) -> Table:
    """A column a run."""
    head = (
        Sentence("pack.head_figure"),
        *(Sentence("words.plain", {"text": one.name}) for one in ones),
    )
    return Table(name, caption, head, tuple(rows))


def _result_rows(ones: Sequence[Packed]) -> list[tuple[Value, ...]]:
    rows: list[tuple[Value, ...]] = [
        (Sentence("pack.row_images"), *(one.images for one in ones)),
        (Sentence("pack.row_patients"), *(one.patients for one in ones)),
    ]
    for metric in METRICS:
        rows.append(
            (Sentence(f"metrics.{metric}"), *(_cell(one.figures.get(metric)) for one in ones))
        )
    for name in _classes(ones):
        found = [one.figures.get(f"recall:{name}") for one in ones]
        if any(found):
            rows.append((Sentence("pack.row_recall", {"name": name}), *map(_cell, found)))
    places: tuple[tuple[str, Callable[[Packed], Number]], ...] = (
        ("artefact", lambda one: one.artefact),
        ("text", lambda one: one.text),
    )
    for place, of in places:
        if any(of(one).estimate is not None for one in ones):
            rows.append((Sentence(f"pack.row_{place}"), *(_cell(of(one)) for one in ones)))
    return rows


def _cell(number: Number | None) -> Value:
    return NAN if number is None else number.said()


def _legend(packed: Sequence[Packed]) -> Iterator[Sentence]:
    yield Sentence("pack.legend_signed" if any(one.signed for one in packed) else "pack.legend")


def _pictures(packed: Sequence[Packed], assets: Path) -> Iterator[Picture]:
    for one in packed:
        values: dict[str, Value] = {
            "run": one.name,
            "classes": list(one.classes),
            "rule": one.rule,
            "scale": one.scale,
        }
        if (assets / f"{one.figure}.png").is_file():
            yield Picture(one.figure, Sentence("pack.grid", values))
        if one.layers_figure and (assets / f"{one.layers_figure}.png").is_file():
            yield Picture(one.layers_figure, Sentence("pack.layers", {"run": one.name}))


def _quality(seeds: Sequence[Packed], folds: Sequence[Packed]) -> Iterator[Block]:
    """Heat on artefacts and text, then the spread by class: measured, whatever one might expect."""
    yield Points(tuple(sentence for one in (*seeds, *folds) for sentence in _places(one)))
    for kind, ones in (("seeds", seeds), ("folds", folds)):
        if any(one.spread for one in ones):
            yield _by_run(f"pack_spread_{kind}", Sentence("pack.spread"), ones, _spread_rows(ones))
    yield Points(tuple(sentence for one in (*seeds, *folds) for sentence in _contrast(one)))


def _places(one: Packed) -> Iterator[Sentence]:
    artefact, lift, text = one.artefact, one.lift.said(), one.text
    if artefact.estimate is not None and artefact.chance is not None and isfinite(lift.estimate):
        verdict = Sentence(f"quality.{lift.verdict}")
        values: dict[str, Value] = {
            "voice": one.name,
            "maps": artefact.n,
            "share": artefact.estimate,
            "area": artefact.chance,
        }
        shown = Estimate(lift.estimate, lift.low, lift.high, percent=True)
        yield Sentence("quality.artefact", {**values, "lift": shown, "verdict": verdict})
    if text.estimate is not None and text.chance is not None:
        said = text.said()
        share = Estimate(said.estimate, said.low, said.high, percent=True)
        yield Sentence(
            "pack.text", {"run": one.name, "maps": text.n, "share": share, "area": text.chance}
        )


def _spread_rows(ones: Sequence[Packed]) -> list[tuple[Value, ...]]:
    return [
        (Sentence("pack.row_class", {"name": name}), *(_cell(one.spread.get(name)) for one in ones))
        for name in _classes(ones)
    ]


def _classes(ones: Sequence[Packed]) -> list[str]:
    """Those of any of the runs."""
    return list(dict.fromkeys(name for one in ones for name in one.classes))


def _contrast(one: Packed) -> Iterator[Sentence]:
    difference = one.contrast.said()
    if isfinite(difference.estimate) and one.contrast_of:
        first, last = one.contrast_of
        verdict = Sentence(f"pack.{_WIDTHS[difference.verdict]}")
        yield Sentence(
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
        for figure in ("voices", "consistency", "verdicts", "cases"):
            if (assets / f"{name}_{figure}.png").is_file():
                yield Picture(f"{name}_{figure}", Sentence(f"pack.figure_{figure}"))
    folds = comparisons.get("fold")
    if folds is not None and (assets / f"{name}_folds.png").is_file():
        yield Paragraph(
            (Sentence("pack.folds_apart", {"folds": len(folds.voices)}),)
            if folds.cases.empty
            else ()
        )
        yield Picture(f"{name}_folds", Sentence("pack.figure_folds"))
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
            Sentence(
                "summary.verdicts",
                {"by": Sentence("words.seed"), "cases": len(seeds.cases), **values},
            ),
            rule_of(seeds),
        )
    )
    head = tuple(
        Sentence(f"consistency.head_{key}") for key in ("verdict", "cases", "share", "known")
    )
    rows: list[tuple[Value, ...]] = []
    for row in by_verdict(seeds).to_dict("records"):
        verdict = Sentence(f"verdicts.{row['verdict'].replace(' ', '_') or 'all'}")
        right = Estimate(row["estimate"], row["low"], row["high"])
        rows.append((verdict, int(row["cases"]), f"{row['share']:.0%}", int(row["known"]), right))
    yield Table(
        "pack_verdicts",
        Sentence("consistency.verdicts"),
        (*head, Sentence("consistency.right_classes")),
        tuple(rows),
    )
    yield Points((*_marked(seeds), *_pairs(seeds)))


_VERDICTS = {
    "consistent": CONSISTENT,
    "review": REVIEW,
    "artefact": ARTEFACT,
    "not_compared": NOT_COMPARED,
}


def _marked(seeds: Comparison) -> Iterator[Sentence]:
    """In how many cases each seed's own heat lies on artefacts, whatever the others' does."""
    for run, marked, cases in on_artefacts(seeds):
        yield Sentence("pack.marked", {"run": run, "marked": marked, "cases": cases})


def _pairs(seeds: Comparison) -> Iterator[Sentence]:
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
            yield Sentence("pack.pair", {**names, "agreement": agreement, "excess": excess})


def _layers(comparison: Comparison) -> Iterator[Sentence]:
    for row in comparison.pairs[comparison.pairs["label"] == ""].to_dict("records"):
        excess = Estimate(row["excess"], row["excess_low"], row["excess_high"])
        if isfinite(excess.estimate):
            yield Sentence(
                "pack.layer_pair",
                {"first": row["first"], "second": row["second"], "excess": excess},
            )


def _limits(
    packed: Sequence[Packed], comparisons: Mapping[str, Comparison], opened: set[str]
) -> Iterator[Sentence]:
    for one in packed:
        if one.patients < MIN_POSITIVES:
            yield Sentence(
                "pack.few",
                {
                    "run": one.name,
                    "images": one.images,
                    "patients": one.patients,
                    "needed": MIN_POSITIVES,
                },
            )
        elif not one.patients_known:
            yield Sentence("pack.no_patients", {"run": one.name, "images": one.images})
        without = [name for name in one.classes if name not in one.spread]
        if without:
            yield Sentence("pack.no_class", {"run": one.name, "classes": without})
        if one.empty:
            yield Sentence(
                "pack.empty", {"run": one.name, "empty": one.empty, "images": one.images}
            )
    gone = [one.name for one in packed if one.key not in opened]
    if gone:
        yield Sentence("pack.gone", {"runs": gone})
    for by, comparison in comparisons.items():
        for note in comparison.notes:
            yield Sentence(
                "words.of", {"of": Sentence(f"words.{by}"), "line": heard(note, "notes")}
            )
