"""The texts of a figure, as they stand and in fonts that have their signs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from camlucida.figures.style import has_chinese, installed_cjk_fonts

MATHS_OF_TICKS = "\\mathdefault"
"""What matplotlib writes powers of ten with, on a logarithmic axis."""


def plain_texts(figure: Figure) -> None:
    """Draw every text as it stands: names of files, labels and groups are no formulas, and may
    have Chinese signs.

    Chinese signs are taken from another font that is installed.

    Args:
        figure: before its texts are measured or drawn.
    """
    for text in figure.findobj(Text):
        words = text.get_text()
        if words and MATHS_OF_TICKS not in words:
            text.set_parse_math(False)
        if has_chinese(words):
            families = [*text.get_fontfamily(), *installed_cjk_fonts()]
            text.set_fontfamily(list(dict.fromkeys(families)))
            text.set_fontweight("normal")  # these fonts mostly have no bold face


@contextmanager
def signs_as_boxes() -> Iterator[None]:
    """A sign that no font has is measured and drawn as a box, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def text_extent(figure: Figure, item: Text | Legend) -> Bbox:
    """The rectangle in pixels that a text or a legend takes, before the figure is drawn.

    Args:
        figure: that it is in.
        item: in the font that it will be drawn in.
    """
    renderer: Any = RendererAgg(*figure.bbox.size, figure.dpi)  # type: ignore[no-untyped-call]
    with signs_as_boxes():
        return item.get_window_extent(renderer)
