"""Ground truth: annotations by image and label, in original pixels.

Annotations are read by :mod:`camlucida.io.annotations`; here they are joined to images and labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set, Sized
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.image_names import ID_COLUMNS, bare_name, image_keys
from camlucida.datasets.table_labels import LABEL_COLUMNS
from camlucida.io.annotations import (
    MASK_SUFFIXES,
    Annotation,
    BoxAnnotation,
    BoxTable,
    boxes_of,
    parse_box,
    read_box_table,
    read_mask_folder,
    read_polygon_file,
    read_rle_file,
)
from camlucida.io.annotations.annotation import Mask, Size
from camlucida.io.annotations.boxes import Floats
from camlucida.io.tables import count, fold, listing

declare(
    "notes",
    {
        "not_masks": (
            "{count} {count:|file|files} in {where} passed over, not {suffixes}: {names}"
        ),
        "rows_without_box": "{count} {count:|row|rows} of {where} without a box",
        "unused_annotations": (
            "annotations of {count} {count:|image|images} that are not among those given: {names}"
        ),
        "strange_annotations": (
            "annotations of {count} {count:|label|labels} that the model does not have: {names}"
        ),
    },
)

T = TypeVar("T")

BOX_LABELS = (*LABEL_COLUMNS, "findinglabel", "classname")
"""Names that the label column of a table of boxes usually has, folded."""


@dataclass(frozen=True)
class GroundTruth:
    """What readers annotated, by image and label; mask files are read when they are needed.

    An image is looked up by its id in the cohort and its file name or path. An annotation belongs
    to it if it names it as :func:`~camlucida.datasets.image_names.image_keys` does, in no fewer
    parts than the id.

    Attributes:
        labels: the model's.
        drawn: image → label → annotations (several are an error when they are read). A label is
            the model's, "" where the annotation names none, or one that the model does not have,
            as it was written.
        boxed: image → label → boxes.
        notes: what was passed over.
    """

    labels: tuple[str, ...]
    drawn: Mapping[str, Mapping[str, Sequence[Annotation]]]
    boxed: Mapping[str, Mapping[str, BoxAnnotation]]
    notes: tuple[Message, ...] = ()

    def has(self, image_id: str, file_name: str) -> tuple[str, ...]:
        """The model's labels that are annotated in an image, in its order.

        Args:
            image_id: of the image in the cohort.
            file_name: its file name or path.

        Returns:
            The labels; "" last, for annotations that name no label.
        """
        drawn = _of_image(self.drawn, image_id, file_name)
        boxed = _of_image(self.boxed, image_id, file_name)
        labels = (*dict.fromkeys(filter(None, self.labels)), "")
        return tuple(label for label in labels if label in drawn or label in boxed)

    def listed(self, image_id: str, file_name: str) -> tuple[str, ...]:
        """Every label that is annotated in an image, also those that the model does not have.

        Args:
            image_id, file_name: as of :meth:`has`.
        """
        drawn = _of_image(self.drawn, image_id, file_name)
        boxed = _of_image(self.boxed, image_id, file_name)
        return tuple(dict.fromkeys([*drawn, *boxed]))

    def masks(self, image_id: str, file_name: str, size: Size) -> dict[str, Mask]:
        """The masks (H, W) of an image: drawn, or else filled boxes.

        Args:
            image_id, file_name: as of :meth:`has`.
            size: (H, W) of the image in original pixels.

        Returns:
            Label → mask for each label of :meth:`has`. An empty mask is all False.

        Raises:
            ImageError: a file that cannot be read, or holds more than one value beside 0; a mask of
                another size; a damaged code or polygon; two masks of one label; a box or polygon
                that reaches outside the image.
        """
        drawn = _of_image(self.drawn, image_id, file_name)
        boxed = _of_image(self.boxed, image_id, file_name)
        masks = {}
        for label in self.has(image_id, file_name):
            if label in drawn:
                masks[label] = _single(drawn[label]).mask(size)
            else:
                masks[label] = boxed[label].mask(size)
        return masks

    def boxes(self, image_id: str, file_name: str, size: Size) -> dict[str, Floats]:
        """The boxes (N, 4) x, y, width, height of an image: given, or else round a mask's parts.

        Args:
            image_id, file_name, size: as of :meth:`masks`.

        Returns:
            Label → boxes for each label of :meth:`has`.

        Raises:
            ImageError: as :meth:`masks`.
        """
        drawn = _of_image(self.drawn, image_id, file_name)
        boxed = _of_image(self.boxed, image_id, file_name)
        boxes = {}
        for label in self.has(image_id, file_name):
            if label in boxed:
                boxes[label] = boxed[label].boxes(size)
            else:
                boxes[label] = boxes_of(_single(drawn[label]).mask(size))
        return boxes

    def mask(self, image_id: str, file_name: str, label: str, size: Size) -> Mask | None:
        """The drawn mask (H, W) of one label of an image; None where there is none.

        Args:
            image_id, file_name, size: as of :meth:`masks`.
            label: "" for the mask that names no label.

        Raises:
            ImageError: as :meth:`masks`, of this label alone.
        """
        drawn = _of_image(self.drawn, image_id, file_name)
        if label not in drawn:
            return None
        return _single(drawn[label]).mask(size)

    def given_boxes(self, image_id: str, file_name: str, label: str, size: Size) -> Floats | None:
        """The boxes (N, 4) of one label that the table gives, never those round a mask.

        Args:
            image_id, file_name, label, size: as of :meth:`mask`.

        Raises:
            ImageError: a box without width or height, or one that reaches outside the image.
        """
        boxed = _of_image(self.boxed, image_id, file_name)
        return boxed[label].boxes(size) if label in boxed else None

    def names_of(self, images: Iterable[tuple[str, str]]) -> set[str]:
        """The names that the annotations give these images.

        Args:
            images: id and file name or path of every image.
        """
        used: set[str | None] = set()
        for image_id, file_name in images:
            of_image = _keys(image_id, file_name)
            used.add(_first(of_image, self.drawn))
            used.add(_first(of_image, self.boxed))
        return {name for name in used if name is not None}

    def unused(self, images: Iterable[tuple[str, str]]) -> list[Message]:
        """Notes on annotations that belong to no image or no label; and :attr:`notes`.

        Args:
            images: id and file name or path of every image.
        """
        listed = list(images)
        keys: set[str] = set()
        for image_id, file_name in listed:
            keys.update(_keys(image_id, file_name))
        used = self.names_of(listed)
        annotated = dict.fromkeys([*self.drawn, *self.boxed])
        idle = [name for name in annotated if name not in used]
        # A mask of a label that the model does not have is not split into image and label.
        other_labels = {name: _label_within(name, keys) for name in idle}
        absent = [name for name in idle if not other_labels[name]]
        strange = self._labels() | set(other_labels.values())
        strange -= {*self.labels, ""}
        notes = list(self.notes)
        if absent:
            notes.append(_listed("unused_annotations", absent, listing(absent)))
        if strange:
            notes.append(_listed("strange_annotations", strange, listing(sorted(strange), 20)))
        return notes

    def _labels(self) -> set[str]:
        """All labels that are annotated."""
        return set(chain.from_iterable([*self.drawn.values(), *self.boxed.values()]))


def read_ground_truth(
    *,
    masks: Path | None = None,
    boxes: Path | None = None,
    rle: Path | None = None,
    polygons: Path | None = None,
    labels: Sequence[str],
) -> GroundTruth:
    """Read annotations of any of these kinds.

    Boxes may stand beside one of the others, and count as boxes then. Labels are compared without
    case, spaces and underscores.

    Args:
        masks: a folder with LABEL/ID.png, ID_LABEL.png or ID.png (which names no label and holds
            for all), or .tif, .bmp, .npy; ID may have folders before it. Inside is bool, 1, 255,
            or any one value but 0.
        boxes: a table, a row a box: the image (columns as of a cohort's table); the label, which
            may be missing; and x, y, width, height, or x, y, w, h, or x1, y1, x2, y2, or xmin,
            ymin, xmax, ymax, or as in NIH's BBox_List. In pixels of the original image, edge
            coordinates. A row with four blanks holds no box.
        rle: CheXlocalize's JSON: {image: {label: {"size": [H, W], "counts": …}}}.
        polygons: CheXlocalize's JSON: {image: {label: [[[x, y], …], …], "img_size": [H, W]}}.
        labels: the model's label names.

    Raises:
        UsageError: more than one of masks, rle and polygons; a file or folder that is missing,
            unreadable or of another structure; a folder without masks; a table without the
            columns, or with a cell that is not a number.
    """
    sources = {"masks": masks, "rle": rle, "polygons": polygons}
    given = [name for name, path in sources.items() if path is not None]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)} are both given as the ground truth",
            "give one; boxes may stand beside it",
        )
    annotations: Iterable[tuple[str, str, Annotation]] = ()
    notes: list[Message] = []
    if masks is not None:
        annotations, others = read_mask_folder(masks, labels)
        notes += _others_note(masks, others)
    elif rle is not None:
        annotations = read_rle_file(rle)
    elif polygons is not None:
        annotations = read_polygon_file(polygons)
    by_name = {fold(label): label for label in labels if label}
    drawn: dict[str, dict[str, list[Annotation]]] = defaultdict(lambda: defaultdict(list))
    for image, label, annotation in annotations:
        name = by_name.get(fold(label), label)
        drawn[bare_name(image)][name].append(annotation)
    boxed: dict[str, dict[str, BoxAnnotation]] = {}
    if boxes is not None:
        table = read_box_table(boxes, ID_COLUMNS, BOX_LABELS)
        boxed = _by_image_and_label(table, by_name, str(boxes))
        if table.blank:
            values: dict[str, Value] = {"count": table.blank, "where": str(boxes)}
            notes.append(Message("notes.rows_without_box", values))
    plain = {image: dict(of_image) for image, of_image in drawn.items()}
    return GroundTruth(tuple(labels), plain, boxed, tuple(notes))


def read_boxes(text: str, labels: Sequence[str], images: Sequence[str]) -> GroundTruth:
    """Read readers' boxes from a table, or from ``Label,x,y,w,h`` for one image.

    Args:
        text: a table as of :func:`read_ground_truth`, which needs no image column where there is
            one image; or a label and four numbers.
        labels: of the models.
        images: ids of the images.

    Raises:
        UsageError: neither a table nor five values; no image column where there are several images.
    """
    path = Path(text).expanduser()
    only_image = images[0] if len(images) == 1 else None
    by_name = {fold(label): label for label in labels}
    if not path.exists() and text.count(",") == 4:
        where = f"--boxes {text}"
        table = parse_box(text, where)
        if only_image is None:
            raise UsageError(
                f"{where}: it names no image, and there are {len(images)}",
                "give a table with an image column",
            )
        boxed = _by_image_and_label(table, by_name, where, only_image)
        return GroundTruth(tuple(labels), {}, boxed)
    if only_image is None or not path.is_file():
        return read_ground_truth(boxes=path, labels=labels)
    table = read_box_table(path, ID_COLUMNS, BOX_LABELS, only_image)
    return GroundTruth(tuple(labels), {}, _by_image_and_label(table, by_name, str(path)))


def read_regions(folder: Path) -> GroundTruth:
    """Regions of interest: a folder of masks whose sub-folders name the regions.

    Raises:
        UsageError: as :func:`read_ground_truth`.
    """
    names = []
    if folder.is_dir():
        folders = [path for path in folder.iterdir() if path.is_dir()]
        names = sorted(path.name for path in folders)
    return read_ground_truth(masks=folder, labels=names)


def _listed(code: str, names: Sized, shown: str) -> Message:
    return Message(f"notes.{code}", {"count": len(names), "names": shown})


def _others_note(folder: Path, others: Sequence[str]) -> list[Message]:
    if not others:
        return []
    values: dict[str, Value] = {
        "count": len(others),
        "where": str(folder),
        "names": listing(others),
    }
    return [Message("notes.not_masks", {**values, "suffixes": " ".join(MASK_SUFFIXES)})]


def _by_image_and_label(
    table: BoxTable, by_name: Mapping[str, str], where: str, only_image: str = ""
) -> dict[str, dict[str, BoxAnnotation]]:
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (image, label) in enumerate(zip(table.images, table.labels)):
        key = bare_name(image) or only_image
        name = by_name.get(fold(label), label)
        rows[key, name].append(row)
    boxed: dict[str, dict[str, BoxAnnotation]] = defaultdict(dict)
    for (image, label), of_label in rows.items():
        where_in_file = f"{where}: box of {label!r} in {image}"
        boxed[image][label] = BoxAnnotation(where_in_file, table.boxes[of_label])
    return dict(boxed)


# ---- which annotations belong to an image -------------------------------------------------------


def _keys(image_id: str, file_name: str) -> list[str]:
    # A name of fewer parts than the id would fit other images as well.
    parts = image_id.count("/") + 1
    by_file = image_keys(Path(file_name), parts)
    by_id = image_keys(Path(image_id), parts)
    return list(dict.fromkeys([*by_file, *by_id]))


def _first(keys: Iterable[str], source: Mapping[str, object]) -> str | None:
    return next((key for key in keys if key in source), None)


def _of_image(
    source: Mapping[str, Mapping[str, T]], image_id: str, file_name: str
) -> Mapping[str, T]:
    key = _first(_keys(image_id, file_name), source)
    return {} if key is None else source[key]


def _single(annotations: Sequence[Annotation]) -> Annotation:
    if len(annotations) > 1:
        names = listing(annotation.where for annotation in annotations)
        raise ImageError(f"{count(annotations, 'mask')} of one label: {names}", "keep one of them")
    return annotations[0]


def _label_within(name: str, images: Set[str]) -> str:
    """The label in "LABEL/ID" or "ID_LABEL" where ID is one of the images; "" where it is none."""
    folder, _, rest = name.partition("/")
    if rest in images:
        return folder
    for index, character in enumerate(name):
        if character == "_" and name[:index] in images:
            return name[index + 1 :]
    return ""
