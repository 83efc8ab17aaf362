"""What every figure carries: that it is for research, and whether its images are synthetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from camlucida.core.messages import declare
from camlucida.figures.style import bold, words
from camlucida.figures.texts import plain_texts, text_extent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTICE = "Research use only"

declare(
    "notice",
    {
        "research": NOTICE,
        "synthetic_image": f"{NOTICE} · SYNTHETIC image",
        "synthetic_images": f"{NOTICE} · SYNTHETIC images",
        "synthetic_data": f"{NOTICE} · SYNTHETIC data",
        "mismatch": "NOT THE MODEL OF THE STORED PREDICTIONS",
    },
)

STAMP_WIDTH = 0.9
"""Of the stamp, as a share of the width of its figure."""

_MISMATCH: ContextVar[bool] = ContextVar("mismatch", default=False)


@contextmanager
def stamped(mismatch: bool) -> Iterator[None]:
    """Stamp every figure that is drawn and saved inside, where the model is not the stored one's.

    Args:
        mismatch: whether the model does not reproduce the stored predictions; False stamps
            nothing, and takes no outer stamp away.

    >>> with stamped(True):
    ...     notice_line(False)
    'NOT THE MODEL OF THE STORED PREDICTIONS · Research use only'
    """
    token = _MISMATCH.set(mismatch or _MISMATCH.get())
    try:
        yield
    finally:
        _MISMATCH.reset(token)


def is_stamped() -> bool:
    """Whether figures are stamped here."""
    return _MISMATCH.get()


def stamp(figure: Figure) -> None:
    """The stamp across each row of panels, inside of :func:`stamped`; else nothing.

    Args:
        figure: laid out; the stamp runs through the middle of the pictures, below their titles.
    """
    if not is_stamped():
        return
    fontsize = _fitting_size(figure, words("notice.mismatch"))
    letter = fontsize / 72 / figure.get_figheight()
    lowest = 0.0
    for height in _middles(figure):
        if height < lowest:
            continue  # the stamp below covers this row, too
        lowest = height + letter
        figure.text(
            0.5,
            height,
            words("notice.mismatch"),
            fontsize=fontsize,
            color="#c00000",
            alpha=0.6,
            ha="center",
            va="center",
            weight=bold(),
            zorder=1000,
        )
    plain_texts(figure)


def _fitting_size(figure: Figure, line: str) -> float:
    """Points of a bold line that fills the share :data:`STAMP_WIDTH` of a figure's width."""
    text = figure.text(0, 0, line, fontsize=10, weight=bold())
    plain_texts(figure)
    width = text_extent(figure, text).width
    text.remove()
    return float(10 * STAMP_WIDTH * figure.bbox.width / width)


def _middles(figure: Figure) -> list[float]:
    """Height of the middle of each row of pictures, else of other panels, in shares of the figure.

    In each row, so that no panel cut out of the figure is without a stamp.
    """
    panels = [axes for axes in figure.axes if axes.images] or figure.axes
    boxes = [axes.get_window_extent() for axes in panels]
    middles = {(box.y0 + box.y1) / 2 / figure.bbox.height for box in boxes}
    return sorted(middles) or [0.2, 0.5, 0.8]


def notice_line(synthetic: bool, what: str = "images") -> str:
    """The last line of a figure.

    Args:
        synthetic: whether anything shown is synthetic.
        what: what is synthetic then: "image", "images" or "data".

    >>> notice_line(True, "data")
    'Research use only · SYNTHETIC data'
    """
    code = f"notice.synthetic_{what}" if synthetic else "notice.research"
    line = words(code)
    return f"{words('notice.mismatch')} · {line}" if is_stamped() else line


def watermark(figure: Figure, opacity: float) -> None:
    """SYNTHETIC across the figure, in a grey of this opacity (0 to 1)."""
    figure.text(
        0.5,
        0.5,
        "SYNTHETIC",
        fontsize=34,
        color="#8f8f8f",
        alpha=opacity,
        ha="center",
        va="center",
        rotation=20,
    )
