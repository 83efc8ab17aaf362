"""What holds for every figure of a command: the requested colour map, and the language.

A figure is drawn many calls below the command that requests it, by functions that differ between
tasks; as with matplotlib's own settings, the choice holds while a ``with`` block is open.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from camlucida.core.messages import ENGLISH_TEXTS, Message, Texts, Value, score_name

if TYPE_CHECKING:
    from camlucida.attribution.explanation import Explanation

CJK_FONTS = (
    *("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Arial Unicode MS"),
)
"""Fonts with Chinese signs, which matplotlib's own lacks: of Linux, macOS and Windows."""

_CJK_FILES = (
    *("notosanscjk", "sourcehansans", "wqy-", "pingfang", "hiragino sans gb", "msyh", "simhei"),
    "arial unicode",
)
"""How the names of their files begin, in small letters."""

_BREAKABLE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]|[^\s\u2e80-\u9fff\uff00-\uffef]+\s*|\s+")
"""A Chinese sign, or a word with the blanks after it."""

_CLOSING = set("，。；：、）》”’！？")
"""Signs that begin no line."""


@dataclass(frozen=True)
class Style:
    """How figures are drawn.

    Attributes:
        colormap: matplotlib name; None for the default.
        texts: the language of the words in figures.
        page_texts: that of the pages beside them; another where no font has its signs.
    """

    colormap: str | None = None
    texts: Texts = ENGLISH_TEXTS
    page_texts: Texts = ENGLISH_TEXTS


_in_force = [Style()]


def style() -> Style:
    """The style in force.

    >>> style().texts.language
    'en'
    """
    return _in_force[-1]


@contextmanager
def drawn_with(colormap: str | None = None, texts: Texts | None = None) -> Iterator[None]:
    """Draw every figure of the block in this style; what is None stays as it is outside.

    A language whose signs no installed font has is not used: its figures are in English.

    Args:
        colormap: matplotlib name, checked by the caller.
        texts: the language.

    >>> with drawn_with(colormap="jet"):
    ...     style().colormap
    'jet'
    """
    changed = style()
    if colormap is not None:
        changed = replace(changed, colormap=colormap)
    if texts is not None:
        drawn = texts if can_draw(texts) else ENGLISH_TEXTS
        changed = replace(changed, texts=drawn, page_texts=texts)
    _in_force.append(changed)
    try:
        yield
    finally:
        _in_force.pop()


@cache
def installed_cjk_fonts() -> tuple[str, ...]:
    """Those of :data:`CJK_FONTS` that the system has, the best first.

    Matplotlib's own list of fonts may be older than a font: where it has none, the system's files
    are searched.
    """
    from matplotlib.font_manager import findSystemFonts, fontManager

    if not _known_cjk_fonts():
        for path in findSystemFonts():
            stem = Path(path).stem.casefold()
            if stem.startswith(_CJK_FILES):
                fontManager.addfont(path)
    return _known_cjk_fonts()


def _known_cjk_fonts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in CJK_FONTS if name in installed)


@cache
def font_file(chinese: bool = False) -> str:
    """The font of texts in pixels.

    Args:
        chinese: with Chinese signs, where an installed font has them.

    >>> Path(font_file()).name
    'DejaVuSans.ttf'
    """
    from matplotlib.font_manager import findfont

    names = installed_cjk_fonts() if chinese else ()
    return str(findfont(names[0] if names else "DejaVu Sans"))


def has_chinese(text: str) -> bool:
    """Whether a text needs a font with Chinese signs.

    >>> has_chinese("heat"), has_chinese("热图")
    (False, True)
    """
    return any("\u2e80" <= sign <= "\uffef" for sign in text)


def can_draw(texts: Texts) -> bool:
    """Whether an installed font has the signs of the language.

    >>> can_draw(ENGLISH_TEXTS)
    True
    """
    return not texts.language.startswith("zh") or bool(installed_cjk_fonts())


def bold() -> str:
    """The weight of bold texts in the language of the figures.

    Fonts with Chinese signs mostly have no bold face, and matplotlib complains of each text.

    >>> bold()
    'bold'
    """
    return "normal" if style().texts.language.startswith("zh") else "bold"


def wrapped_lines(text: str, letters: int) -> list[str]:
    """Text in lines; Chinese signs are two letters wide, and a line may end after any of them.

    Args:
        text: one paragraph.
        letters: widest line, in Latin letters.

    >>> wrapped_lines("one two three", 8)
    ['one two', 'three']
    >>> wrapped_lines("热图的最大值", 8)
    ['热图的最', '大值']
    """
    lines: list[str] = [""]
    for piece in _BREAKABLE.findall(text):
        longer = lines[-1] + piece
        if lines[-1] and _width(longer.rstrip()) > letters and piece not in _CLOSING:
            lines[-1] = lines[-1].rstrip()
            longer = piece.lstrip()
        else:
            lines.pop()
        lines.append(longer)
    lines[-1] = lines[-1].rstrip()
    return [line for line in lines if line]


def wrapped_text(text: str, letters: int) -> str:
    """As :func:`wrapped_lines`, joined by line breaks.

    >>> wrapped_text("one two three", 8)
    'one two\\nthree'
    """
    return "\n".join(wrapped_lines(text, letters))


_WIDE = "\u1100"
"""The first letter that is two wide."""


def _width(text: str) -> int:
    if max(text, default="") < _WIDE:
        return len(text)
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def words(code: str, **values: Value) -> str:
    """The text of a message in the language of the figures.

    Args:
        code: of the message.
        values: of its placeholders.

    >>> words("forms.percent", number=12)
    '12%'
    """
    return said(Message(code, values))


def said(message: Message) -> str:
    """A message in the language of the figures; citations are left out of pictures."""
    return style().texts.render(message)


def joined_words(sentences: Iterable[Message | str]) -> str:
    """Sentences that follow each other, with the space that the language puts between them.

    Args:
        sentences: in order; a string is in the language already, and an empty one is left out.

    >>> joined_words(["One.", "", "Two."])
    'One. Two.'
    """
    space = style().texts.template("forms.between") or ""
    return space.join(filter(None, map(worded, sentences)))


def worded(text: Message | str) -> str:
    """A message in the language of the figures; a string as it is.

    >>> worded("layer4")
    'layer4'
    """
    return said(text) if isinstance(text, Message) else text


def unit_name(explanation: Explanation) -> str:
    """The unit of a map in the language of the figures; "" where it has none.

    Args:
        explanation: whose provenance has the unit.
    """
    unit = str(explanation.provenance.get("unit", "score"))
    return "" if unit in ("", "none") else said(score_name(unit))


def label_name(label: str) -> str:
    """A label in the language of the figures, as the glossary of that language has it.

    A label that is not in the glossary stays as it is.

    >>> label_name("Cardiomegaly")
    'Cardiomegaly'
    """
    return style().texts.label(label)
