"""A report as one HTML file that needs nothing beside it and asks nothing of a network."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from camlucida.core.errors import CamlucidaError
from camlucida.core.files import write_bytes
from camlucida.core.messages import Texts
from camlucida.report.document import Document
from camlucida.report.page import page
from camlucida.report.rendered import RenderedDocument, RenderedFigure, plain, render_document
from camlucida.report.writers.breaks import parts

WIDEST = 1280
"""Pixels of a picture in the page; the file beside it keeps its 300 dpi."""


def write_html(document: Document, texts: Texts, folder: Path) -> Path:
    """Write ``report.html``; its pictures are taken from ``folder``.

    Raises:
        CamlucidaError: a picture is missing or is no picture.
    """
    path = folder / f"{file_stem(texts)}.html"
    write_bytes(path, html(render_document(document, texts), folder).encode())
    return path


def html(report: RenderedDocument, folder: Path) -> str:
    """The page."""
    figures = [
        block
        for section in report.sections
        for block in section.blocks
        if isinstance(block, RenderedFigure)
    ]
    pictures = {figure.stem: _data_uri(folder / f"{figure.stem}.png") for figure in figures}
    return page(
        "report.html.j2", report=report, pictures=pictures, plain=plain, breakable=_breakable
    )


def file_stem(texts: Texts) -> str:
    """``report`` in English, else with the language: editions stand beside each other."""
    return "report" if texts.language == "en" else f"report_{texts.language}"


def _breakable(text: str) -> Markup:
    """``text``, escaped, with the places at which a line may be broken."""
    words = re.findall(r"\s+|\S+", text)
    return Markup("").join(
        word if word.isspace() else Markup("<wbr>").join(parts(word)) for word in words
    )


def _data_uri(path: Path) -> str:
    try:
        with Image.open(path) as file:
            picture: Image.Image = file if file.mode in ("L", "RGB") else file.convert("RGB")
            if picture.width > WIDEST:
                picture = picture.resize(
                    (WIDEST, max(1, round(picture.height * WIDEST / picture.width))),
                    Image.Resampling.LANCZOS,
                )
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
    except (OSError, UnidentifiedImageError) as error:
        raise CamlucidaError(
            f"the report's picture {path} cannot be read", "make the report again"
        ) from error
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
