"""Any text as LaTeX that compiles with pdfLaTeX, in any encoding of the host file.

Latin letters and signs become commands of the fonts that every TeX has as outlines; Chinese is
left as it is, for the CJK
package; what no usual font has is written as its code point.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from camlucida.report.writers.breaks import parts

_PLAIN = {
    **{
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\ensuremath{\mathdollar}",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
    },
    **{
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    },
    **{
        '"': r"\char34{}",
        "`": r"\char96{}",
        "'": "'{}",
        "-": "-{}",
    },  # no ligatures; babel makes some of them active
    **{
        "–": "--{}",
        "—": "---{}",
        "−": r"\ensuremath{-}",
        "‐": "-{}",
        "‑": "-{}",
        "‘": r"\textquoteleft{}",
    },
    **{
        "’": r"\textquoteright{}",
        "“": r"\textquotedblleft{}",
        "”": r"\textquotedblright{}",
        "…": r"\ldots{}",
        "•": r"\ensuremath{\bullet}",
    },
    **{
        "\u00a0": "~",
        "\u202f": r"\,",
        "\u2009": r"\,",
        "\u00ad": "",
        "\u200b": "",
        "\ufeff": "",
        "\u2060": "",
        "\u200c": "",
        "\u200d": "",
    },
    **{
        "ß": r"\ss{}",
        "æ": r"\ae{}",
        "Æ": r"\AE{}",
        "œ": r"\oe{}",
        "Œ": r"\OE{}",
        "ø": r"\o{}",
        "Ø": r"\O{}",
        "ł": r"\l{}",
        "Ł": r"\L{}",
    },
    **{
        "ı": r"\i{}",
        "ȷ": r"\j{}",
        "å": r"\aa{}",
        "Å": r"\AA{}",
        "§": r"\ensuremath{\mathsection}",
        "¶": r"\ensuremath{\mathparagraph}",
        "©": "(C)",
        "£": r"\ensuremath{\mathsterling}",
    },
    **{
        "¡": "!`",
        "¿": "?`",
        "€": "EUR",
        "«": r"\ensuremath{\ll}",
        "»": r"\ensuremath{\gg}",
        "ð": "d",
        "Ð": "D",
        "þ": "th",
        "Þ": "Th",
    },
    **{
        "đ": "d",
        "Đ": "D",
        "ª": r"\ensuremath{^{a}}",
        "º": r"\ensuremath{^{o}}",
        "®": r"\ensuremath{^{R}}",
        "™": r"\ensuremath{^{TM}}",
    },
}

_MATHS = {
    **{
        "±": r"\pm",
        "×": r"\times",
        "÷": r"\div",
        "·": r"\cdot",
        "⋅": r"\cdot",
        "°": r"^\circ",
        "µ": r"\mu",
        "≤": r"\leq",
        "≥": r"\geq",
    },
    **{
        "≠": r"\neq",
        "≈": r"\approx",
        "≡": r"\equiv",
        "∼": r"\sim",
        "∝": r"\propto",
        "∞": r"\infty",
        "√": r"\surd",
        "∑": r"\sum",
    },
    **{
        "∏": r"\prod",
        "∫": r"\int",
        "∂": r"\partial",
        "∇": r"\nabla",
        "∈": r"\in",
        "∉": r"\notin",
        "∩": r"\cap",
        "∪": r"\cup",
    },
    **{
        "⊂": r"\subset",
        "⊆": r"\subseteq",
        "∅": r"\emptyset",
        "∀": r"\forall",
        "∃": r"\exists",
        "¬": r"\neg",
        "∧": r"\wedge",
        "∨": r"\vee",
    },
    **{
        "→": r"\rightarrow",
        "←": r"\leftarrow",
        "↑": r"\uparrow",
        "↓": r"\downarrow",
        "↔": r"\leftrightarrow",
        "⇒": r"\Rightarrow",
    },
    **{
        "⇐": r"\Leftarrow",
        "⇔": r"\Leftrightarrow",
        "⊙": r"\odot",
        "⊗": r"\otimes",
        "⊕": r"\oplus",
        "∘": r"\circ",
        "′": "'",
        "″": "''",
    },
    **{
        "‰": r"0/_{00}",
        "½": r"\frac{1}{2}",
        "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "†": r"\dagger",
        "‡": r"\ddagger",
    },
    **{sign: rf"^{{{digit}}}" for sign, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")},
    **{sign: rf"_{{{digit}}}" for sign, digit in zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")},
}

_LATIN_LIKE = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo"))
"""Greek letters that look as Latin ones, which TeX has no commands for."""

_ACCENTS = {
    **{
        "\u0300": "`",
        "\u0301": "'",
        "\u0302": "^",
        "\u0303": "~",
        "\u0304": "=",
        "\u0306": "u",
        "\u0307": ".",
        "\u0308": '"',
    },
    **{"\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c", "\u0331": "b"},
}


def escape(text: str) -> str:
    """``text`` (one line) as LaTeX.

    >>> escape("50%_a² µ")
    '50\\\\%\\\\_a\\\\ensuremath{^{2}} \\\\ensuremath{\\\\mu}'
    """
    runs = re.findall(r"[!-~]+|\s+|[^!-~\s]+", unicodedata.normalize("NFC", text))
    return "".join(_between(before, run) + _run(run) for before, run in zip(["", *runs], runs))


def _between(before: str, run: str) -> str:
    """Chinese and Latin may part at the end of a line, which the CJK package does not know;
    punctuation stays in its place.
    """
    if (
        not before
        or has_chinese(before[-1]) == has_chinese(run[0])
        or run[0].isspace()
        or before[-1].isspace()
    ):
        return ""
    opens, closes = (
        unicodedata.category(before[-1]) == "Ps",
        unicodedata.category(run[0]) in ("Pe", "Po"),
    )
    return "" if opens or closes else r"\allowbreak{}"


def has_chinese(text: str) -> bool:
    """Whether the CJK package is needed: characters that the font gbsn has."""
    return any(_is_chinese(sign) for sign in text)


def _run(run: str) -> str:
    if run.isspace() or run[0] > "~":
        return "".join(map(_sign, run))
    return r"\allowbreak{}".join("".join(map(_sign, part)) for part in parts(run))


@lru_cache(maxsize=4096)
def _sign(sign: str) -> str:
    if sign in _PLAIN:
        return _PLAIN[sign]
    if " " <= sign <= "~":
        return sign
    if sign.isspace():
        return " "
    if sign in _MATHS:
        return rf"\ensuremath{{{_MATHS[sign]}}}"
    if sign in _LATIN_LIKE:
        return _LATIN_LIKE[sign]
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(sign, ""))
    if greek:
        return _greek(greek[2], greek[1] == "CAPITAL", sign)
    return _accented(sign) or (sign if _is_chinese(sign) else _code_point(sign))


_GREEK_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi pi rho sigma tau upsilon phi chi psi omega"
)


def _greek(name: str, capital: bool, sign: str) -> str:
    name = {"LAMDA": "lambda", "FINAL SIGMA": "varsigma"}.get(name, name.lower())
    if name not in _GREEK_LETTERS.split():
        return _code_point(sign)
    return rf"\ensuremath{{\{name.capitalize() if capital else name}}}"


def _accented(sign: str) -> str:
    """A letter of ASCII with accents that TeX knows; "" for another."""
    base, *marks = list(unicodedata.normalize("NFD", sign))
    if not (
        base.isascii() and base.isalpha() and marks and all(mark in _ACCENTS for mark in marks)
    ):
        return ""
    made = (
        {"i": r"\i", "j": r"\j"}.get(base, base) if marks[0] not in "\u0323\u0327\u0331" else base
    )
    for mark in marks:
        made = rf"\{_ACCENTS[mark]}{{{made}}}"
    return made


def _is_chinese(sign: str) -> bool:
    """In GB 2312, which the font has: ideographs and the punctuation of Chinese."""
    if sign in _PLAIN or sign in _MATHS or ord(sign) < 0x3000:
        return False
    try:
        sign.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _code_point(sign: str) -> str:
    """What no font at hand has."""
    return rf"[U+{ord(sign):04X}]"
