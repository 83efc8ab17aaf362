"""Figures that are quick to write: few pixels, and fonts of Type 3 in a PDF."""

import pytest

DPI = 40
"""Pixels an inch, in place of the 300 of a user's figures."""


def coarsen(patch: pytest.MonkeyPatch, dpi: int = DPI, pdf_fonts: int = 3) -> None:
    """Figures have this resolution and kind of fonts until the patch is undone."""
    patch.setattr("camlucida.figures.sheets.DPI", dpi)
    patch.setattr("camlucida.figures.files.PDF_FONTS", pdf_fonts)
