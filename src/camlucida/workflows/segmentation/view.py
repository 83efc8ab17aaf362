"""An image of a segmentation for the viewer: its maps, and the outline of the ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message
from camlucida.report.document import View
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import case_file, has_film, mask_outlines
from camlucida.report.viewer.dense import with_film
from camlucida.report.viewer.page import FOLDER
from camlucida.workflows.segmentation.run_view import SegmentationCase, SegmentationRun, target_name


def write_view(
    run: SegmentationRun,
    case: SegmentationCase,
    maps: Mapping[int, Explanation],
    out: Path,
    stem: str,
) -> tuple[View, ...]:
    """Write the film with all its maps for the viewer; nothing without a map, or without the film.

    Args:
        run: of the image.
        case: the image.
        maps: row of the run's explanations → map.
        out: folder of the page.
        stem: of the file's name; unique in the folder.
    """
    if not maps:
        return ()
    film = run.run.explanation(next(iter(maps)), levels=True).scan
    if not has_film(film):
        return ()
    shown = [with_film(explanation, film) for explanation in maps.values()]
    file = f"{FOLDER}/{stem}.js"
    write_case(case_file(out / file, shown, outlines=list(_outlines(run, case))))
    note = Message("segmentation_page.map_count", {"count": len(maps)})
    return (View(file, case.image, note),)


def _outlines(run: SegmentationRun, case: SegmentationCase) -> Iterator[dict[str, Any]]:
    """The ground truth of each label but the background."""
    several = len(run.labels) > 1
    for label, mask in case.truths.items():
        if label != case.background:
            yield from mask_outlines(target_name(label, "true", several).strip(), mask)
