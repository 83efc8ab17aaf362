"""A named table of functions: a dict, a decorator, and a helpful error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from camlucida.core.errors import UsageError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Names → items of one kind, in order of registration.

    Args:
        kind: what the items are, for error messages.

    >>> colours: Registry[int] = Registry("colour")
    >>> colours.add("red", 0xFF0000)
    16711680
    >>> "red" in colours, list(colours)
    (True, ['red'])
    >>> colours["rad"]
    Traceback (most recent call last):
        ...
    camlucida.core.errors.UsageError: unknown colour 'rad' (did you mean red?)
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> T:
        """Register ``item`` and return it.

        Args:
            name: by which users request it.
            item: of the registry's kind.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> T:
        """The item of this name.

        Raises:
            UsageError: there is none; the message has near matches.
        """
        try:
            return self._items[name]
        except KeyError:
            fix = did_you_mean(name, self._items)
            raise UsageError(f"unknown {self.kind} {name!r}", fix) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def items(self) -> list[tuple[str, T]]:
        """(name, item) pairs, in order of registration."""
        return list(self._items.items())

    def remove(self, name: str) -> None:
        """Forget ``name``, for what is registered for a while, as in a test.

        Args:
            name: of a registered item.

        Raises:
            UsageError: there is none of this name.
        """
        self[name]
        del self._items[name]
