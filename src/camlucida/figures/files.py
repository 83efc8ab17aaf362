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
from camlucida.figures.sheets import resolution
from camlucida.figures.texts import plain_texts, signs_as_boxes

FORMATS = ("png", "pdf")


SCREEN_DPI = 200
"""Pixels an inch of figures that a page shows by the dozen."""

PDF_FONTS = 42
"""Kind of the fonts in a PDF: TrueType, for journals refuse those of Type 3."""


def save_figure(
    figure: Figure, stem: Path, formats: Sequence[str] = FORMATS, dpi: int | None = None
) -> list[Path]:
    """Write ``stem.png``, ``stem.jpg``, ``stem.pdf``, ``stem.svg``, whichever are requested.

    The bytes are the same on every run.

    Args:
        figure: to draw.
        stem: path without suffix.
        formats: suffixes.
        dpi: pixels an inch of pictures; None for :data:`~camlucida.figures.sheets.DPI`.
    """
    dpi = resolution(dpi)
    figure.set_dpi(dpi)
    plain_texts(figure)
    _lay_out(figure)
    stamp(figure)
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    for name, path in zip(formats, paths):
        write_bytes(path, _WRITERS[name](figure, dpi))
    return paths


def _lay_out(figure: Figure) -> None:
    """Place everything, once for all formats; matplotlib would do it again for each."""
    engine = figure.get_layout_engine()
    if engine is not None:
        with signs_as_boxes():
            engine.execute(figure)
    for axes in figure.axes:
        if axes.get_axes_locator() is None:
            axes.apply_aspect()
    figure.set_layout_engine(None)


def figure_pdf(figure: Figure, dpi: int | None = None) -> bytes:
    """One page; text stays text, and pictures become JPEG where the file would be large.

    Args:
        figure: to draw.
        dpi: pixels an inch of its pictures; None for :data:`~camlucida.figures.sheets.DPI`.
    """
    with matplotlib.rc_context({"pdf.compression": 0}):
        return compressed(_vector(figure, "pdf", {"CreationDate": None}, resolution(dpi)))


def figure_svg(figure: Figure, dpi: int | None = None) -> bytes:
    """SVG, without a date.

    Args:
        figure: to draw.
        dpi: pixels an inch of its pictures; None for :data:`~camlucida.figures.sheets.DPI`.
    """
    return _vector(figure, "svg", {"Date": None}, resolution(dpi))


def _vector(figure: Figure, kind: str, metadata: Mapping[str, None], dpi: int) -> bytes:
    buffer = io.BytesIO()
    with (
        signs_as_boxes(),
        matplotlib.rc_context({"svg.hashsalt": "camlucida", "pdf.fonttype": PDF_FONTS}),
    ):
        figure.savefig(buffer, format=kind, metadata=dict(metadata), dpi=dpi)
    return buffer.getvalue()


_WRITERS: Mapping[str, Callable[[Figure, int], bytes]] = {
    "png": figure_png,
    "jpg": figure_jpeg,
    "pdf": figure_pdf,
    "svg": figure_svg,
}
