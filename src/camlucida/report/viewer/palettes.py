"""The colour maps that the viewer carries as tables (``web-ui/viewer/generated``)."""

from __future__ import annotations

SEQUENTIAL = ("lucida", "inferno", "magma", "viridis", "cividis", "turbo", "hot", "jet")
DIVERGING = ("bwr", "coolwarm", "RdBu_r", "seismic", "PuOr_r")

PALETTES = (*SEQUENTIAL, *DIVERGING)


def palette_for(colormap: str | None) -> str | None:
    """The colour map if the viewer has it, else None: it then begins with its default.

    >>> palette_for("jet"), palette_for("autumn")
    ('jet', None)
    """
    return colormap if colormap in PALETTES else None
