"""Items of a run, one image and one model each: their state, and the maps that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from camlucida.core.errors import EmptyRegionError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, Value, chain, declare, prefixed, quoted
from camlucida.io.tables import listing

declare(
    "items",
    {"empty_region": "{model}, {count} {count:|image|images}: {reason} ({names})."},
)

State = Literal["pending", "done", "failed"]
Key = tuple[str, str]
"""(image, model)."""


@dataclass(frozen=True)
class MissingMap:
    """A map that could not be made of an item.

    Attributes:
        target: as it was requested; "" for the task's default.
        method, layer: names.
        code, what, fix: of the error, as in :class:`~camlucida.core.failures.Failure`.
    """

    target: str
    method: str
    layer: str
    code: str
    what: str
    fix: str = ""


@dataclass(frozen=True)
class LedgerEntry:
    """One item: one image and one model.

    Attributes:
        image, model: names.
        position: in the cohort's order; None for an item that is no longer part of the cohort, but
            whose maps are kept.
        state: pending, done or failed.
        attempts: how often it was begun.
        alone: how often it was begun by itself, after the process had died on its batch, and not
            ended.
        identity: of what is stored, see :mod:`camlucida.runs.identity`; "" while there is nothing.
        part: number of the part that holds its rows; None while there is none.
        row: of its first row among the part's ``predictions``.
        failure: why it failed; None for an item that did not.
        missing: the maps that could not be made.
    """

    image: str
    model: str
    position: int | None
    state: State
    attempts: int
    alone: int
    identity: str
    part: int | None
    row: int | None
    failure: Failure | None
    missing: tuple[MissingMap, ...]

    @property
    def key(self) -> Key:
        """Image and model."""
        return self.image, self.model

    @property
    def nothing_to_explain(self) -> bool:
        """Whether maps are missing because a region is empty in the image, and for no other reason.

        Nothing is predicted there, or nothing is true, which is a result.
        """
        codes = {each.code for each in self.missing}
        return self.state == "done" and codes == {EmptyRegionError.code}

    @property
    def note(self) -> Message | None:
        """The missing maps of an item that is done, with the reason of each; None without any."""
        if self.state != "done" or not self.missing:
            return None
        by_reason: dict[str, list[str]] = {}
        for each in self.missing:
            reason = f"{each.what} ({each.fix})" if each.fix else each.what
            by_reason.setdefault(reason, []).append(f"{each.method} at {each.layer}")
        clauses = [
            prefixed(", ".join(dict.fromkeys(maps)), quoted(reason))
            for reason, maps in by_reason.items()
        ]
        return chain("words.clause", clauses)


def count_states(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """How many items are in each state.

    Args:
        entries: of a ledger, in any order.

    Returns:
        "done", "failed" and "pending" → number of items, ≥ 0.

    >>> count_states([])
    {'done': 0, 'failed': 0, 'pending': 0}
    """
    counts = {"done": 0, "failed": 0, "pending": 0}
    for entry in entries:
        counts[entry.state] += 1
    return counts


def item_notes(entries: Iterable[LedgerEntry]) -> list[Message]:
    """One note for all images in which a model has nothing to explain, then one of each other item.

    The latter have a missing map, and the names of image and model stand before the note.

    Args:
        entries: of a ledger, in the order in which the notes are wanted.

    >>> item_notes([])
    []
    """
    images: dict[tuple[str, str], list[str]] = {}
    notes: list[Message] = []
    for entry in entries:
        if entry.nothing_to_explain:
            for reason in dict.fromkeys(each.what for each in entry.missing):
                images.setdefault((entry.model, reason), []).append(entry.image)
        elif entry.note is not None:
            notes.append(prefixed(f"{entry.image}, {entry.model}", entry.note))
    return [*_empty_regions(images), *notes]


def _empty_regions(images: Mapping[tuple[str, str], Sequence[str]]) -> list[Message]:
    """A note for each model and reason."""
    notes = []
    for (model, reason), names in images.items():
        values: dict[str, Value] = {"model": model, "reason": quoted(reason)}
        values |= {"count": len(names), "names": listing(names)}
        notes.append(Message("items.empty_region", values))
    return notes


@dataclass(frozen=True)
class FinishedItem:
    """How one item ended.

    Attributes:
        key: image and model.
        state: done or failed.
        identity: see :mod:`camlucida.runs.identity`.
        row: of its first row in the part; None where it has none.
        failure: why it failed.
        missing: the maps that could not be made.
    """

    key: Key
    state: State
    identity: str
    row: int | None = None
    failure: Failure | None = None
    missing: tuple[MissingMap, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the record of a part."""
        return {
            "key": list(self.key),
            "state": self.state,
            "identity": self.identity,
            "row": self.row,
            "failure": None if self.failure is None else self.failure.to_json(),
            "missing": [asdict(each) for each in self.missing],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> FinishedItem:
        """What :meth:`to_json` gave.

        >>> item = FinishedItem(("a", "net"), "done", "0f", 3)
        >>> FinishedItem.from_json(item.to_json()) == item
        True
        """
        image, model = data["key"]
        failure = None if data["failure"] is None else Failure(**data["failure"])
        missing = tuple(MissingMap(**each) for each in data["missing"])
        return FinishedItem(
            (image, model), data["state"], data["identity"], data["row"], failure, missing
        )
