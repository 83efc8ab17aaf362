"""A message as data, its form in files, and its words in a language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from numbers import Integral, Real
from string import Formatter
from typing import Any, TypeAlias

from camlucida.core.messages.estimate import Estimate
from camlucida.core.messages.templates import (
    ENGLISH,
    Piece,
    cited,
    clean,
    joined,
    placeholders,
)
from camlucida.core.numbers import number


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
        if not values:
            return {"code": self.code}
        return {"code": self.code, "values": values}

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
        encoded = data.get("values", {})
        values = {name: _from_json(value) for name, value in encoded.items()}
        return Message(data["code"], values)

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
        if not text.startswith("{"):
            return Message(text)
        return Message.from_json(json.loads(text))


Value: TypeAlias = "str | int | float | Estimate | Message | Sequence[str | Message]"
"""What a placeholder or a table's cell holds; a list is joined as the language joins lists."""


def _to_json(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, Estimate):
        return _estimate_to_json(value)
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Real):  # NumPy's scalars, which the json module refuses
        return _plain(value)
    return [_to_json(item) for item in value]


def _plain(value: Real | float) -> int | float:
    """A number as Python's own."""
    if isinstance(value, Integral):
        return int(value)
    return float(value)


def _estimate_to_json(value: Estimate) -> dict[str, Any]:
    data = {"estimate": value.estimate, "percent": value.percent}
    for name in ("low", "high", "chance"):
        end = getattr(value, name)
        if isfinite(end):  # strict JSON has no NaN
            data[name] = end
    return data


def _from_json(value: Any) -> Value:
    if isinstance(value, Mapping) and "code" in value:
        return Message.from_json(value)
    if isinstance(value, Mapping):
        return Estimate(**value)
    if isinstance(value, list):
        items = [_from_json(item) for item in value]
        return [item for item in items if isinstance(item, (str, Message))]
    return value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Texts:
    """The words of one language.

    Attributes:
        language: such as ``en``.
        catalogue: code → template; a code that is missing here is rendered in English.
        labels: folded name of a label → what it is called in this language.
    """

    language: str
    catalogue: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """A label in this language, with its own name behind it, by which the tables have it.

        Args:
            name: of the label; blanks, underscores, hyphens and case make no difference.

        Returns:
            The name as it is, where this language has no word for it.

        >>> Texts("zh", {}, {"pleuraleffusion": "胸腔积液"}).label("Pleural_Effusion")
        '胸腔积液 (Pleural_Effusion)'
        >>> ENGLISH_TEXTS.label("Pleural_Effusion")
        'Pleural_Effusion'
        """
        translated = self.labels.get(folded_label(name))
        return name if translated is None else f"{translated} ({name})"

    def template(self, code: str) -> str | None:
        """The template of a code, in English where this language has none.

        Args:
            code: ``table.name``.

        Returns:
            None where no imported module declares the code.

        >>> ENGLISH_TEXTS.template("forms.list")
        '{before} and {last}'
        """
        # An empty text is a text: no space between two sentences in Chinese.
        if code in self.catalogue:
            return self.catalogue[code]
        return ENGLISH.get(code)

    def table(self, name: str) -> dict[str, str]:
        """All templates of a table.

        Args:
            name: of the table: the part of the codes before the first dot.

        Returns:
            Name without the table → template.

        >>> ENGLISH_TEXTS.table("forms")["comma"]
        ', '
        """
        prefix = f"{name}."
        codes = [code for code in ENGLISH if code.startswith(prefix)]
        return {code.removeprefix(prefix): self.template(code) or "" for code in codes}

    def render(self, message: Message) -> str:
        """The message as plain text; a citation as ``[@key]``.

        Args:
            message: any.

        Raises:
            ValueError: as :meth:`pieces`.

        >>> ENGLISH_TEXTS.render(Message("forms.percent", {"number": 12}))
        '12%'
        """
        pieces = self.pieces(message)
        return "".join(map(str, pieces))

    def pieces(self, message: Message) -> tuple[Piece, ...]:
        """The message with its citations apart.

        A code that no imported module declares is rendered as the code and its values.

        Args:
            message: any.

        Raises:
            ValueError: a value is missing, superfluous, of a wrong kind or not finite.

        >>> texts = Texts("en", {"about": "as in [@zhou2016]"})
        >>> texts.pieces(Message("about"))
        ('as in ', Citation(key='zhou2016'))
        """
        template = self.template(message.code)
        if template is None:
            return (_undeclared(message),)
        names = placeholders(template)
        if names != set(message.values):
            given = sorted(message.values)
            raise ValueError(
                f"{message.code} has the placeholders {sorted(names)}, and was given {given}"
            )
        pieces: list[Piece] = []
        for literal, name, spec, _ in Formatter().parse(template):
            pieces += cited(literal)
            if name is not None:
                try:
                    pieces += self._value(message.values[name], spec or "")
                except ValueError as error:
                    raise ValueError(f"{message.code}, {name}: {error}") from error
        return joined(pieces)

    def cell(self, value: Value) -> tuple[Piece, ...]:
        """A table's cell: an estimate is short, and a number that is missing is a dash.

        Args:
            value: what the cell shows; NaN is missing.

        Raises:
            ValueError: as :meth:`pieces`.

        >>> ENGLISH_TEXTS.cell(float("nan")), ENGLISH_TEXTS.cell(0.25)
        (('–',), ('0.25',))
        """
        amount = value.estimate if isinstance(value, Estimate) else value
        # Not math.isnan: NumPy's scalars are Real, and so are Fractions.
        if isinstance(amount, (float, Real)) and amount != amount:
            return (self._form("none"),)
        if isinstance(value, Estimate):
            return (self._estimate(value, "", "cell"),)
        return self._value(value, "")

    def _value(self, value: Value, spec: str) -> tuple[Piece, ...]:
        if isinstance(value, Message):
            return self.pieces(value)
        if isinstance(value, Estimate):
            return (self._estimate(value, spec, "estimate"),)
        if isinstance(value, bool):  # an int in Python, and "True" is a word of no language
            raise ValueError(f"{value} is no word of any language")
        if isinstance(value, (int, float, Real)):
            return (self._number_or_plural(value, spec),)
        if spec and (isinstance(value, str) or spec != ","):
            raise ValueError(f"{value!r} is no number, and has the format {spec}")
        if isinstance(value, str):
            return (clean(value),)
        items = [self._item(item) for item in value]
        return (self._list(items, spec),)

    def _item(self, item: str | Message) -> str:
        return clean(item) if isinstance(item, str) else self.render(item)

    def _number_or_plural(self, value: Real | float, spec: str) -> str:
        if not spec.startswith("|"):
            return self._number(value, spec)
        one, many = spec[1:].split("|")
        return one if value == 1 else many

    def _number(self, value: Real | float, spec: str) -> str:
        text = number(_plain(value), spec)
        if not text.endswith("%"):
            return text
        return self._form("percent", number=text[:-1])

    def _estimate(self, value: Estimate, spec: str, form: str) -> str:
        default = ".1%" if value.percent else ".3f"
        spec = spec or default
        estimate = self._number(value.estimate, spec)
        if value.has_interval:
            low = self._number(value.low, spec)
            high = self._number(value.high, spec)
            text = self._form(form, estimate=estimate, low=low, high=high)
        else:
            text = self._form(f"{form}_alone", estimate=estimate)
        if value.chance != value.chance:  # NaN: no chance level
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
        beginning = comma.join(before)
        return self._form("list", before=beginning, last=last)

    def _form(self, name: str, **parts: str) -> str:
        template = self.template(f"forms.{name}") or ""
        return template.format(**parts)


def folded_label(name: str) -> str:
    """A label without case, blanks and signs, as glossaries of labels are keyed.

    >>> folded_label("Lung_Opacity"), folded_label("lung opacity")
    ('lungopacity', 'lungopacity')
    """
    return "".join(sign for sign in name.casefold() if sign.isalnum())


ENGLISH_TEXTS = Texts("en", ENGLISH)


def english(message: Message) -> str:
    """The message in English.

    Args:
        message: any.

    Raises:
        ValueError: as :meth:`Texts.pieces`.

    >>> english(Message("forms.list", {"before": "one", "last": "two"}))
    'one and two'
    """
    return ENGLISH_TEXTS.render(message)


def _undeclared(message: Message) -> str:
    pairs = [f"{name}={value}" for name, value in message.values.items()]
    values = ", ".join(pairs)
    text = f"{message.code}: {values}" if values else message.code
    return clean(text)
