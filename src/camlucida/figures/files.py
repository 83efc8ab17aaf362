"""A figure as files for the screen and for print."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from camlucida.core.files import write_bytes
from camlucida.figures.notice import stamp
from camlucida.figures.panels import figure_png, plain_texts
from camlucida.figures.pdf_images import compressed
from camlucida.figures.sheets import DPI

FORMATS = ("png", "pdf")


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write ``stem.png`` (300 dpi), ``stem.pdf``, ``stem.svg``, whichever are requested; the same
    bytes on every run.
    """
    figure.set_dpi(DPI)
    stamp(figure)
    plain_texts(figure)
    with warnings.catch_warnings():  # a sign that no font has is drawn as a box
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.draw_without_rendering()  # lays it out, once for all formats
    figure.set_layout_engine("none")
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    for name, path in zip(formats, paths):
        write_bytes(path, _WRITERS[name](figure))
    return paths


def figure_pdf(figure: Figure) -> bytes:
    """One page; text stays text, and pictures become JPEG where the file would be large."""
    with matplotlib.rc_context({"pdf.compression": 0}):
        return compressed(_vector(figure, "pdf", {"CreationDate": None}))


def figure_svg(figure: Figure) -> bytes:
    """SVG, without a date."""
    return _vector(figure, "svg", {"Date": None})


def _vector(figure: Figure, kind: str, metadata: Mapping[str, None]) -> bytes:
    buffer = io.BytesIO()
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.hashsalt": "camlucida", "pdf.fonttype": 42}),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format=kind, metadata=dict(metadata), dpi=DPI)
    return buffer.getvalue()


_WRITERS: Mapping[str, Callable[[Figure], bytes]] = {
    "png": figure_png,
    "pdf": figure_pdf,
    "svg": figure_svg,
}
