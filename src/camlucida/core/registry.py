"""A named table of functions: a dict, a decorator, and a helpful error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from camlucida.core.errors import UsageError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Names → things of one kind. ``registry["name"]`` raises a :class:`UsageError` with near matches."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> T:
        """Register ``item``; a name can be taken once."""
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> T:
        try:
            return self._items[name]
        except KeyError:
            raise UsageError(
                f"unknown {self.kind} {name!r}", did_you_mean(name, self._items)
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def items(self) -> list[tuple[str, T]]:
        """(name, item) pairs, in order of registration."""
        return list(self._items.items())
