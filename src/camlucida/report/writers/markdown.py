"""A report as Markdown (CommonMark with tables) beside its pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from camlucida.core.files import write_bytes
from camlucida.report.rendered import (
    Cited,
    Line,
    Linked,
    Marked,
    Piece,
    RenderedBlock,
    RenderedDetails,
    RenderedDocument,
    RenderedFacts,
    RenderedFigure,
    RenderedGallery,
    RenderedLinks,
    RenderedListing,
    RenderedNotice,
    RenderedParagraph,
    RenderedPoints,
    RenderedReferences,
    RenderedSubsection,
    RenderedTable,
)

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$#])")
_START = re.compile(r"^([-+=]|\d+[.)](?=\s|$))")
"""What would begin a list or a heading, at the start of a line."""


def write_markdown(report: RenderedDocument, folder: Path) -> Path:
    """Write ``report.md``; pictures are linked relative to it."""
    path = folder / f"{report.stem}.md"
    write_bytes(path, markdown(report).encode())
    return path


def markdown(report: RenderedDocument) -> str:
    """The text."""
    parts = [f"# {escape(report.title)}", *(f"> **{escape(notice)}**" for notice in report.notices)]
    for block in report.intro:
        parts += _block(block, report)
    for section in report.sections:
        parts.append(f"## {escape(section.title)}")
        for block in section.blocks:
            parts += _block(block, report)
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is.

    >>> escape("1. a_b*")
    '1\\\\. a\\\\_b\\\\*'
    """
    escaped = _MARKUP.sub(r"\\\1", text)
    return _START.sub(lambda start: start[1][:-1] + "\\" + start[1][-1], escaped)


def _line(line: Line) -> str:
    return "".join(map(_piece, line)).strip()


def _piece(piece: Piece) -> str:
    match piece:
        case str():
            return escape(piece)
        case Cited(number):
            return escape(f"[{number}]")
        case Linked(text, target):
            return f"[{escape(text)}]({quote(target, safe='/#')})"
        case Marked(text, "strong"):
            return f"**{escape(text)}**"
        # A pipe in code would end a cell of a table.
        case Marked(text, "code") if not set("`|") & set(text):
            return f"`{text}`"
        case Marked(text, "note"):
            return f" ({escape(text)})"
    return escape(piece.text)


def _block(block: RenderedBlock, report: RenderedDocument) -> Iterator[str]:
    """The paragraphs of a block."""
    match block:
        case RenderedTable():
            if block.number:
                yield f"**{report.words['table']} {block.number}** {_line(block.caption)}"
            yield "\n".join(_table(block))
            yield from (f"*{_line(note)}*" for note in block.notes)
        case RenderedFigure():
            yield f"![{escape(block.alt)}]({quote(block.file)})"
            number = f"**{report.words['figure']} {block.number}** " if block.number else ""
            if block.caption:
                yield f"{number}{_line(block.caption)}"
        case RenderedGallery(figures):
            for figure in figures:
                yield from _block(figure, report)
        case RenderedDetails(heading, blocks) | RenderedSubsection(heading, blocks):
            yield f"### {_line(heading)}"
            for inner in blocks:
                yield from _block(inner, report)
        case _:
            yield _text_block(block)


def _text_block(block: RenderedBlock) -> str:
    match block:
        case RenderedParagraph(line):
            return _line(line)
        case RenderedNotice(line):
            return f"> {_line(line)}"
        case RenderedPoints(lines):
            return "\n".join(f"- {_line(line)}" for line in lines)
        case RenderedListing(text):
            return "\n".join(f"    {line}" for line in text.splitlines())
        case RenderedFacts(rows):
            return "\n".join(f"- **{_line(name)}:** {_line(value)}" for name, value in rows)
        case RenderedLinks(label, links):
            return f"{escape(label)}: {' · '.join(map(_piece, links))}"
        case RenderedReferences(works):
            return "\n".join(f"{number}. {escape(work)}" for number, work in enumerate(works, 1))
    raise TypeError(f"no Markdown for {type(block).__name__}")


def _table(table: RenderedTable) -> Iterator[str]:
    yield _row([_line(cell) for cell in table.head])
    yield _row(["---:" if numeric else "---" for numeric in table.numeric])
    for row in table.rows:
        yield _row([_line(cell) for cell in row])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
