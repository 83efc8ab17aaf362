"""A map as one picture on black, for viewers that show nothing but pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camlucida.attribution.explanation import Explanation
from camlucida.figures.image_files import DrawnMap, PanelFilm
from camlucida.figures.map_pixels import Pixels
from camlucida.figures.save import image_job
from camlucida.figures.sheets import Sheet


def captures(explanations: Sequence[Explanation], colormap: str | None = None) -> list[Pixels]:
    """Of each map the film and the overlay side by side, with a colour bar.

    Target, score, method, layer, scale and the notice are written into the pixels: they are what
    remains when such a picture is passed on.

    Args:
        explanations: of one image; each lies over it.
        colormap: matplotlib name; the default if None.

    Returns:
        (h, w, 3) of each.
    """
    # Nothing is written: the words of a figure are what the sheet needs.
    job = image_job(explanations, Path(), frozenset({"figure"}), colormap)
    assert job.film is not None
    film = PanelFilm(job.film)
    return [_sheet(DrawnMap(job, item, film)).draw() for item in job.maps]


def _sheet(drawn: DrawnMap) -> Sheet:
    job, texts = drawn.job, drawn.item.texts
    assert texts is not None
    original, method, _ = texts.headings
    of_map = f"{method}\n{texts.no_evidence}" if drawn.item.empty else method
    return Sheet(
        texts.title,
        (original, of_map),
        [drawn.film.picture(), drawn.overlay_panel],
        (*texts.footer, job.notice),
        job.font_path,
        drawn.bar(texts.unit),
        job.synthetic,
        paper="black",
        ink="white",
    )
