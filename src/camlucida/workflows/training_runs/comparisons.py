"""Seeds, folds and layers of training runs compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from camlucida.analysis.comparison import Comparison, compare
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare, quoted
from camlucida.runs import Run
from camlucida.workflows.training_runs.results import TrainingResults

declare(
    "pack_notes",
    {
        "other_classes": (
            "{run}, with the classes {classes:,}, is not compared with {first}, "
            "with {first_classes:,}"
        ),
        "not_compared": "not compared by {by}: {reason}",
    },
)


def compare_training_runs(
    trainings: Sequence[TrainingResults],
    opened: Mapping[str, Run],
    cases: pd.DataFrame,
    heat: pd.DataFrame,
) -> tuple[dict[str, Comparison], list[Message]]:
    """Compare seeds among the runs of no fold; folds; layers of every run with more than one.

    Args:
        trainings: results of all runs.
        opened: key → run whose maps exist, in the order of the tables.
        cases, heat: of these runs, same index.

    Returns:
        The comparisons by what varies, and notes on what is not compared.
    """
    indices = {key: index for index, key in enumerate(opened)}
    with_maps = [training for training in trainings if training.key in indices]
    if not with_maps:
        return {}, []
    first = with_maps[0]
    alike = [training for training in with_maps if training.classes == first.classes]
    notes = [_other_classes(each, first) for each in with_maps if each.classes != first.classes]
    main = pd.Series(False, index=cases.index)
    for training in with_maps:
        of_run = cases["run"] == indices[training.key]
        main |= of_run & (cases["layer"] == training.layer)
    seeds = [indices[training.key] for training in alike if training.fold is None]
    folds = [indices[training.key] for training in alike if training.fold is not None]
    layers_of_run = cases.groupby("run")["layer"].nunique()
    layered = layers_of_run.index[layers_of_run > 1]
    # A comparison of seeds or folds takes two runs; one of layers takes one.
    wanted = (
        ("seed", main & cases["run"].isin(seeds), 2),
        ("fold", main & cases["run"].isin(folds), 2),
        ("layer", cases["run"].isin(layered), 1),
    )
    comparisons: dict[str, Comparison] = {}
    for by, rows, enough in wanted:
        if cases["run"][rows].nunique() < enough:
            continue
        try:
            comparisons[by] = compare(list(opened.values()), cases[rows], heat[rows], by)
        except UsageError as error:
            values = {"by": Message(f"words.{by}"), "reason": quoted(str(error))}
            notes.append(Message("pack_notes.not_compared", values))
    return comparisons, notes


def _other_classes(training: TrainingResults, first: TrainingResults) -> Message:
    values = {
        "run": training.name,
        "classes": list(training.classes),
        "first": first.name,
        "first_classes": list(first.classes),
    }
    return Message("pack_notes.other_classes", values)
