"""Text tables: which encoding and which separator they have, and their rows."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from camlucida.core.errors import UsageError

SEPARATORS = ",;\t|"
"""That a ``.csv`` may have; of equals the first is taken."""

SAMPLE = 1 << 16
"""Characters from which the separator is recognised."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(path: Path, data: bytes) -> str:
    """The text of a file in UTF-8 or UTF-16, without its byte-order mark.

    Args:
        path: of the file, for the message.
        data: its bytes.

    Raises:
        UsageError: another encoding, or no text at all.

    >>> decoded(Path("a.csv"), "é".encode("utf-16"))
    'é'
    """
    fix = 'save it as "CSV UTF-8"'
    encoding, name = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        raise UsageError(f"{path} is not {name} text (line {line})", fix) from error
    if "\0" in text:
        raise UsageError(f"{path} is not text: it holds NUL characters", fix)
    return text.removeprefix("\ufeff")


def _encoding(data: bytes) -> tuple[str, str]:
    """Python's name of the encoding, and its name for people."""
    if data.startswith(_UTF16):
        return "utf-16", "UTF-16"
    # Without a mark, UTF-16 shows in that every second byte of Latin text is zero.
    head = data[:1000]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        every_second = head[offset::2]
        if len(every_second) > 3 and every_second.count(0) > 0.9 * len(every_second):
            return encoding, "UTF-16"
    return "utf-8-sig", "UTF-8"


def separator_of(text: str) -> str:
    """The separator of a text table; a comma where none is there.

    It is the one by which all lines have as many cells, but for title lines above; of several the
    one that leaves fewest lines above, then the one that stands most often in the first line.

    Args:
        text: of the file.

    >>> separator_of("Study A, exported in May\\nid;age\\n1;2,5\\n2;3,5\\n")
    ';'
    """
    sample = text[:SAMPLE]
    if len(text) > SAMPLE:
        sample = sample.rpartition("\n")[0]
    ranks = {sign: _rank(sample, sign) for sign in SEPARATORS}
    # max takes the first of equals.
    return max(SEPARATORS, key=lambda sign: ranks[sign])


def _has_content(cells: Sequence[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _rank(text: str, sign: str) -> tuple[int, int, int]:
    """How well a separator fits: whether it makes a rectangle, lines above it, use in line 1."""
    filled = filter(_has_content, _parsed(text, sign))
    widths = list(map(len, filled))
    if not widths:
        return 0, 0, 0
    usual = Counter(widths).most_common(1)[0][0]
    above = next(number for number, width in enumerate(widths) if width == usual)
    body = widths[above:]
    # A line above that is wider than the table is no title: the cells are cut at another sign.
    is_rectangle = usual > 1 and set(body) == {usual} and len(body) > 1
    narrow = all(width < usual for width in widths[:above])
    if is_rectangle and narrow:
        return 1, -above, widths[0]
    return 0, 0, widths[0]


def _parsed(text: str, sign: str) -> list[list[str]]:
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=sign))
    except csv.Error:
        return []


def rows_of(text: str, separator: str) -> tuple[list[list[str]], list[int]]:
    """The rows of a text table that have content, and the line on which each ends.

    Args:
        text: of the file.
        separator: one character.

    Raises:
        csv.Error: a quote that is not closed.

    >>> rows_of("a,b\\n\\n1,2\\n", ",")
    ([['a', 'b'], ['1', '2']], [1, 3])
    """
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    for cells in reader:
        if any(cell.strip() for cell in cells):
            rows.append(cells)
            lines.append(reader.line_num)
    return rows, lines


def check_widths(
    path: Path, rows: Sequence[Sequence[str]], lines: Sequence[int], header: int
) -> None:
    """Check that every row below the header has as many cells as it.

    Args:
        path: of the file, for the message.
        rows, lines: of :func:`rows_of`.
        header: index of the header's row.

    Raises:
        UsageError: one has more or fewer.
    """
    expected = len(rows[header])
    for row, line in zip(rows[header:], lines[header:]):
        if len(row) == expected:
            continue
        cells = f"{len(row)} cell{'s' * (len(row) != 1)}"
        which = "the first line" if header == 0 else f"the header (line {lines[header]})"
        raise UsageError(
            f"{path}, line {line}: {cells}, where {which} has {expected}",
            "quote cells that hold the separator; the file may be cut short",
        )
