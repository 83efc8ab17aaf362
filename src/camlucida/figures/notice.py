"""What every figure carries: that it is for research, and whether its images are synthetic."""

from __future__ import annotations

from matplotlib.figure import Figure

NOTICE = "Research use only"


def notice_line(synthetic: bool, what: str = "images") -> str:
    """The last line of a figure.

    Args:
        synthetic: whether anything shown is synthetic.
        what: what is synthetic then.

    >>> notice_line(True, "data")
    'Research use only · SYNTHETIC data'
    """
    return f"{NOTICE} · SYNTHETIC {what}" if synthetic else NOTICE


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
