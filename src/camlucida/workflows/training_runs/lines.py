"""A pack in lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.look_first import look_first, ranked_disagreements
from camlucida.analysis.comparison.summary import by_verdict, on_artefacts
from camlucida.analysis.comparison.verdict import verdict_name
from camlucida.core.messages import Message, Value, declare
from camlucida.workflows.training_runs.results import StoredEstimate, TrainingResults

declare(
    "pack_lines",
    {
        "same": (
            "{run}: classes and probabilities are those of val_predictions.csv "
            "in all of {images} {images:|image|images}"
        ),
        "differ": (
            "{run}: another class than val_predictions.csv in {differ} of "
            "{images} {images:|image|images}"
        ),
        "probabilities": (
            "{line}, probabilities differ by at most {largest:.2g} ({worst}), median {median:.2g}"
        ),
        "wrong": (
            "{line}; WRONG PREPROCESSING OR MODEL? These maps are not to be used: "
            "name its card with --model"
        ),
    },
)


def row_of(training: TrainingResults) -> tuple[str, ...]:
    """A row of the printed table of runs."""
    none = StoredEstimate()
    return (
        training.key,
        str(training.images),
        _with_interval(training.figures.get("accuracy", none)),
        _with_interval(training.figures.get("quadratic_kappa", none)),
        _with_area(training.artefact),
        _with_area(training.text),
    )


def rule_lines(trainings: Sequence[TrainingResults]) -> Iterator[str]:
    """The rule by which the cases of each figure were chosen; figures of one rule in one line."""
    figures: dict[Message, list[str]] = {}
    for training in trainings:
        figures.setdefault(training.rule, []).append(f"{training.figure}.png")
    for rule, names in figures.items():
        yield f"{', '.join(names)}: {rule}"


def verdict_lines(comparisons: Mapping[str, Comparison]) -> Iterator[str]:
    """How many cases have each verdict, and the rule; then the notes of each comparison."""
    seeds = comparisons.get("seed")
    if seeds is not None and len(seeds.cases):
        rows = by_verdict(seeds).to_dict("records")
        judged = [row for row in rows if row["verdict"]]
        counts = [f"{verdict_name(row['verdict'])} {row['cases']}" for row in judged]
        on_artefact = [f"{run} {count}" for run, count, _ in on_artefacts(seeds)]
        yield (
            f"seeds: {', '.join(counts)}, of {len(seeds.cases)} cases; "
            f"each by itself has heat on artefacts in: {', '.join(on_artefact)}. {seeds.rule}"
        )
    for comparison in comparisons.values():
        for note in comparison.notes:
            yield f"{comparison.by}: {note}"


FIRST = 5
"""Images to look at first that the terminal lists."""


def look_first_lines(comparisons: Mapping[str, Comparison]) -> Iterator[str]:
    """The images on which the seeds disagree most, and what differs in each."""
    seeds = comparisons.get("seed")
    if seeds is None or seeds.cases.empty:
        return
    ranked = ranked_disagreements(seeds)
    yield str(look_first(ranked, len(seeds.cases), FIRST))
    for row in ranked.head(FIRST).to_dict("records"):
        kind = Message(f"disagreement.{row['kind']}")
        yield f"  {row['rank']}. {row['image']}: {kind}: {Message.loads(row['reason_code'])}"


def check_lines(trainings: Sequence[TrainingResults]) -> Iterator[Message]:
    """Whether each run's predictions are those of its file."""
    for training in trainings:
        check = training.check
        counts: dict[str, Value] = {"run": training.key, "images": check.images}
        if check.same:
            yield Message("pack_lines.same", counts)
            continue
        if not check.images and check.largest is None:
            continue  # nothing is stored: a note says so
        line = Message("pack_lines.differ", {**counts, "differ": check.differ})
        if check.largest is not None and check.median is not None:
            numbers: dict[str, Value] = {
                "largest": check.largest,
                "median": check.median,
                "worst": check.worst,
            }
            line = Message("pack_lines.probabilities", {"line": line, **numbers})
        yield Message("pack_lines.wrong", {"line": line}) if check.wrong else line


def _with_interval(estimate: StoredEstimate) -> str:
    if estimate.estimate is None:
        return ""
    if estimate.low is None:
        return f"{estimate.estimate:.3f}"
    return f"{estimate.estimate:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _with_area(share: StoredEstimate) -> str:
    return "" if share.estimate is None else f"{share.estimate:.3f} ({share.chance:.3f})"
