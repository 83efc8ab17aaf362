"""Which row of a grid of cells names its columns: under titles, in one row or in two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SEARCHED = 20
"""Rows from the top among which the header is looked for."""

COMPARED = 50
"""Rows below a header that tell whether a column holds numbers."""

_NUMBER = re.compile(r"[-+]?[\d.,:/ -]*\d[\d.,:/ -]*%?")
_FILE = re.compile(r".*\.(png|jpe?g|dcm|dicom|tiff?|bmp|gif|webp|nii|gz|mha|nrrd)", re.IGNORECASE)

Texts = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Header:
    """The header of a grid.

    Attributes:
        names: of the columns, "" where a column has none.
        row: index of the row that names the columns, or of the lower of two.
        group_row: index of the row of groups above; None for a single row.
        titles: number of rows above the header.
    """

    names: tuple[str, ...]
    row: int
    group_row: int | None = None
    titles: int = 0


def find_header(grid: Texts) -> Header:
    """The header of a grid of cells as text.

    It is the first row, unless the rows show otherwise:

    - Rows above with less than half of the columns filled, or with one text throughout, are
      titles, if a row of distinct words follows.
    - The row under the first is a second header row if it names columns that the first leaves
      blank under a merged cell, or if the first repeats its names side by side. Names that two
      columns share then get the group's before them.

    Args:
        grid: rows of as many cells each; "" for a blank one.

    >>> find_header([["Study", ""], ["id", "age"], ["a", "7"]]).names
    ('id', 'age')
    >>> rows = [["id", "left", "", "right", ""], ["", "age", "sex", "age", "sex"]]
    >>> find_header([*rows, ["a", "7", "m", "8", "f"]]).names
    ('id', 'left age', 'left sex', 'right age', 'right sex')
    """
    first = _first_row(grid)
    lower = _second_row(grid, first)
    if lower is None and first > 0 and _is_group_row(grid[first - 1], grid[first]):
        lower, first = first, first - 1
    if lower is None:
        return Header(tuple(grid[first]), first, None, first)
    names = _joined_names(grid[first], grid[lower])
    return Header(names, lower, first, first)


def _first_row(grid: Texts) -> int:
    used = sum(any(column) for column in zip(*grid))
    if used < 2:
        return 0
    searched = min(len(grid) - 1, SEARCHED)
    under_pairs = _under_pairs(grid[:searched], used)
    if under_pairs is not None:
        return under_pairs
    for index in range(searched):
        if _is_title(grid[index], used):
            continue
        # A row of words under titles; else nothing shows that there are titles at all.
        is_header = _is_words(grid[index]) or _second_row(grid, index) is not None
        return index if is_header else 0
    return 0


def _under_pairs(rows: Texts, used: int) -> int | None:
    """The first row of words in all columns, under several rows of a key and a value alone."""
    for index, row in enumerate(rows):
        if any(row[2:]):
            whole = used > 2 and all(row) and _is_words(row)
            return index if whole and index >= PAIRS else None
    return None


PAIRS = 2
"""Rows of a key and a value above a header; one could be a header that lacks names."""


def _is_title(row: Sequence[str], used: int) -> bool:
    filled = [cell for cell in row if cell]
    if used == 2:
        return len(filled) == 1 and bool(row[0])
    return 2 * len(filled) <= used or len(set(filled)) == 1


def _is_words(row: Sequence[str]) -> bool:
    """Whether a row could name columns: two words or more, none a number or a file."""
    filled = [cell for cell in row if cell]
    if len(filled) < 2:
        return False
    return not any(_NUMBER.fullmatch(cell) or _FILE.fullmatch(cell) for cell in filled)


def _is_group_row(upper: Sequence[str], lower: Sequence[str]) -> bool:
    """Whether a sparse row above the names holds groups: they need it, or it begins later."""
    filled = [index for index, cell in enumerate(upper) if cell]
    if not _is_words(lower):
        return False
    names = [name.casefold() for name in lower if name]
    needed = len(set(names)) < len(names) or any(not lower[index] for index in filled)
    return filled[0] > 0 or (needed and len(filled) > 1)


def _second_row(grid: Texts, first: int) -> int | None:
    """The index of the second header row; None where the header is one row."""
    if len(grid) < first + 3 or not _is_words(grid[first + 1]):
        return None
    return first + 1 if _under_merged(grid, first) or _under_repeated(grid, first) else None


def _under_merged(grid: Texts, first: int) -> bool:
    """Whether the lower row names columns that the upper leaves blank."""
    upper, lower = grid[first], grid[first + 1]
    blank = [index for index, cell in enumerate(upper) if not cell and lower[index]]
    if not blank or blank[0] == 0:
        return False
    groups = {index - 1 for index in blank if upper[index - 1]}
    if not all(lower[index] for index in groups):
        return False
    alone = [index for index, cell in enumerate(upper) if cell and index not in groups]
    return _are_named_above(upper, lower, alone) or _names_numbers(grid, first)


def _are_named_above(upper: Sequence[str], lower: Sequence[str], columns: Sequence[int]) -> bool:
    """Whether there are columns, with their names above, and nothing or the same names below."""
    return bool(columns) and all(lower[index] in ("", upper[index]) for index in columns)


def _under_repeated(grid: Texts, first: int) -> bool:
    """Whether the upper row repeats names side by side, and the lower names columns of numbers."""
    upper = grid[first]
    if not any(left and left == right for left, right in pairwise(upper)):
        return False
    return _names_numbers(grid, first)


def _names_numbers(grid: Texts, first: int) -> bool:
    """Whether the lower row has a word over a column of numbers."""
    columns = list(zip(*grid[first + 2 : first + 2 + COMPARED]))
    return any(name and _all_numbers(cells) for name, cells in zip(grid[first + 1], columns))


def _all_numbers(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)


def _joined_names(upper: Sequence[str], lower: Sequence[str]) -> tuple[str, ...]:
    """The lower names, with their group before them where two are the same."""
    groups: list[str] = []
    for cell, name in zip(upper, lower):
        continues = not cell and bool(name) and bool(groups)
        groups.append(groups[-1] if continues else cell)
    names = [name or group for name, group in zip(lower, groups)]
    folded = [name.casefold() for name in names]
    joined = []
    for name, group, key in zip(names, groups, folded):
        shared = folded.count(key) > 1 and group and group != name
        joined.append(f"{group} {name}" if shared else name)
    return tuple(joined)
