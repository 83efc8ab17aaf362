"""Annotations under names that differ from their images' in folder, letter case or zeros."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.ground_truth import GroundTruth
from camlucida.datasets.image_names import annotation_keys, image_keys
from camlucida.datasets.name_matching import Keys, match_names

declare(
    "notes",
    {
        "annotations_by_file": (
            "annotations of {count} {count:|image|images} name other folders than the images', and "
            "are compared by what follows, because no two are the same: {name} is {file}"
        ),
        "annotations_by_case": (
            "annotations of {count} {count:|image|images} have a name that differs from the "
            "image's in letter case only: {name} is {file}"
        ),
        "annotations_by_number": (
            "annotations of {count} {count:|image|images} have a number without the leading "
            "zeros of the image's name, and no other image has that number: {name} is {file}"
        ),
    },
)

T = TypeVar("T")

Names = dict[str, Path]
"""Name that the annotations use → the image's file."""

_DIFFERENCES = ("file", "case", "number")


def with_names_of_images(truth: GroundTruth, images: Iterable[tuple[str, str]]) -> GroundTruth:
    """Annotations whose name differs in folder, case or zeros, under the name of their image.

    An image whose name is among the annotations' keeps those; of the others, each gets the
    annotations that :func:`~camlucida.datasets.name_matching.match_names` finds, unless they fit a
    second image too.

    Args:
        truth: annotations, of which none or some name an image.
        images: id in the cohort and file name or path of every image.

    Returns:
        The same with a note for each kind of difference. Names of DICOM objects stay as they are.

    >>> from camlucida.io.annotations import BoxAnnotation
    >>> import numpy as np
    >>> boxes = BoxAnnotation("row 1", np.array([[1.0, 2.0, 3.0, 4.0]]))
    >>> truth = GroundTruth(("Mass",), {}, {"FILM_A": {"Mass": boxes}})
    >>> truth = with_names_of_images(truth, [("film_a", "films/film_a.png")])
    >>> list(truth.boxed), str(truth.notes[0]).partition(":")[2]
    (['film_a'], ' FILM_A is film_a.png')
    """
    listed = list(images)
    if truth.by_uid:
        return truth
    ids = {Path(file_name): image_id for image_id, file_name in listed}
    keys = {path: annotation_keys(image_id, str(path)) for path, image_id in ids.items()}
    free = {Path(names[1]) for names in listed if not truth.names_of([names])}
    kinds: dict[str, Names] = {f"annotations_by_{what}": {} for what in _DIFFERENCES}
    for source in (truth.drawn, truth.boxed):
        found = _other_spellings(list(source), keys, truth.by_folder)
        for of_kind, names in zip(kinds.values(), found):
            of_kind |= {name: path for name, path in names.items() if path in free}
    renamed = {}
    for name, path in chain.from_iterable(names.items() for names in kinds.values()):
        renamed[name] = _name_of(ids[path])
    return _with_names(truth, renamed, [_note(code, kinds[code]) for code in kinds if kinds[code]])


def _with_names(
    truth: GroundTruth, names: Mapping[str, str], notes: Sequence[Message]
) -> GroundTruth:
    return replace(
        truth,
        drawn=_renamed(truth.drawn, names),
        boxed=_renamed(truth.boxed, names),
        aliases={alias: names.get(name, name) for alias, name in truth.aliases.items()},
        notes=(*truth.notes, *notes),
    )


def _other_spellings(names: Sequence[str], keys: Keys, by_folder: bool) -> Iterable[Names]:
    """Names that mean one image, by each of the differences."""
    match = match_names(names, keys)
    is_elsewhere = bool(match.folder) or match.by_file_name
    # A folder of masks may be named after a label: without it, any mask would fit.
    if is_elsewhere and by_folder:
        return ()
    claims = Counter(chain.from_iterable(match.rows.values()))

    def single(paths: Iterable[Path]) -> Names:
        of_paths = {path: match.rows[path] for path in paths}
        return {names[rows[0]]: path for path, rows in of_paths.items() if claims[rows[0]] == 1}

    spelt = {*match.by_case, *match.by_number}
    elsewhere = [path for path, rows in match.rows.items() if rows and path not in spelt]
    return (
        single(elsewhere if is_elsewhere else ()),
        single(match.by_case),
        single(match.by_number),
    )


def _name_of(image_id: str) -> str:
    """The name by which an image's annotations are looked up whatever folder its file is in."""
    return image_keys(Path(image_id), image_id.count("/") + 1)[0]


def _renamed(source: Mapping[str, T], names: Mapping[str, str]) -> dict[str, T]:
    return {names.get(name, name): of_image for name, of_image in source.items()}


def _note(code: str, names: Names) -> Message:
    name, path = next(iter(names.items()))
    values: dict[str, Value] = {"count": len(names), "name": name, "file": path.name}
    return Message(f"notes.{code}", values)
