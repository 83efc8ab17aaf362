"""A pack in lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.summary import by_verdict, on_artefacts
from camlucida.core.messages import english
from camlucida.workflows.training_runs.measure import StoredEstimate, TrainingResults


def lines_of(one: TrainingResults) -> tuple[str, ...]:
    """A row of the table of runs."""
    accuracy, kappa = (
        one.figures.get(name, StoredEstimate()) for name in ("accuracy", "quadratic_kappa")
    )
    return (
        one.key,
        str(one.images),
        _interval(accuracy),
        _interval(kappa),
        _beside(one.artefact),
        _beside(one.text),
    )


def rules_of(packed: Sequence[TrainingResults]) -> Iterator[str]:
    """By which rule the cases of each figure were chosen; figures of one rule in one line."""
    figures: dict[str, list[str]] = {}
    for one in packed:
        figures.setdefault(english(one.rule), []).append(f"{one.figure}.png")
    yield from (f"{', '.join(names)}: {rule}" for rule, names in figures.items())


def verdict_lines(comparisons: Mapping[str, Comparison]) -> Iterator[str]:
    """How many cases have each verdict, and the rule."""
    seeds = comparisons.get("seed")
    if seeds is not None and len(seeds.cases):
        counts = by_verdict(seeds)
        told = ", ".join(
            f"{row['verdict']} {row['cases']}"
            for row in counts[counts["verdict"] != ""].to_dict("records")
        )
        marked = ", ".join(f"{run} {count}" for run, count, _ in on_artefacts(seeds))
        yield f"seeds: {told}, of {len(seeds.cases)} cases; each by itself has heat on artefacts in: {marked}. {seeds.rule}"
    for comparison in comparisons.values():
        yield from (f"{comparison.by}: {note}" for note in comparison.notes)


def warnings_of(packed: Sequence[TrainingResults]) -> Iterator[str]:
    """Whether each run's predictions are those of its own file."""
    for one in packed:
        check, images = one.check, f"{one.check.images} image{'s' * (one.check.images != 1)}"
        if check.same:
            yield f"{one.key}: classes and probabilities are those of val_predictions.csv in all of {images}"
            continue
        told = f"{one.key}: another class than val_predictions.csv in {check.differ} of {images}"
        if check.largest is not None:
            told += f", probabilities differ by at most {check.largest:.2g} ({check.worst}), median {check.median:.2g}"
        warning = "; WRONG PREPROCESSING OR MODEL? These maps are not to be used: name its card with --model"
        yield told + (warning if check.wrong else "")


def _interval(number: StoredEstimate) -> str:
    if number.estimate is None:
        return ""
    bounds = f" [{number.low:.3f}, {number.high:.3f}]" if number.low is not None else ""
    return f"{number.estimate:.3f}{bounds}"


def _beside(number: StoredEstimate) -> str:
    return "" if number.estimate is None else f"{number.estimate:.3f} ({number.chance:.3f})"
