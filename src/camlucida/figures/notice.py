"""What every figure carries: that it is for research, and whether its images are synthetic."""

from __future__ import annotations

from matplotlib.figure import Figure

from camlucida.core.messages import declare
from camlucida.figures.style import words

NOTICE = "Research use only"

declare(
    "notice",
    {
        "research": NOTICE,
        "synthetic_image": f"{NOTICE} · SYNTHETIC image",
        "synthetic_images": f"{NOTICE} · SYNTHETIC images",
        "synthetic_data": f"{NOTICE} · SYNTHETIC data",
    },
)


def notice_line(synthetic: bool, what: str = "images") -> str:
    """The last line of a figure.

    Args:
        synthetic: whether anything shown is synthetic.
        what: what is synthetic then: "image", "images" or "data".

    >>> notice_line(True, "data")
    'Research use only · SYNTHETIC data'
    """
    if not synthetic:
        return words("notice.research")
    return words(f"notice.synthetic_{what}")


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
