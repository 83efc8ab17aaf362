"""What the rows of a table say of one image."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Facts:
    """Entries of one row about its image; "" for a blank cell.

    Attributes:
        patient, split: cells of the row.
        labels: that are present; None where the table holds no labels.
    """

    patient: str
    split: str
    labels: tuple[str, ...] | None


def differing_facts(facts: Collection[Facts]) -> list[str]:
    """Names of the entries in which rows about one image disagree.

    Args:
        facts: of the rows.

    >>> differing_facts([Facts("p1", "test", None), Facts("p2", "test", None)])
    ['patient']
    """
    names = [item.name for item in fields(Facts)]
    return [name for name in names if _disagree(facts, name)]


def _disagree(facts: Collection[Facts], name: str) -> bool:
    return len({getattr(fact, name) for fact in facts}) > 1
