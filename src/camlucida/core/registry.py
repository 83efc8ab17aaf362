"""A named table of functions: a dict, a decorator, and a helpful error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

from camlucida.core.errors import UsageError, did_you_mean

T = TypeVar("T")


def plain_name(name: str) -> str:
    """A name without what users spell differently.

    Args:
        name: as a user wrote it; of no letters and digits it stays as it is.

    >>> plain_name("Grad-CAM++"), plain_name("+")
    ('gradcampp', '+')
    """
    letters = re.sub(r"[^a-z0-9]", "", name.casefold().replace("++", "pp"))
    return letters.replace("plusplus", "pp") or name


class Registry(Generic[T]):
    """Names → items of one kind, in order of registration.

    Args:
        kind: what the items are, for error messages.
        spellings: whether a name is also found by other spellings of it, or of the item's title.

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

    def __init__(self, kind: str, spellings: bool = False) -> None:
        self.kind = kind
        self.spellings = spellings
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
        return self._items[self.canonical(name)]

    def canonical(self, name: str) -> str:
        """The name of an item as it is registered, of whatever spelling.

        Capitals, hyphens, underscores and spaces do not count, and "++", "pp" and "plusplus" are
        one, in registries made so.

        Args:
            name: as a user wrote it.

        Raises:
            UsageError: there is none; the message has near matches.

        >>> from camlucida.attribution.methods import METHODS
        >>> METHODS.canonical("Grad-CAM++"), METHODS.canonical("HiResCAM")
        ('gradcam_pp', 'hirescam')
        """
        if name in self._items:
            return name
        if self.spellings and isinstance(name, str):
            plain = plain_name(name)
            for registered, item in self._items.items():
                if plain in (plain_name(registered), plain_name(getattr(item, "title", ""))):
                    return registered
        fix = did_you_mean(str(name), self._items)
        raise UsageError(f"unknown {self.kind} {name!r}", fix)

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
