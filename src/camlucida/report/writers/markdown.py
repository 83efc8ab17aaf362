"""A report as Markdown (CommonMark with tables) beside its pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from camlucida.core.files import write_bytes
from camlucida.core.messages import Texts
from camlucida.report.document import Document
from camlucida.report.rendered import (
    Line,
    RenderedBlock,
    RenderedDocument,
    RenderedFigure,
    RenderedParagraph,
    RenderedPoints,
    RenderedReferences,
    RenderedTable,
    plain,
    render_document,
)
from camlucida.report.writers.html import file_stem

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$#])")
_START = re.compile(r"^([-+=]|\d+[.)])")
"""What would begin a list or a heading, at the start of a line."""


def write_markdown(document: Document, texts: Texts, folder: Path) -> Path:
    """Write ``report.md``; pictures are linked relative to it."""
    path = folder / f"{file_stem(texts)}.md"
    write_bytes(path, markdown(render_document(document, texts)).encode())
    return path


def markdown(report: RenderedDocument) -> str:
    """The text."""
    parts = [f"# {escape(report.title)}", *(f"> **{escape(notice)}**" for notice in report.notices)]
    parts.append(f"*{escape(report.words['intervals'])}*")
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


def _block(block: RenderedBlock, report: RenderedDocument) -> Iterator[str]:
    match block:
        case RenderedParagraph(line):
            yield escape(plain(line))
        case RenderedPoints(lines):
            yield "\n".join(f"- {escape(plain(line))}" for line in lines)
        case RenderedTable():
            yield f"**{report.words['table']} {block.number}** {escape(plain(block.caption))}"
            yield "\n".join(_table(block))
            if block.note:
                yield f"*{escape(block.note)}*"
        case RenderedFigure():
            caption = escape(plain(block.caption))
            yield f"![{caption}]({quote(block.stem)}.png)"
            yield f"**{report.words['figure']} {block.number}** {caption}"
        case RenderedReferences(works):
            yield "\n".join(f"{number}. {escape(work)}" for number, work in enumerate(works, 1))


def _table(table: RenderedTable) -> Iterator[str]:
    yield _row(table.head)
    yield _row([("---:" if numeric else "---",) for numeric in table.numeric], raw=True)
    for row in table.rows:
        yield _row(row)


def _row(cells: Sequence[Line], raw: bool = False) -> str:
    return f"| {' | '.join(plain(cell) if raw else escape(plain(cell)) for cell in cells)} |"
