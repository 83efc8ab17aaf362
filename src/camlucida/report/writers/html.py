"""A document as an HTML page that asks nothing of a network.

A report is one file, with its pictures in it (:func:`write_html`); a page beside its pictures links
to them (:func:`write_page`).
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from camlucida.core.errors import CamlucidaError
from camlucida.core.files import write_bytes
from camlucida.core.messages import Texts
from camlucida.figures.style import can_draw, style
from camlucida.report.document import Document
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document, with_english_figures
from camlucida.report.rendered import RenderedDocument, RenderedFigure, figures_of, plain
from camlucida.report.viewer.page import (
    PageViewer,
    ViewerCase,
    page_viewer,
    remove_taken_in,
    within_limits,
)
from camlucida.report.writers.breaks import parts

WIDEST = 1280
"""Pixels of a picture in the page; the file beside it keeps its 300 dpi."""

PIXELS_AN_INCH = 144
"""Of a figure on a wide page, in CSS pixels: letters of 7 points in print become 14 pixels high."""


def write_html(report: RenderedDocument, folder: Path) -> Path:
    """Write ``report.html``, one file; its pictures are taken from ``folder``.

    Raises:
        CamlucidaError: a picture is missing or is no picture.
    """
    path = folder / f"{report.stem}.html"
    shown = within_limits(viewed_cases(report), folder)
    write_bytes(path, html(report, folder, page_viewer(shown, folder, "dialog")).encode())
    return path


def viewed_cases(report: RenderedDocument) -> list[ViewerCase]:
    """The images of all figures that have films and maps for the viewer, each once.

    Args:
        report: in words.
    """
    cases: dict[str, ViewerCase] = {}
    for figure in _figures(report):
        for view in figure.views:
            cases.setdefault(view.file, ViewerCase(view.image, view.note, view.file))
    return list(cases.values())


def _figures(report: RenderedDocument) -> Iterator[RenderedFigure]:
    yield from figures_of(report.intro)
    for section in report.sections:
        yield from figures_of(section.blocks)


def write_page(
    document: Document,
    path: Path,
    texts: Texts | None = None,
    viewer: PageViewer | None = None,
) -> Path:
    """Write a page that links to the pictures and files beside it.

    Args:
        document: see :mod:`camlucida.report.document` for an example.
        path: of the page; names of files in the document are relative to its folder.
        texts: the language; None for that of the command.
        viewer: stands first, and takes the place of the pictures on a screen with scripts; None:
            one that opens from the figures which have films and maps.

    Returns:
        ``path``.
    """
    texts = style().page_texts if texts is None else texts
    drawn = document if can_draw(texts) else with_english_figures(document)
    rendered = render_document(drawn, texts)
    if viewer is None:
        viewer = page_viewer(viewed_cases(rendered), path.parent, "dialog")
    write_bytes(path, html(rendered, path.parent, viewer, embed=False).encode())
    if viewer is not None:
        remove_taken_in(viewer)
    return path


def html(
    report: RenderedDocument,
    folder: Path | None = None,
    viewer: PageViewer | None = None,
    compact: bool = False,
    embed: bool = True,
) -> str:
    """The page.

    Args:
        report: in words.
        folder: of the pictures; None: the page links to them, and their sizes are not known.
        viewer: of films and maps.
        compact: small print, for a document of one page of paper.
        embed: put the pictures into the page; False: link to them.
    """
    embedded = _embedded(report, folder) if folder is not None and embed else {}
    widths = {} if folder is None else dict(_widths(report, folder))
    template = _environment().get_template("page.html.j2")
    texts = load_texts(report.language)
    helpers = {"plain": plain, "breakable": _breakable, "kind": _kind}
    shown = {"page": report, "embedded": embedded, "viewer": viewer, "compact": compact}
    return template.render(texts=texts, widths=widths, **shown, **helpers)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Jinja with the templates of the package; every value is escaped."""
    environment = Environment(
        loader=PackageLoader("camlucida.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["url"] = _url
    return environment


def _kind(item: object) -> str:
    """Name of a class of :mod:`camlucida.report.rendered`, for the template."""
    return type(item).__name__


def _url(target: str) -> str:
    """A relative path or ``#anchor`` as a link; a colon is quoted, so that no scheme is possible.

    >>> _url("a b/c#1.png"), _url("#a b")
    ('a%20b/c%231.png', '#a%20b')
    """
    return f"#{quote(target[1:])}" if target.startswith("#") else quote(target)


def _breakable(text: str) -> Markup:
    """``text``, escaped, with the places at which a line may be broken."""
    words = re.findall(r"\s+|\S+", text)
    lines = (word if word.isspace() else "<wbr>".join(map(escape, parts(word))) for word in words)
    return Markup("".join(lines))


def _widths(report: RenderedDocument, folder: Path) -> Iterator[tuple[str, int]]:
    """CSS pixels across, at most, of the pictures that say how large they are in print.

    So the letters of all figures have one size, of narrow figures, too.
    """
    for figure in _figures(report):
        try:
            with Image.open(folder / figure.file) as picture:
                across, _ = picture.info.get("dpi", (0, 0))
                if across:
                    yield figure.file, round(picture.width / float(across) * PIXELS_AN_INCH)
        except (OSError, UnidentifiedImageError):
            continue  # a link to it says so in the browser


def _embedded(report: RenderedDocument, folder: Path) -> Mapping[str, str]:
    """File of each picture → its content as a data URI."""
    return {figure.file: _data_uri(folder / figure.file) for figure in _figures(report)}


def _data_uri(path: Path) -> str:
    try:
        with Image.open(path) as file:
            picture: Image.Image = file if file.mode in ("L", "RGB") else file.convert("RGB")
            if picture.width > WIDEST:
                height = max(1, round(picture.height * WIDEST / picture.width))
                picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
    except (OSError, UnidentifiedImageError) as error:
        raise CamlucidaError(
            f"the report's picture {path} cannot be read", "make the report again"
        ) from error
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
