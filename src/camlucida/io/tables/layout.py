"""From a grid of cells to tables: blocks side by side, titles, one or two header rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import pandas as pd

from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables.columns import cell_text, texts, with_points
from camlucida.io.tables.header import Header, find_header

declare(
    "table",
    {
        "errors": (
            "{count} {count:|cell|cells} of {where} {count:|holds|hold} an error, such as #N/A, "
            "and {count:|is|are} read as blank"
        ),
        "title_rows": (
            "{where}: the columns are named in row {row}; {count} {count:|row|rows} above "
            "{count:|is|are} passed over"
        ),
        "two_header_rows": "{where}: rows {upper} and {row} name the columns together: {names}",
        "block": "{where}: the columns {names} are read; the table beside them is not: {others}",
        "sheet": "{where}: {sheet} is read; not read: {others}",
        "decimal_comma": "{where}: commas in the column {column} are read as decimal points",
    },
)


@dataclass(frozen=True)
class Block:
    """One table of a grid.

    Attributes:
        names: of its columns, "" for none.
        rows: cells below the header.
        header: where it was found.
        columns: index of each column in the grid.
    """

    names: tuple[str, ...]
    rows: list[list[Any]]
    header: Header
    columns: tuple[int, ...]

    def frame(self) -> pd.DataFrame:
        """As a frame, without rows that are blank."""
        filled = [row for row in self.rows if any(map(cell_text, row))]
        return pd.DataFrame(filled, columns=list(self.names))

    def notes(self, where: str, lines: Sequence[int]) -> list[Message]:
        """Which rows were taken for the header, where that is not the first.

        Args:
            where: the table, for people.
            lines: number of each row of the grid in the file.
        """
        header = self.header
        row = lines[header.row]
        if header.group_row is not None:
            upper = lines[header.group_row]
            shown = ", ".join([name for name in self.names if name][:4])
            values: dict[str, Value] = {"where": where, "upper": upper, "row": row, "names": shown}
            return [Message("table.two_header_rows", values)]
        if header.titles:
            return [
                Message("table.title_rows", {"where": where, "row": row, "count": header.titles})
            ]
        return []


def comma_notes(frame: pd.DataFrame, columns: Iterable[str | None], where: object) -> list[Message]:
    """Which of the columns of numbers have decimal commas.

    Args:
        frame: the table.
        columns: of numbers; None is passed over.
        where: the table's file.

    >>> [str(note) for note in comma_notes(pd.DataFrame({"age": ["2,5"]}), ["age"], "t.csv")]
    ["t.csv: commas in the column 'age' are read as decimal points"]
    """
    notes = []
    for name in columns:
        cells = [] if name is None else texts(frame[name])
        if with_points(cells) != cells:
            values: dict[str, Value] = {"where": str(where), "column": repr(name)}
            notes.append(Message("table.decimal_comma", values))
    return notes


def rectangle(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows of as many cells each: short ones are filled up with None.

    Args:
        rows: of cells.

    >>> rectangle([[1], [2, 3]])
    [[1, None], [2, 3]]
    """
    # Transposed with None for what is missing, and back.
    columns = zip_longest(*rows)
    return [list(row) for row in zip(*columns)]


def blocks_of(grid: Sequence[Sequence[Any]]) -> list[Block]:
    """The tables of a grid: those that a blank column divides, if they are tables of their own.

    Blocks are one table if their header stands in the same row, no name repeats, and they end in
    the same row or are a single column.

    Args:
        grid: rows of as many cells each, none of them blank throughout.

    >>> left, right = blocks_of([["id", "", "id"], ["a", "", "b"]])
    >>> left.frame()["id"].tolist(), right.frame()["id"].tolist()
    (['a'], ['b'])
    """
    if not grid:
        return []
    texts = [list(map(cell_text, row)) for row in grid]
    blocks: list[Block] = []
    for columns in _filled_columns(texts):
        block = _block(grid, texts, columns)
        if blocks and _belong_together(blocks[-1], block):
            joined = tuple(range(blocks[-1].columns[0], columns[-1] + 1))
            blocks[-1] = _block(grid, texts, joined)
        else:
            blocks.append(block)
    return blocks


def _filled_columns(texts: Sequence[Sequence[str]]) -> list[tuple[int, ...]]:
    """Runs of columns with content."""
    runs: list[tuple[int, ...]] = []
    previous = -2
    for index, cells in enumerate(zip(*texts)):
        if not any(cells):
            continue
        if index == previous + 1:
            runs[-1] += (index,)
        else:
            runs.append((index,))
        previous = index
    return runs


def _block(
    grid: Sequence[Sequence[Any]], texts: Sequence[Sequence[str]], columns: Sequence[int]
) -> Block:
    first, last = columns[0], columns[-1] + 1
    header = find_header([row[first:last] for row in texts])
    rows = [list(row[first:last]) for row in grid[header.row + 1 :]]
    return Block(header.names, rows, header, tuple(range(first, last)))


def _belong_together(left: Block, right: Block) -> bool:
    names = {name.casefold() for name in left.names if name}
    repeated = names & {name.casefold() for name in right.names}
    if repeated or left.header.row != right.header.row:
        return False
    return len(right.columns) == 1 or len(left.columns) == 1 or _last(left) == _last(right)


def _last(block: Block) -> int:
    """Index of the last row with content."""
    filled = [index for index, row in enumerate(block.rows) if any(map(cell_text, row))]
    return filled[-1] if filled else -1
