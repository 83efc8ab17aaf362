"""Counts and lists of names, for messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def count(items: Sequence[object], what: str) -> str:
    """How many, with its noun, for a message.

    Args:
        items: what is counted.
        what: the noun, in the singular; its plural is formed with "s".

    >>> count(["a", "b"], "image")
    '2 images'
    """
    ending = "" if len(items) == 1 else "s"
    return f"{len(items)} {what}{ending}"


def listing(names: Iterable[str], limit: int = 3) -> str:
    """The first names, for a message.

    Args:
        names: in order; "" is shown as "(blank)".
        limit: how many are shown.

    >>> listing("abcd")
    'a, b, c, …'
    """
    shown = [name or "(blank)" for name in names]
    ending = ", …" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + ending
