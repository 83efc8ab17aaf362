"""The English templates of messages, and the syntax of templates in every language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import TypeAlias

ENGLISH: dict[str, str] = {}
"""Code → English template, of every module that was imported."""

_CITATION = re.compile(r"\[@([a-z0-9]+)\]")
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of the text after them."""


def declare(table: str, texts: Mapping[str, str]) -> None:
    """Declare the English text of codes: ``table.name`` for each name.

    The docstring of :mod:`camlucida.core.messages` lists what a template may hold.

    Args:
        table: first part of the codes.
        texts: name → template.

    Raises:
        ValueError: a code has another text already.

    >>> declare("doctest", {"hello": "hello {name}"})
    >>> ENGLISH["doctest.hello"]
    'hello {name}'
    """
    for name, text in texts.items():
        code = f"{table}.{name}"
        # The same text again is no fault: a module can be imported twice, by two names.
        if ENGLISH.setdefault(code, text) != text:
            raise ValueError(f"message {code!r} is declared twice with different texts")


def placeholders(template: str) -> set[str]:
    """The names in a template.

    Args:
        template: in the syntax of ``str.format``.

    Raises:
        ValueError: a brace is not closed.

    >>> sorted(placeholders("{count} {count:|image|images} of {where}"))
    ['count', 'where']
    """
    fields = Formatter().parse(template)
    return {name for _, name, _, _ in fields if name is not None}


@dataclass(frozen=True)
class Citation:
    """Where a text cites the work ``key``.

    >>> str(Citation("zhou2016"))
    '[@zhou2016]'
    """

    key: str

    def __str__(self) -> str:
        """As templates write it."""
        return f"[@{self.key}]"


Piece: TypeAlias = "str | Citation"


def cited(literal: str) -> Iterator[Piece]:
    """The text of a template with its citations apart.

    Args:
        literal: what stands between placeholders.

    Yields:
        Text (which may be empty) and citations in turn.

    >>> list(cited("as in [@zhou2016]."))
    ['as in ', Citation(key='zhou2016'), '.']
    """
    for i, part in enumerate(_CITATION.split(literal)):
        is_key = i % 2 == 1  # split() puts what the group matched at odd positions
        yield Citation(part) if is_key else part


def joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Neighbouring texts as one; empty ones are left out.

    Args:
        pieces: in order.

    >>> joined(["a", "b", Citation("zhou2016"), ""])
    ('ab', Citation(key='zhou2016'))
    """
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece:
            merged.append(piece)
    return tuple(merged)


def clean(text: str) -> str:
    """One line without broken bytes, control characters, or characters that turn its direction.

    Args:
        text: from anywhere, such as the header of a file.

    >>> clean("a\\tb\\n c")
    'a b c'
    """
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    characters = [_printable(character) for character in _DIRECTION.sub("", encodable)]
    return " ".join("".join(characters).split())


def _printable(character: str) -> str:
    is_control = unicodedata.category(character) == "Cc"
    return " " if is_control else character


# How a language writes numbers, intervals and lists: the parts that `Texts` puts together.
declare(
    "forms",
    {
        "percent": "{number}%",
        "estimate": "{estimate} [{low}, {high}]",
        "estimate_alone": "{estimate} (no interval: fewer than 10 patients)",
        "estimate_chance": "{estimate}, chance {chance}",
        "cell": "{estimate} [{low}, {high}]",
        "cell_alone": "{estimate}",
        "cell_chance": "{estimate} (chance {chance})",
        "none": "–",
        "list": "{before} and {last}",
        "comma": ", ",
        "between": " ",
    },
)
