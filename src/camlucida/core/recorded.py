"""Lines that terminals print, figures bear and runs record: in English; a report says them again in its own language."""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from camlucida.core.messages import Sentence, Value
from camlucida.core.wording import Texts


def english(sentence: Sentence) -> str:
    """The sentence as terminals and figures have it. Raises as :meth:`Texts.say`."""
    return Texts.load("en").say(sentence)


def line(key: str, **values: Value) -> str:
    """``key`` of the texts with its values, in English: what a run may record. Raises as :meth:`Texts.say`."""
    return english(Sentence(key, values))


def heard(text: str, table: str) -> Sentence:
    """What a recorded line says, so that it can be said in another language.

    Args:
        text: a line, or one with what it is of before it, as in ``model_a: 3 images without a mask: …``.
        table: of the texts that can have made it, such as ``notes``. Their placeholders are plain, or words of a count.

    Returns:
        The sentence of the table whose English is this text; the text as a quotation where none is, such as an error.
    """
    found = _sentence(text, table)
    before, colon, after = text.partition(": ")
    if found is None and colon and (inner := _sentence(after, table)) is not None:
        found = Sentence("words.of", {"of": before, "line": inner})
    return found or quoted(text)


def quoted(text: str) -> Sentence:
    """A recorded line that stays in English."""
    return Sentence("words.quoted", {"text": text})


def _sentence(text: str, table: str) -> Sentence | None:
    for key, pattern, counted in _patterns(table):
        if match := pattern.fullmatch(text):
            found = match.groupdict().items()
            values: dict[str, Value] = {
                k: int(v) if k in counted else _sentence(v, table) or v for k, v in found
            }
            return Sentence(key, values)
    return None


@cache
def _patterns(table: str) -> list[tuple[str, re.Pattern[str], set[str]]]:
    """Key, pattern of its English, and its placeholders that are counts."""
    templates = Texts.load("en").templates
    return [
        (key, *_pattern(template))
        for key, template in templates.items()
        if key.startswith(f"{table}.")
    ]


def _pattern(template: str) -> tuple[re.Pattern[str], set[str]]:
    parsed = list(Formatter().parse(template))
    counted = {name for _, name, spec, _ in parsed if name and spec}
    parts, seen = [], set()
    for literal, name, spec, _ in parsed:
        parts.append(re.escape(literal))
        if name and spec:
            parts.append(f"(?:{'|'.join(map(re.escape, spec[1:].split('|')))})")
        elif name in seen:
            parts.append(f"(?P={name})")
        elif name:
            parts.append(rf"(?P<{name}>\d+)" if name in counted else f"(?P<{name}>.*?)")
            seen.add(name)
    return re.compile("".join(parts)), counted
