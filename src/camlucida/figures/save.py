"""The files of an image's explanations, and their records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.files import slug, unique
from camlucida.core.messages import Message, Value, declare
from camlucida.core.regions import MASK_FRACTION, WHOLE_IMAGE
from camlucida.figures.image_files import (
    DrawnMap,
    ImageJob,
    MapJob,
    MapRegions,
    MapTexts,
    PanelFilm,
    StripJob,
    strip_bytes,
    write_image,
)
from camlucida.figures.marks import is_marked
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import (
    caption,
    colour_notes,
    map_pixels,
    unseen_text,
)
from camlucida.figures.panels import (
    map_heading,
    sheet_footer,
    sheet_title,
    strip_heading,
    strip_title_line,
    unit_text,
    weak_text,
)
from camlucida.figures.records import file_kinds, file_stem, record
from camlucida.figures.style import font_file, has_chinese, words

declare(
    "boxes",
    {
        "whole_image": (
            "{target}: a box covers {share:.0%} of the image or more, so it locates nothing"
        ),
    },
)

SUFFIXES = {
    "overlay": ".jpg",
    "heatmap": ".png",
    "figure": ".png",
    "map": ".npy",
    "mask": ".png",
}
"""Kinds of files of one explanation → suffix."""


WORDED = ("overlay", "heatmap", "figure")
"""Kinds of files with words in them."""


def save_explanation(
    explanation: Explanation,
    directory: Path,
    colormap: str | None = None,
    write: Collection[str] | None = None,
) -> dict[str, Any]:
    """Write the film, the raw map and the pictures of one explanation.

    Each file appears whole or not at all. Of a map that lies over no image the raw map alone is
    written.

    Args:
        explanation: what to write.
        directory: made if missing.
        colormap: matplotlib name; the default if None.
        write: of :data:`KINDS`, or ``all``; the overlay if None.

    Returns:
        The record of ``explanations.json``; ``files`` are names relative to ``directory``.
    """
    job = image_job([explanation], directory, file_kinds(write), colormap, file_stem(explanation))
    (entry,) = image_records([explanation], job, write_image(job))
    return entry


def image_job(
    explanations: Sequence[Explanation],
    directory: Path,
    kinds: frozenset[str] | None = None,
    colormap: str | None = None,
    stem: str | None = None,
    stems: set[str] | None = None,
) -> ImageJob:
    """What is to be written of an image, as plain data.

    Args:
        explanations: of one image, at least one.
        directory: of the files.
        kinds: of :func:`file_kinds`.
        colormap: matplotlib name; the default if None.
        stem: beginning of the name of the file of raw maps; that of the image if None.
        stems: beginnings of names that are taken; those of this image are added.

    Raises:
        UsageError: a map is not two-dimensional, or there is no such colormap.
    """
    stems = set() if stems is None else stems
    first = explanations[0]
    image = slug(first.scan.id) if stem else unique(slug(first.scan.id), stems)
    top = top_finding(explanations)
    maps = []
    for explanation in explanations:
        default = ["overlay"] if explanation is top else []
        maps.append(_map_job(explanation, default if kinds is None else kinds, colormap, stems))
    strips: list[StripJob] = []
    if kinds is not None and "strip" in kinds:
        strips = list(_strip_jobs(explanations, colormap, stems))
    has_film = any(item.pixels is not None for item in maps)
    notice = notice_line(first.scan.synthetic, "image")
    return ImageJob(
        directory,
        first.scan.picture() if has_film else None,
        f"{image}_film.png",
        f"{stem or image}_maps.npz",
        tuple(maps),
        tuple(strips),
        notice,
        first.scan.synthetic,
        font_file(_needs_chinese(maps, strips, notice)),
    )


def image_records(
    explanations: Sequence[Explanation], job: ImageJob, regions: Sequence[MapRegions | None]
) -> list[dict[str, Any]]:
    """The entries of ``explanations.json`` of an image whose files are written.

    Args:
        explanations: as :func:`image_job` had them.
        job: what it gave.
        regions: what :func:`~camlucida.figures.image_files.write_image` gave.
    """
    return [
        _full_record(explanation, job, item, part)
        for explanation, item, part in zip(explanations, job.maps, regions, strict=True)
    ]


def top_finding(explanations: Sequence[Explanation]) -> Explanation:
    """The explanation of the most probable target; without probabilities, the first.

    Args:
        explanations: of one image, at least one.
    """
    probabilities = [each.probability for each in explanations]
    ranked = [-1.0 if probability is None else probability for probability in probabilities]
    return explanations[ranked.index(max(ranked))]


def _map_job(
    explanation: Explanation, kinds: Collection[str], colormap: str | None, stems: set[str]
) -> MapJob:
    stem = unique(file_stem(explanation), stems)
    key = stem.removeprefix(f"{slug(explanation.scan.id)}_")
    raw = explanation.raw.numpy()
    if explanation.no_picture is not None:
        return MapJob(key, raw, {}, None)
    files = {kind: f"{stem}_{kind}{suffix}" for kind, suffix in SUFFIXES.items() if kind in kinds}
    rows, columns = explanation.scan.geometry.seen()
    return MapJob(
        key,
        raw,
        files,
        map_pixels(explanation, colormap),
        is_marked(explanation),
        explanation.is_empty,
        (rows, columns) if unseen_text(explanation) else None,
        _texts(explanation, colormap) if files.keys() & WORDED else None,
        None if explanation.detection is None else explanation.detection.box,
    )


def _texts(explanation: Explanation, colormap: str | None) -> MapTexts:
    notes = colour_notes(explanation, colormap)
    rows, columns = explanation.scan.geometry.original
    original = words("panels.original", columns=columns, rows=rows)
    return MapTexts(
        " · ".join([caption(explanation), *notes]),
        sheet_title(explanation),
        (original, map_heading(explanation), words("panels.overlay")),
        sheet_footer([explanation], colormap),
        unit_text(explanation),
        words("panels.no_evidence"),
    )


def _strip_jobs(
    explanations: Sequence[Explanation], colormap: str | None, stems: set[str]
) -> Iterator[StripJob]:
    """One for each method and layer that has more than one target."""
    numbers = sorted(range(len(explanations)), key=lambda n: _method_and_layer(explanations[n]))
    for _, group in groupby(numbers, key=lambda n: _method_and_layer(explanations[n])):
        of_group = tuple(group)
        maps = [explanations[n] for n in of_group]
        if len(maps) > 1 and maps[0].no_picture is None:
            name = f"{unique(strip_stem(maps[0]), stems)}_strip.png"
            yield _strip_job(maps, of_group, name, colormap)


def _strip_job(
    maps: Sequence[Explanation], numbers: tuple[int, ...], name: str, colormap: str | None
) -> StripJob:
    headings = [strip_heading(explanation) for explanation in maps]
    return StripJob(
        name,
        numbers,
        strip_title_line(maps[0]),
        (words("panels.original_alone"), *headings),
        tuple(weak_text(explanation, maps) for explanation in maps),
        sheet_footer(maps, colormap),
    )


def _method_and_layer(explanation: Explanation) -> tuple[str, str]:
    return explanation.method, explanation.layer


def _full_record(
    explanation: Explanation, job: ImageJob, item: MapJob, regions: MapRegions | None
) -> dict[str, Any]:
    files = {"maps": job.maps_file, **item.files}
    if job.film is not None:
        files = {"film": job.film_file, **files}
    entry = record(explanation, files) | {"map_key": item.key}
    if regions is None:
        warnings = [*entry["warnings"], explanation.no_picture]
        no_place = {"image_size": None, "seen": None, "geometry": None}
        return entry | {"warnings": warnings} | no_place
    height, width = explanation.scan.geometry.original
    covering = [box for box in regions.boxes if box.covers((height, width))]
    if covering:
        about: dict[str, Value] = {"target": explanation.target, "share": WHOLE_IMAGE}
        entry["warnings"].append(Message("boxes.whole_image", about))
    drawn = [asdict(box) | {"whole_image": box in covering} for box in regions.boxes]
    rule = f"map ≥ {MASK_FRACTION} × its maximum"
    return entry | {"mask": {"rule": rule, "threshold": regions.threshold}, "boxes": drawn}


def _needs_chinese(maps: Sequence[MapJob], strips: Sequence[StripJob], notice: str) -> bool:
    lines = [notice]
    for item in maps:
        if item.texts is not None:
            lines += [item.texts.caption, item.texts.title, *item.texts.footer]
    for strip in strips:
        lines += strip.headings
    return any(map(has_chinese, lines))


def strip_stem(explanation: Explanation) -> str:
    """``{image}_{method}_{layer}``, safe in a file name."""
    return "_".join(
        slug(part) for part in (explanation.scan.id, explanation.method, explanation.layer)
    )


def explanation_png(explanation: Explanation, colormap: str | None = None) -> bytes:
    """Original, map and overlay side by side, annotated, as a PNG file.

    Args:
        explanation: of an image.
        colormap: matplotlib name; the default if None.

    Raises:
        UsageError: the map lies over no image, or there is no such colormap.
    """
    if explanation.no_picture is not None:
        raise UsageError(str(explanation.no_picture), "its raw map is in the ZIP file")
    job = image_job([explanation], Path(), frozenset({"figure"}), colormap)
    assert job.film is not None
    return DrawnMap(job, job.maps[0], PanelFilm(job.film)).content("figure")


def strip_png(explanations: Sequence[Explanation], colormap: str | None = None) -> bytes:
    """The original and one overlay a target, side by side, as a PNG file.

    Args:
        explanations: of one image, method and layer.
        colormap: matplotlib name; the default if None.
    """
    job = image_job(explanations, Path(), frozenset(), colormap)
    strip = _strip_job(explanations, tuple(range(len(explanations))), "", colormap)
    return strip_bytes(job, strip)
