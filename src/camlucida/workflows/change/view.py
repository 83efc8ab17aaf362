"""The two images of a change for the viewer, each film once, with the maps of all labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from camlucida.analysis.change.difference import Change
from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message, declare
from camlucida.core.scan import Scan
from camlucida.figures.style import words
from camlucida.io.grey_levels import grey_levels
from camlucida.io.image import RawImage
from camlucida.report.document import View
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import case_file
from camlucida.report.viewer.dense import dense_map, with_film
from camlucida.report.viewer.page import FOLDER
from camlucida.report.viewer.panels import with_name

declare(
    "change_view",
    {
        "before": "before",
        "after": "after",
        "carried": "after, laid over before",
        "difference": "after − before",
    },
)


def write_views(
    changes: Sequence[Change], images: Mapping[str, RawImage], out: Path
) -> tuple[View, ...]:
    """Write both images for the viewer: before with all maps and differences, after with its own.

    Args:
        changes: that are shown.
        images: "before" and "after" as read.
        out: folder of the page.
    """
    before = _film(changes[0].before.scan, images["before"])
    after = _film(changes[0].after.scan, images["after"])
    over_before = list(chain.from_iterable(_maps_before(each, before) for each in changes))
    over_after = [_named(with_film(change.after, after), "after") for change in changes]
    maps = {"before": over_before, "after": over_after}
    views = []
    for when, explanations in maps.items():
        file = f"{FOLDER}/{when}.js"
        write_case(case_file(out / file, explanations, first=0))
        views.append(View(file, images[when].id, Message(f"change_view.{when}")))
    return tuple(views)


def _maps_before(change: Change, film: Scan) -> Iterator[Explanation]:
    """The difference first, then what it is the difference of; 0 where nothing is comparable."""
    before = with_film(change.before, film)
    yield _named(dense_map(change.difference, before, before.grid), "difference")
    carried = dense_map(change.after_map, before, before.grid)
    after = change.after
    yield _named(replace(carried, score=after.score, probability=after.probability), "carried")
    yield _named(before, "before")


def _named(explanation: Explanation, when: str) -> Explanation:
    return with_name(explanation, words(f"change_view.{when}"))


def _film(scan: Scan, image: RawImage) -> Scan:
    """The film with all its grey levels, under the name of its image."""
    return replace(scan, id=image.id, levels=grey_levels(image))
