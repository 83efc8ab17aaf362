"""A figure as files for the screen and for print."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from camlucida.core.files import write_bytes
from camlucida.figures.notice import stamp
from camlucida.figures.panels import figure_jpeg, figure_png
from camlucida.figures.pdf_images import compressed
from camlucida.figures.sheets import DPI
from camlucida.figures.texts import plain_texts, signs_as_boxes

FORMATS = ("png", "pdf")


SCREEN_DPI = 200
"""Pixels an inch of figures that a page shows by the dozen."""


def save_figure(
    figure: Figure, stem: Path, formats: Sequence[str] = FORMATS, dpi: int = DPI
) -> list[Path]:
    """Write ``stem.png``, ``stem.jpg``, ``stem.pdf``, ``stem.svg``, whichever are requested.

    The bytes are the same on every run.

    Args:
        figure: to draw.
        stem: path without suffix.
        formats: suffixes.
        dpi: pixels an inch of pictures.
    """
    figure.set_dpi(dpi)
    plain_texts(figure)
    with signs_as_boxes():
        figure.draw_without_rendering()  # lays it out, once for all formats
    figure.set_layout_engine("none")
    stamp(figure)
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    for name, path in zip(formats, paths):
        write_bytes(path, _WRITERS[name](figure, dpi))
    return paths


def figure_pdf(figure: Figure, dpi: int = DPI) -> bytes:
    """One page; text stays text, and pictures become JPEG where the file would be large.

    Args:
        figure: to draw.
        dpi: pixels an inch of its pictures.
    """
    with matplotlib.rc_context({"pdf.compression": 0}):
        return compressed(_vector(figure, "pdf", {"CreationDate": None}, dpi))


def figure_svg(figure: Figure, dpi: int = DPI) -> bytes:
    """SVG, without a date.

    Args:
        figure: to draw.
        dpi: pixels an inch of its pictures.
    """
    return _vector(figure, "svg", {"Date": None}, dpi)


def _vector(figure: Figure, kind: str, metadata: Mapping[str, None], dpi: int) -> bytes:
    buffer = io.BytesIO()
    with (
        signs_as_boxes(),
        matplotlib.rc_context({"svg.hashsalt": "camlucida", "pdf.fonttype": 42}),
    ):
        figure.savefig(buffer, format=kind, metadata=dict(metadata), dpi=dpi)
    return buffer.getvalue()


_WRITERS: Mapping[str, Callable[[Figure, int], bytes]] = {
    "png": figure_png,
    "jpg": figure_jpeg,
    "pdf": figure_pdf,
    "svg": figure_svg,
}
