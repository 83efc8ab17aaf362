"""Figures that are quick to write: few pixels, PDF fonts of Type 3; or no picture at all."""

import numpy as np
import pytest

from camlucida.core.png import png_bytes
from camlucida.figures import files as figure_files

DPI = 40
"""Pixels an inch, in place of the 300 of a user's figures."""


def coarsen(patch: pytest.MonkeyPatch, dpi: int = DPI, pdf_fonts: int = 3) -> None:
    """Figures have this resolution and kind of fonts until the patch is undone."""
    patch.setattr("camlucida.figures.sheets.DPI", dpi)
    patch.setattr("camlucida.figures.files.PDF_FONTS", pdf_fonts)


_DRAWING = dict(figure_files._WRITERS), figure_files._lay_out
"""How a figure becomes a file."""


def blank(patch: pytest.MonkeyPatch) -> None:
    """Files of figures are written without a picture until the patch is undone."""
    pixel = png_bytes(np.zeros((1, 1, 3), np.uint8), 72)
    for kind, content in (("png", pixel), ("pdf", b"%PDF")):
        patch.setitem(figure_files._WRITERS, kind, lambda *_, content=content: content)
    patch.setattr(figure_files, "_lay_out", lambda figure: None)


def draw(patch: pytest.MonkeyPatch) -> None:
    """Files of figures are pictures until the patch is undone."""
    writers, lay_out = _DRAWING
    for kind, writer in writers.items():
        patch.setitem(figure_files._WRITERS, kind, writer)
    patch.setattr(figure_files, "_lay_out", lay_out)
