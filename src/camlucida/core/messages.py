"""Messages to people as data: a code and the values that belong to it.

The English text of a code is declared once, beside the code that uses it, with :func:`declare`.
Words are made late, at the edge (terminal, figure, page, report), by :class:`Texts`; another
language is a catalogue of the same codes (``camlucida.report.locale``).

Placeholders of a template:

- ``{name}``: text, a list, a message, a number, an :class:`Estimate` with its interval;
- ``{name:.2f}``, ``{name:.0%}``: a number or an estimate by a format spec of Python;
- ``{name:|image|images}``: no number, but the first word if it is 1 and else the second;
- ``{name:,}``: a list with a comma before its last item too, instead of "and";
- ``[@key]``: a citation, see ``camlucida.report.references``.

What values hold is never read as a template or a citation.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import isfinite
from numbers import Integral, Real
from string import Formatter
from typing import Any, TypeAlias

from camlucida.core.numbers import number

NAN = float("nan")

ENGLISH: dict[str, str] = {}
"""Code → English template, of every module that was imported."""


@dataclass(frozen=True)
class Estimate:
    """A measured number with its interval and its chance level.

    Attributes:
        estimate: the number.
        low, high: its 95 % interval; NaN where there is none (fewer than 10 patients).
        chance: the chance level; NaN where there is none.
        percent: print it as a percentage.
    """

    estimate: float
    low: float = NAN
    high: float = NAN
    chance: float = NAN
    percent: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def verdict(self) -> str:
        """Where the interval lies: "more" or "less" than zero, "same", or "unsure" without one.

        >>> Estimate(0.2, 0.1, 0.3).verdict, Estimate(0.2, -0.1, 0.5).verdict, Estimate(1).verdict
        ('more', 'same', 'unsure')
        """
        if not self.has_interval:
            return "unsure"
        return "more" if self.low > 0 else "less" if self.high < 0 else "same"


@dataclass(frozen=True)
class Message:
    """A code, such as ``results.auc``, and the value of each placeholder of its text."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        """The message in English, for terminals and logs. Never to be parsed or compared."""
        return ENGLISH_TEXTS.render(self)

    def __hash__(self) -> int:
        return hash(self.dumps())

    def to_json(self) -> dict[str, Any]:
        """As plain data: ``{"code": …, "values": {…}}``.

        >>> Message("notes.no_mask", {"count": 2}).to_json()
        {'code': 'notes.no_mask', 'values': {'count': 2}}
        """
        values = {name: _to_json(value) for name, value in self.values.items()}
        return {"code": self.code, "values": values} if values else {"code": self.code}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Message:
        """The inverse of :meth:`to_json`.

        Args:
            data: ``{"code": …, "values": {…}}``; without values they are none.

        Raises:
            KeyError: ``data`` has no code.

        >>> Message.from_json({"code": "notes.no_mask", "values": {"count": 2}}).values
        {'count': 2}
        """
        values = data.get("values", {})
        return Message(data["code"], {name: _from_json(value) for name, value in values.items()})

    def dumps(self) -> str:
        """One cell of a table: the code alone where it has no values, else JSON.

        >>> Message("empty.gradient").dumps()
        'empty.gradient'
        """
        if not self.values:
            return self.code
        return json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True)

    @staticmethod
    def loads(text: str) -> Message:
        """The inverse of :meth:`dumps`.

        Args:
            text: a code, or the JSON of a message.

        Raises:
            ValueError: ``text`` begins with a brace and is not JSON.
            KeyError: it is JSON without a code.

        >>> Message.loads(Message("notes.no_mask", {"count": 2}).dumps()).values
        {'count': 2}
        """
        return Message.from_json(json.loads(text)) if text.startswith("{") else Message(text)


Value: TypeAlias = "str | int | float | Estimate | Message | Sequence[str | Message]"
"""What a placeholder or a table's cell holds; a list is joined as the language joins lists."""


def declare(table: str, texts: Mapping[str, str]) -> None:
    """Declare the English text of codes: ``table.name`` for each name.

    The module's docstring lists what a template may hold.

    Args:
        table: first part of the codes.
        texts: name → template.

    Raises:
        ValueError: a code has another text already.

    >>> declare("doctest", {"hello": "hello {name}"})
    >>> str(Message("doctest.hello", {"name": "world"}))
    'hello world'
    """
    for name, text in texts.items():
        code = f"{table}.{name}"
        if ENGLISH.setdefault(code, text) != text:
            raise ValueError(f"message {code!r} is declared twice with different texts")


def named(text: str) -> Message:
    """A name, which is the same in every language.

    Args:
        text: the name; line breaks become spaces.

    >>> str(named("Grad-CAM"))
    'Grad-CAM'
    """
    return Message("words.plain", {"text": text})


def quoted(text: str) -> Message:
    """Text that stays as it is, such as an error: a translation puts it in quotation marks.

    Args:
        text: in English.

    >>> str(quoted("no such file"))
    'no such file'
    """
    return Message("words.quoted", {"text": text})


def chain(code: str, messages: Sequence[Message]) -> Message:
    """One or more messages as one: ``code`` joins two, ``{first}`` and ``{then}``.

    Args:
        code: of the template with both placeholders.
        messages: in order.

    Raises:
        TypeError: there are no messages.

    >>> str(chain("words.clause", [named("a"), named("b"), named("c")]))
    'a; b; c'
    """

    def join(first: Message, then: Message) -> Message:
        return Message(code, {"first": first, "then": then})

    return reduce(join, messages)


def prefixed(prefix: str, message: Message) -> Message:
    """A message after what it is about: "seed 42: …".

    Args:
        prefix: what it is about.
        message: what follows the colon.

    >>> str(prefixed("seed 42", named("no mask")))
    'seed 42: no mask'
    """
    return Message("words.of", {"of": prefix, "line": message})


def _to_json(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, Estimate):
        parts = {"estimate": value.estimate, "percent": value.percent}
        ends = {name: getattr(value, name) for name in ("low", "high", "chance")}
        return parts | {name: number for name, number in ends.items() if isfinite(number)}
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Real):  # NumPy's scalars
        return int(value) if isinstance(value, Integral) else float(value)
    return [_to_json(item) for item in value]


def _from_json(value: Any) -> Value:
    if isinstance(value, Mapping):
        return Message.from_json(value) if "code" in value else Estimate(**value)
    if isinstance(value, list):
        items = (_from_json(item) for item in value)
        return [item for item in items if isinstance(item, (str, Message))]
    return value  # type: ignore[no-any-return]


_CITATION = re.compile(r"\[@([a-z0-9]+)\]")
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of the text after them."""


@dataclass(frozen=True)
class Citation:
    """Where a text cites the work ``key``."""

    key: str


Piece: TypeAlias = "str | Citation"


@dataclass(frozen=True)
class Texts:
    """The words of one language.

    Attributes:
        language: such as ``en``.
        catalogue: code → template; a code that is missing here is rendered in English.
    """

    language: str
    catalogue: Mapping[str, str]

    def template(self, code: str) -> str | None:
        """The template of a code, in English where this language has none.

        Args:
            code: ``table.name``.

        Returns:
            None where no imported module declares the code.

        >>> ENGLISH_TEXTS.template("words.clause")
        '{first}; {then}'
        """
        # An empty text is a text: no space between two sentences in Chinese.
        return self.catalogue[code] if code in self.catalogue else ENGLISH.get(code)

    def table(self, name: str) -> dict[str, str]:
        """All templates of a table, by name without the table: ``table("page")["notice"]``."""
        codes = [code for code in ENGLISH if code.startswith(f"{name}.")]
        return {code.removeprefix(f"{name}."): self.template(code) or "" for code in codes}

    def render(self, message: Message) -> str:
        """The message as plain text; a citation as ``[@key]``.

        Args:
            message: any.

        Raises:
            ValueError: as :meth:`pieces`.

        >>> ENGLISH_TEXTS.render(named("Grad-CAM"))
        'Grad-CAM'
        """
        pieces = self.pieces(message)
        return "".join(p if isinstance(p, str) else f"[@{p.key}]" for p in pieces)

    def pieces(self, message: Message) -> tuple[Piece, ...]:
        """The message with its citations apart.

        A code that no imported module declares is rendered as the code and its values.

        Raises:
            ValueError: a value is missing, superfluous, of a wrong kind or not finite.
        """
        template = self.template(message.code)
        if template is None:
            return (_undeclared(message),)
        names = placeholders(template)
        if names != set(message.values):
            raise ValueError(
                f"{message.code} has the placeholders {sorted(names)}, "
                f"and was given {sorted(message.values)}"
            )
        pieces: list[Piece] = []
        for literal, name, spec, _ in Formatter().parse(template):
            pieces += _cited(literal)
            if name is not None:
                try:
                    pieces += self._value(message.values[name], spec or "")
                except ValueError as error:
                    raise ValueError(f"{message.code}, {name}: {error}") from error
        return _joined(pieces)

    def cell(self, value: Value) -> tuple[Piece, ...]:
        """A table's cell: an estimate is short, and a number that is missing is a dash.

        Args:
            value: what the cell shows; NaN is missing.

        Raises:
            ValueError: as :meth:`pieces`.

        >>> ENGLISH_TEXTS.cell(float("nan")), ENGLISH_TEXTS.cell(0.25)
        (('–',), ('0.25',))
        """
        if isinstance(value, Estimate):
            missing = value.estimate != value.estimate
            return (self._form("none") if missing else self._estimate(value, "", "cell"),)
        if isinstance(value, (float, Real)) and value != value:
            return (self._form("none"),)
        return self._value(value, "")

    def _value(self, value: Value, spec: str) -> tuple[Piece, ...]:
        if isinstance(value, Message):
            return self.pieces(value)
        if isinstance(value, Estimate):
            return (self._estimate(value, spec, "estimate"),)
        if isinstance(value, bool):
            raise ValueError(f"{value} is no word of any language")
        if isinstance(value, (int, float, Real)):
            return (self._number_or_plural(value, spec),)
        if spec and (isinstance(value, str) or spec != ","):
            raise ValueError(f"{value!r} is no number, and has the format {spec}")
        if isinstance(value, str):
            return (clean(value),)
        items = [clean(item) if isinstance(item, str) else self.render(item) for item in value]
        return (self._list(items, spec),)

    def _number_or_plural(self, value: Real | float, spec: str) -> str:
        if not spec.startswith("|"):
            return self._number(value, spec)
        one, many = spec[1:].split("|")
        return one if value == 1 else many

    def _number(self, value: Real | float, spec: str) -> str:
        plain = int(value) if isinstance(value, Integral) else float(value)
        text = number(plain, spec)
        return self._form("percent", number=text[:-1]) if text.endswith("%") else text

    def _estimate(self, value: Estimate, spec: str, form: str) -> str:
        spec = spec or (".1%" if value.percent else ".3f")
        names = ("estimate", "low", "high") if value.has_interval else ("estimate",)
        parts = {name: self._number(getattr(value, name), spec) for name in names}
        text = self._form(form if value.has_interval else f"{form}_alone", **parts)
        if value.chance != value.chance:  # no chance level
            return text
        chance = self._number(value.chance, spec)
        return self._form(f"{form}_chance", estimate=text, chance=chance)

    def _list(self, items: Sequence[str], spec: str) -> str:
        if not items:
            raise ValueError("a list of a message is empty")
        *before, last = items
        comma = self._form("comma")
        if spec or not before:
            return comma.join(items)
        return self._form("list", before=comma.join(before), last=last)

    def _form(self, name: str, **parts: str) -> str:
        return (self.template(f"forms.{name}") or "").format(**parts)


ENGLISH_TEXTS = Texts("en", ENGLISH)


def english(message: Message) -> str:
    """The message in English.

    Args:
        message: any.

    Raises:
        ValueError: as :meth:`Texts.pieces`.

    >>> english(Message("words.clause", {"first": "one", "then": "two"}))
    'one; two'
    """
    return ENGLISH_TEXTS.render(message)


def placeholders(template: str) -> set[str]:
    """The names in a template.

    Args:
        template: in the syntax of ``str.format``.

    Raises:
        ValueError: a brace is not closed.

    >>> sorted(placeholders("{count} {count:|image|images} of {where}"))
    ['count', 'where']
    """
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def clean(text: str) -> str:
    """One line without broken bytes, control characters, or characters that turn its direction.

    >>> clean("a\\tb\\n c")
    'a b c'
    """
    text = _DIRECTION.sub("", text.encode("utf-8", "replace").decode("utf-8"))
    signs = (" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
    return " ".join("".join(signs).split())


def _undeclared(message: Message) -> str:
    values = ", ".join(f"{name}={value}" for name, value in message.values.items())
    return clean(f"{message.code}: {values}" if values else message.code)


def _cited(literal: str) -> Iterator[Piece]:
    for i, part in enumerate(_CITATION.split(literal)):
        yield Citation(part) if i % 2 else part


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Neighbouring text in one piece."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece:
            joined.append(piece)
    return tuple(joined)


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

declare(
    "words",
    {
        "plain": "{text}",
        "quoted": "{text}",
        "nothing": "",
        "of": "{of}: {line}",
        "clause": "{first}; {then}",
        "multilabel": "multi-label",
        "multiclass": "multi-class",
        "binary": "binary",
        "regression": "regression",
        "segmentation": "segmentation",
        "seed": "training seed",
        "fold": "fold",
        "model": "model",
        "architecture": "architecture",
        "method": "method",
        "layer": "layer",
        "TP": "true positive",
        "FP": "false positive",
        "FN": "false negative",
        "TN": "true negative",
    },
)
