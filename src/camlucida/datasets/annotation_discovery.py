"""Annotations that lie beside images, where nobody says which to use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from camlucida.core.errors import CamlucidaError
from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import GroundTruth, read_ground_truth
from camlucida.datasets.image_names import ID_COLUMNS
from camlucida.io.annotations import has_box_header, has_rle_header, json_kind_of_file
from camlucida.io.tables import fold, listing

declare(
    "notes",
    {
        "annotations_beside": "the ground truth is {where}, which lies beside the images",
        "annotations_unused": (
            "annotations beside the images are not used: {names}; name them by {option}"
        ),
        "annotations_unread": "{where} beside the images looks like annotations: {problem}",
    },
)

IMAGE_FOLDERS = frozenset(
    ("images", "image", "imgs", "img", "jpegimages", "imagestr", "imagests", "films", "scans")
)
"""Folders of images that a folder of annotations lies beside; folded."""

ANNOTATION_FOLDERS = frozenset(
    (
        *("masks", "mask", "labels", "label", "annotations", "annotation", "gt", "groundtruth"),
        *("segmentationclass", "labelstr", "labelsts", "segmentations", "segmentation"),
    )
)
"""Folders of annotations; folded."""

_TABLES = (".csv", ".tsv")
_MOST_FOLDERS = 20
"""Folders of images beside which annotations are looked for."""


def annotations_beside(images: Sequence[Path]) -> list[Path]:
    """Files and folders beside images that look like annotations.

    Args:
        images: the images' files.

    Returns:
        Folders such as ``masks`` beside ``images``, and COCO or CheXlocalize JSON, tables of boxes,
        VOC's and YOLO's files in the images' folder or the one above; sorted.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "masks").mkdir()
    ...     [path.name for path in annotations_beside([Path(folder, "images", "a.png")])]
    ['masks']
    """
    folders = dict.fromkeys(path.absolute().parent for path in images)
    stems = {path.stem for path in images}
    candidates: dict[Path, None] = {}
    for folder in list(folders)[:_MOST_FOLDERS]:
        candidates |= dict.fromkeys(_folders(folder))
        candidates |= dict.fromkeys(_files(folder, stems))
    inside = set(folders)
    return sorted(path for path in candidates if path not in inside or _has_documents(path, stems))


def read_beside(
    images: Sequence[Path], ids: Sequence[str], labels: Sequence[str]
) -> tuple[GroundTruth | None, list[Message]]:
    """The ground truth beside images, where exactly one candidate names any of them.

    Args:
        images: the images' files.
        ids: of the images, in the same order.
        labels: of the model.

    Returns:
        The ground truth, or None; and notes on what is used, and on what is seen and not used.
    """
    fitting: list[tuple[Path, GroundTruth]] = []
    names = list(zip(ids, map(str, images)))
    notes = []
    for path in annotations_beside(images):
        try:
            truth = with_names_of_images(read_ground_truth(masks=path, labels=labels), names)
        except CamlucidaError as error:
            values = {"where": str(path), "problem": error.what}
            notes.append(Message("notes.annotations_unread", values))
            continue
        if any(truth.has(*image) for image in names):
            fitting.append((path, truth))
        else:
            notes.append(unused_note([path]))
    if len(fitting) == 1:
        where = str(fitting[0][0])
        return fitting[0][1], [Message("notes.annotations_beside", {"where": where}), *notes]
    if fitting:
        notes.append(unused_note([path for path, _ in fitting]))
    return None, notes


def notes_on_unused(images: Sequence[Path], used: str | None, option: str) -> list[Message]:
    """A note on the annotations beside images, without those that the user named; or none.

    Args:
        images: the images' files.
        used: file or folder that the user named; None for none.
        option: that would use the others.
    """
    given = Path(used or "").expanduser().absolute()
    beside = [path.absolute() for path in annotations_beside(images)]
    unused = [path for path in beside if path != given and path not in given.parents]
    return [unused_note(unused, option)] if unused else []


def unused_note(paths: Sequence[Path], option: str = "--masks PATH") -> Message:
    """A note on annotations that are seen and not used.

    Args:
        paths: of the annotations.
        option: that would use them.
    """
    return Message(
        "notes.annotations_unused", {"names": listing(map(str, paths)), "option": option}
    )


def _folders(folder: Path) -> Iterator[Path]:
    """Folders of annotations in a folder of images, or beside it or the one it is part of."""
    yield from _children(folder)
    parents = [folder, *folder.parents[:3]]
    levels = [path for path in parents if fold(path.name) in IMAGE_FOLDERS]
    yield from _children((levels or [folder])[0].parent)


def _children(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if fold(path.name) in ANNOTATION_FOLDERS and path.is_dir():
            yield path


def _files(folder: Path, stems: set[str]) -> Iterator[Path]:
    places = [place for place in (folder, folder.parent) if place.is_dir()]
    for place in places:
        for path in place.iterdir():
            suffix = path.suffix.lower()
            is_document = suffix == ".json" and bool(json_kind_of_file(path))
            if is_document or (suffix in _TABLES and _annotates(path)):
                yield path
    if _has_documents(folder, stems):
        yield folder


def _annotates(table: Path) -> bool:
    return has_box_header(table, ID_COLUMNS) or has_rle_header(table, ID_COLUMNS)


def _has_documents(folder: Path, stems: set[str]) -> bool:
    """Whether a folder of images has VOC's or YOLO's files of the same names."""
    if not folder.is_dir():
        return False
    documents = (path for path in folder.iterdir() if path.suffix.lower() in (".xml", ".txt"))
    return any(path.stem in stems for path in documents)
