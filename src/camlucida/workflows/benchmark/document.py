"""A page as data: sections of paragraphs, points, tables and figures. Rendered as Markdown here, as HTML by the template."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from camlucida.report.page import number

Cells = tuple[str, ...]
Line = Mapping[Any, Any]
"""A row of a table, column → value."""


@dataclass(frozen=True)
class Table:
    """``head`` and ``rows`` of one length; ``note`` stands above."""

    head: Cells
    rows: Sequence[Cells]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One heading and what stands under it, in the order of the fields. Backquotes mark code.

    Attributes:
        id: anchor.
        figure: (file stem, words for those who cannot see it); the PNG and SVG lie beside the page.
    """

    id: str
    title: str
    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    code: str = ""
    figure: tuple[str, str] | None = None
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Document:
    """The whole page; ``notice`` is shown first and cannot be missed."""

    title: str
    notice: str
    sections: Sequence[Section]


def markdown(document: Document) -> str:
    """The page in Markdown, without its figures' pixels."""
    return "\n\n".join([f"# {document.title}", f"**{document.notice}**", *_parts(document)]) + "\n"


def _parts(document: Document) -> Iterator[str]:
    for section in document.sections:
        yield f"## {section.title}"
        yield from section.paragraphs
        if section.points:
            yield "\n".join(f"- {point}" for point in section.points)
        if section.code:
            yield f"```sh\n{section.code}\n```"
        for table in section.tables:
            if table.note:
                yield table.note
            lines = [table.head, ("---",) * len(table.head), *table.rows]
            yield "\n".join(
                f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
                for line in lines
            )


def value(x: Any, digits: int = 3) -> str:
    """A number; a dash where there is none."""
    return number(
        None if x is None or (isinstance(x, float) and math.isnan(x)) else float(x), digits
    )


def interval(
    line: Line, digits: int = 3, key: str = "estimate", low: str = "low", high: str = "high"
) -> str:
    """``0.42 [0.38, 0.46]``; the estimate alone where there is no interval."""
    if math.isnan(line[low]):
        return value(line[key], digits)
    return f"{value(line[key], digits)} [{value(line[low], digits)}, {value(line[high], digits)}]"


def percent(x: float) -> str:
    """``42 %``; a dash where there is none."""
    return "–" if math.isnan(x) else f"{100 * x:.0f} %"


def milliseconds(seconds: float) -> str:
    """``7.5`` or ``231``; a dash where there is none."""
    return (
        "–"
        if math.isnan(seconds)
        else f"{1000 * seconds:.1f}"
        if seconds < 0.1
        else f"{1000 * seconds:.0f}"
    )


def name(method: str, baseline: bool) -> str:
    """A method as the tables write it."""
    return f"{method} (baseline)" if baseline else f"`{method}`"


def names(items: Sequence[str]) -> str:
    """``a, b and c``."""
    found = list(items)
    return " and ".join(found) if len(found) < 3 else f"{', '.join(found[:-1])} and {found[-1]}"
