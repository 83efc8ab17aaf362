"""Tables of a pack's section, with a column a run."""

from __future__ import annotations

from collections.abc import Sequence

from camlucida.core.messages import NAN, Message, Value, declare, named
from camlucida.report.document import Table
from camlucida.workflows.training_runs.results import StoredEstimate, TrainingResults

declare("pack", {"head_figure": "Figure"})

Rows = Sequence[tuple[Value, ...]]


def column_per_run(
    name: str, caption: Message, trainings: Sequence[TrainingResults], rows: Rows
) -> Table:
    """A table with the names of the runs as its head.

    Args:
        name: anchor of the table.
        caption: of the table.
        trainings: one a column.
        rows: title, then a cell a run.
    """
    names = (named(training.name) for training in trainings)
    return Table(name, caption, (Message("pack.head_figure"), *names), tuple(rows))


def estimate(stored: StoredEstimate | None) -> Value:
    """A cell; NaN, which is shown as a dash, for a number that does not exist."""
    return NAN if stored is None else stored.to_estimate()


def classes_of(trainings: Sequence[TrainingResults]) -> list[str]:
    """The classes of any of the runs, in their order."""
    classes: dict[str, None] = {}
    for training in trainings:
        classes |= dict.fromkeys(training.classes)
    return list(classes)
