"""Sentences of one language: a template from ``LANGUAGE.toml``, and the values measured in this run.

Placeholders of a template:

- ``{name}``: text, a list, a sentence, a number, an :class:`~camlucida.report.document.Estimate` with all that belongs to it;
- ``{name:.2f}``, ``{name:.0%}``: a number or an estimate by a format spec of Python;
- ``{name:|image|images}``: no number, but the first word if it is 1 and else the second;
- ``{name:,}``: a list with a comma before its last item too, where else the language puts its "and";
- ``[@key]``: a citation of :data:`~camlucida.report.references.REFERENCES`.

What values hold is never read as a template or a citation.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from numbers import Integral, Real
from string import Formatter
from typing import Any, TypeAlias

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Estimate, Sentence, Value
from camlucida.core.numbers import number

_CITATION = re.compile(r"\[@([a-z0-9]+)\]")
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of the text after them."""


@dataclass(frozen=True)
class Citation:
    """Where a sentence cites the work ``key``."""

    key: str


Piece: TypeAlias = "str | Citation"


@dataclass(frozen=True)
class Texts:
    """The words of one language.

    Attributes:
        language: such as ``en``.
        templates: key, such as ``data.images``, → template.
    """

    language: str
    templates: Mapping[str, str]

    @staticmethod
    def load(language: str) -> Texts:
        """Raises UsageError for a language of which there is no file."""
        known = languages()
        if language not in known:
            raise UsageError(f"unknown language {language!r}", did_you_mean(language, known))
        return Texts(language, _templates(language))

    def say(self, sentence: Sentence) -> str:
        """The sentence as plain text; a citation as ``[@key]``.

        Raises:
            ValueError: a value is missing, of a wrong kind or not finite, or is none of the sentence's.
            KeyError: no such sentence.
        """
        return "".join(
            piece if isinstance(piece, str) else f"[@{piece.key}]"
            for piece in self.pieces(sentence)
        )

    def pieces(self, sentence: Sentence) -> tuple[Piece, ...]:
        """The sentence, its citations apart. Raises as :meth:`say`."""
        template = self.templates[sentence.key]
        asked = placeholders(template)
        if asked != set(sentence.values):
            raise ValueError(
                f"{sentence.key} has the placeholders {sorted(asked)}, and was given {sorted(sentence.values)}"
            )
        found: list[Piece] = []
        for literal, name, spec, _ in Formatter().parse(template):
            found += _cited(literal)
            if name is not None:
                try:
                    found += self._value(sentence.values[name], spec or "")
                except ValueError as error:
                    raise ValueError(f"{sentence.key}, {name}: {error}") from error
        return _joined(found)

    def cell(self, value: Value) -> tuple[Piece, ...]:
        """A table's cell: as in a sentence, but an estimate is said shortly, and a number that is not there is a dash."""
        if isinstance(value, Estimate):
            return (
                self._estimate(value, "", "cell")
                if value.estimate == value.estimate
                else self._form("none"),
            )
        if isinstance(value, (float, Real)) and value != value:
            return (self._form("none"),)
        return self._value(value, "")

    def _value(self, value: Value, spec: str) -> tuple[Piece, ...]:
        if isinstance(value, Sentence):
            return self.pieces(value)
        if isinstance(value, Estimate):
            return (self._estimate(value, spec, "estimate"),)
        if isinstance(value, bool):
            raise ValueError(f"{value} is no word of any language")
        if isinstance(value, (int, float, Real)):
            if spec.startswith("|"):
                one, many = spec[1:].split("|")
                return (one if value == 1 else many,)
            return (self._number(value, spec),)
        if spec and (isinstance(value, str) or spec != ","):
            raise ValueError(f"{value!r} is no number, and is asked for as {spec}")
        if isinstance(value, str):
            return (clean(value),)
        return (
            self._list(
                [clean(item) if isinstance(item, str) else self.say(item) for item in value], spec
            ),
        )

    def _number(self, value: Real | float, spec: str) -> str:
        words = number(int(value) if isinstance(value, Integral) else float(value), spec)
        return self._form("percent", number=words[:-1]) if words.endswith("%") else words

    def _estimate(self, value: Estimate, spec: str, form: str) -> str:
        spec = spec or (".1%" if value.percent else ".3f")
        parts = {
            key: self._number(getattr(value, key), spec)
            for key in ("estimate", *(("low", "high") if value.sure else ()))
        }
        words = self._form(form if value.sure else f"{form}_alone", **parts)
        if value.chance == value.chance:
            return self._form(
                f"{form}_chance", estimate=words, chance=self._number(value.chance, spec)
            )
        return words

    def _list(self, items: Sequence[str], spec: str) -> str:
        if not items:
            raise ValueError("an empty list says nothing")
        *before, last = items
        comma = self.templates["forms.comma"]
        if spec or not before:
            return comma.join(items)
        return self._form("list", before=comma.join(before), last=last)

    def _form(self, name: str, **parts: str) -> str:
        return self.templates[f"forms.{name}"].format(**parts)


@cache
def _templates(language: str) -> dict[str, str]:
    return dict(
        _flat(
            tomllib.loads(
                (files("camlucida.report.locale") / f"{language}.toml").read_text("utf-8")
            )
        )
    )


def languages() -> list[str]:
    """Those of which there is a file."""
    places = files("camlucida.report.locale").iterdir()
    return sorted(
        place.name.removesuffix(".toml") for place in places if place.name.endswith(".toml")
    )


def placeholders(template: str) -> set[str]:
    """The names in a template."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def clean(text: str) -> str:
    """One line, without what is no character: broken bytes, control characters, marks that turn the direction of text."""
    text = _DIRECTION.sub("", text.encode("utf-8", "replace").decode("utf-8"))
    return " ".join(
        "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text).split()
    )


def _cited(literal: str) -> Iterator[Piece]:
    for i, part in enumerate(_CITATION.split(literal)):
        yield Citation(part) if i % 2 else part


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Neighbouring text in one piece."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        elif piece:
            found.append(piece)
    return tuple(found)


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
