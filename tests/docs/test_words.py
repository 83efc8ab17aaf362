"""Words that the project has retired do not come back: docs/glossary.md has those that it uses."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

NOWHERE = frozenset(
    [
        "voice",
        "voices",
        "opinion",
        "opinions",
        "steadiness",
        "spoken",
        "heard",
        "law",
        "laws",
        "told",
        "asked",
    ]
)
"""Neither in names nor in prose, neither in the code nor in the documentation."""

NOT_AS_NAMES = NOWHERE | frozenset(["asks", "says", "spoke"])
"""Of these the others are ordinary English, but name no thing of the program."""

SOURCES = sorted((REPOSITORY / "src").rglob("*.py"))
PAGES = [*sorted((REPOSITORY / "docs").rglob("*.md")), *sorted(REPOSITORY.glob("*.md"))]
PROSE = {
    tokenize.COMMENT,
    tokenize.STRING,
    *(getattr(tokenize, kind) for kind in ("FSTRING_MIDDLE",) if hasattr(tokenize, kind)),
}


def words(text: str) -> set[str]:
    """The words of a text or an identifier, in lower case: ``SomeWords`` has two."""
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return set(re.findall(r"[a-z]+", parts.lower()))


CITED = re.compile(r"Law of Succession")
"""Words in the titles of cited works, which are not ours to choose."""


def retired(path: Path) -> Iterator[str]:
    """Line and word of every retired word in a Python file."""
    reader = io.StringIO(path.read_text("utf-8")).readline
    for token in tokenize.generate_tokens(reader):
        refused = NOT_AS_NAMES if token.type == tokenize.NAME else NOWHERE
        if token.type == tokenize.NAME or token.type in PROSE:
            for word in sorted(words(CITED.sub("", token.string)) & refused):
                yield f"{path.relative_to(REPOSITORY)}:{token.start[0]}: {word}"


def test_no_file_of_the_code_has_a_retired_word() -> None:
    assert [line for path in SOURCES for line in retired(path)] == []


def test_no_file_is_named_by_a_retired_word() -> None:
    assert [path.name for path in SOURCES if words(path.stem) & NOT_AS_NAMES] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_page_has_a_retired_word(path: Path) -> None:
    assert sorted(words(path.read_text("utf-8")) & NOWHERE) == []


def test_the_glossary_defines_each_term_once() -> None:
    text = (REPOSITORY / "docs/glossary.md").read_text("utf-8")
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
    assert terms == sorted(set(terms), key=str.lower)
    assert {"attribution", "chance level", "pointing game", "map series", "study"} <= set(terms)
