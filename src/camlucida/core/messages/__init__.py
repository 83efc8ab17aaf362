"""Messages to people as data: a code and the values that belong to it.

The English text of a code is declared once, beside the code that uses it, with :func:`declare`.
Words are made late, at the edge (terminal, figure, page, report), by :class:`Texts`; another
language is a catalogue of the same codes (``camlucida.report.locale``).

Placeholders of a template:

- ``{name}``: text, a list, a message, a number, an :class:`Estimate` with its interval;
- ``{name:.2f}``, ``{name:.0%}``: a number or an estimate by a format spec of Python;
- ``{name:p}``: a probability, see :func:`camlucida.core.numbers.number`;
- ``{name:|image|images}``: no number, but the first word if it is 1 and else the second;
- ``{name:,}``: a list with a comma before its last item too, instead of "and";
- ``[@key]``: a citation, see ``camlucida.report.references``.

What values hold is never read as a template or a citation.
"""

from camlucida.core.messages.common import chain, named, prefixed, quoted, score_name
from camlucida.core.messages.estimate import NAN, Estimate
from camlucida.core.messages.message import ENGLISH_TEXTS, Message, Texts, Value, english
from camlucida.core.messages.templates import (
    ENGLISH,
    Citation,
    Piece,
    clean,
    declare,
    placeholders,
)

__all__ = [
    "ENGLISH",
    "ENGLISH_TEXTS",
    "NAN",
    "Citation",
    "Estimate",
    "Message",
    "Piece",
    "Texts",
    "Value",
    "chain",
    "clean",
    "declare",
    "english",
    "named",
    "placeholders",
    "prefixed",
    "quoted",
    "score_name",
]
