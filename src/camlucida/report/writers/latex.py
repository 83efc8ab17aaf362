"""A report as LaTeX: a document of its own, or a section for an article."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes
from camlucida.report.rendered import (
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
from camlucida.report.writers.insert import root_of
from camlucida.report.writers.latex_table import escaped, in_place, label_of, latex_table
from camlucida.report.writers.latex_text import escape, has_chinese

Heading = Literal["section", "subsection", "subsubsection"]

_BELOW = {"section": "subsection", "subsection": "subsubsection", "subsubsection": "paragraph"}
"""Heading → the next lower one."""


def write_latex(report: RenderedDocument, folder: Path) -> Path:
    """Write ``report.tex``, an article that takes its pictures from ``folder``."""
    path = folder / f"{report.stem}.tex"
    body = "\n".join(_sections(report, folder, "", "section", "report"))
    lines = [
        r"\documentclass[a4paper]{article}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[margin=25mm]{geometry}",
        r"\usepackage{graphicx}",
        r"\usepackage{booktabs}",
        r"\usepackage{CJKutf8}" if has_chinese(body + report.title) else "",
        r"\setlength{\emergencystretch}{3em}",
        r"\begin{document}",
        *_chinese(
            [
                rf"\renewcommand{{\figurename}}{{{escape(report.words['figure'])}}}",
                rf"\renewcommand{{\tablename}}{{{escape(report.words['table'])}}}",
                rf"\title{{{escape(report.title)}}}\author{{}}\date{{}}\maketitle",
                *_opening(report, folder, "", "report"),
                body,
            ]
        ),
        r"\end{document}",
    ]
    write_bytes(path, ("\n".join(line for line in lines if line) + "\n").encode())
    return path


def picture_prefix(folder: Path, tex: Path) -> str:
    """The path from where LaTeX is run to the report's folder, with which names of pictures begin.

    Args:
        folder: of the report.
        tex: the LaTeX file that takes the section.

    Returns:
        "" or a relative path that ends with a slash.

    Raises:
        UsageError: LaTeX can take no pictures from a folder of this name.
    """
    prefix = os.path.relpath(folder.absolute(), root_of(tex)).replace(os.sep, "/")
    odd = [sign for sign in prefix if sign in '%#{}\\~"$^']
    if odd:
        raise UsageError(
            f"LaTeX takes no pictures from {prefix}: its name has {odd[0]!r}",
            "give a plain name by --out",
        )
    return "" if prefix == "." else f"{prefix}/"


def section(
    report: RenderedDocument, folder: Path, name: str, prefix: str, level: Heading = "section"
) -> str:
    """The report as a section of an article.

    It is what :func:`~camlucida.report.writers.insert.insert_section` inserts.

    Args:
        report: in words.
        folder: the report's, in which the pictures are.
        name: of the section: its labels are ``NAME:figure-…`` and ``NAME:table-…``.
        prefix: of the paths of pictures, by :func:`picture_prefix`.
        level: of its heading; its parts have the next lower one.
    """
    lines = [
        r"% The preamble needs graphicx; with booktabs the tables look better;",
        r"% Chinese needs CJKutf8 or ctex.",
        *(
            rf"\providecommand{{\{rule}}}{{\hline}}"
            for rule in ("toprule", "midrule", "bottomrule")
        ),
        rf"\{level}{{{escape(report.title)}}}\label{{{name}}}",
        *_opening(report, folder, prefix, name),
        *_sections(report, folder, prefix, _BELOW[level], name),
    ]
    return "\n".join(_chinese(lines)) + "\n"


def _chinese(lines: Sequence[str]) -> list[str]:
    """In the environment of CJKutf8 where needed; a host with another way of setting Chinese keeps
    its own.
    """
    if not has_chinese("".join(lines)):
        return list(lines)
    begin, end = r"\begin{CJK*}{UTF8}{gbsn}", r"\end{CJK*}"
    loaded = r"\ifcsname ver@CJKutf8.sty\endcsname {}\fi"
    return [loaded.format(begin), *lines, loaded.format(end)]


def _opening(report: RenderedDocument, folder: Path, prefix: str, name: str) -> Iterator[str]:
    """Notices and what stands before the sections."""
    for notice in report.notices:
        yield rf"\noindent\textbf{{{escape(notice)}}}\par\medskip"
    for block in report.intro:
        yield from _block(block, report, folder, prefix, name)


def _sections(
    report: RenderedDocument, folder: Path, prefix: str, heading: str, name: str
) -> Iterator[str]:
    for part in report.sections:
        yield f"\n\\{heading}{{{escape(part.title)}}}\\label{{{name}:{part.name}}}"
        for block in part.blocks:
            yield from _block(block, report, folder, prefix, name)


def _block(
    block: RenderedBlock, report: RenderedDocument, folder: Path, prefix: str, name: str
) -> Iterator[str]:
    match block:
        case RenderedTable():
            yield from latex_table(block, report, name)
        case RenderedFigure():
            yield from _figure(block, folder, prefix, name)
        case RenderedGallery(figures):
            for figure in figures:
                yield from _figure(figure, folder, prefix, name)
        case RenderedDetails(heading, blocks) | RenderedSubsection(heading, blocks):
            yield f"\n\\paragraph{{{escaped(heading)}}}\n"
            for inner in blocks:
                yield from _block(inner, report, folder, prefix, name)
        case _:
            yield from _text_block(block)


def _text_block(block: RenderedBlock) -> Iterator[str]:
    match block:
        case RenderedParagraph(line, quiet):
            words = escaped(line)
            yield rf"\noindent{{\small {words}\par}}" if quiet else f"\n{words}\n"
        case RenderedNotice(line):
            yield f"\n\\textbf{{{escaped(line)}}}\n"
        case RenderedPoints(lines):
            yield from _itemize(escaped(line) for line in lines)
        case RenderedFacts(rows):
            yield from _itemize(
                rf"\textbf{{{escaped(key)}}} {escaped(value)}" for key, value in rows
            )
        case RenderedListing(text):
            yield from _itemize(rf"\texttt{{{escape(line)}}}" for line in text.splitlines())
        case RenderedLinks():
            pass  # there is nothing to follow on paper
        case RenderedReferences(works):
            yield "\\begin{enumerate}"
            for number, work in enumerate(works, 1):
                yield rf"\item[{{[{number}]}}] {escape(work)}"
            yield "\\end{enumerate}"


def _itemize(lines: Iterable[str]) -> Iterator[str]:
    yield "\\begin{itemize}"
    yield from (rf"\item[\ensuremath{{\bullet}}] {line}" for line in lines)
    yield "\\end{itemize}"


def _figure(figure: RenderedFigure, folder: Path, prefix: str, name: str) -> list[str]:
    suffix = "pdf" if (folder / f"{figure.stem}.pdf").is_file() else figure.suffixes[0]
    path = f"{prefix}{figure.stem}.{suffix}"
    if not path.isascii():  # the CJK package makes commands of its signs
        path = rf"\detokenize{{{path}}}"
    size = r"width=\linewidth,height=.75\textheight,keepaspectratio"
    lines = [rf"\includegraphics[{size}]{{{path}}}"]
    if figure.number:
        label = label_of(figure.anchor, "figure", figure.number)
        lines.append(rf"\caption{{{escaped(figure.caption)}}}\label{{{name}:{label}}}")
    elif figure.caption:
        lines.append(rf"\par {{\small {escaped(figure.caption)}}}")
    return in_place("figure", lines)
