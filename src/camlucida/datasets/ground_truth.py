"""Where the findings are, in original pixels: from a folder of masks, run-length codes, polygons or a table of boxes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message, quoted
from camlucida.datasets.images import ID_COLUMNS, LABEL_COLUMNS, bare_name, image_keys
from camlucida.io.annotations import as_boxes, boxes_of, from_boxes, from_polygons, from_rle
from camlucida.io.annotations.masks import MASK_SUFFIXES, check_mask_size, read_mask
from camlucida.io.tables import count, find_column, fold, listing, numbers, read_table, texts
from camlucida.metrics.annotations import Floats, Mask

T = TypeVar("T")
Size = tuple[int, int]

CORNERS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))
SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("bbox[x", "y", "w", "h]"))
"""Columns of a table of boxes, folded; the last is what NIH's "Bbox [x,y,w,h]" becomes in a CSV header."""

BOX_LABELS = (*LABEL_COLUMNS, "findinglabel", "classname")

OVER_EDGE = 1.0
"""Pixels by which boxes and polygons may reach over the edge of the image, for rounding; they are cut there."""


@dataclass(frozen=True)
class Annotation:
    """What was marked of one label in one image; ``draw``: (where, size) → mask or ImageError; ``where``: for messages."""

    where: str
    draw: Callable[[str, Size], Mask]


@dataclass(frozen=True)
class BoxAnnotation:
    """Boxes of one label in one image: ``rows`` (N, 4) x, y, width, height as given; ``where``: for messages."""

    where: str
    rows: Floats


@dataclass(frozen=True)
class GroundTruth:
    """What readers marked, by image and label; mask files are read when they are asked for.

    An image is asked for by its id in the cohort and its file name or path. What is marked belongs to it if it is named as
    :func:`~camlucida.datasets.images.image_keys` has it, in no fewer parts than the id.

    Attributes:
        labels: the model's.
        drawn: image → label → masks (several are an error when asked for). A label is the model's, "" where the truth names
            none, or one that the model does not have, as it was written.
        boxed: image → label → boxes.
        notes: what was passed over, one line each.
    """

    labels: tuple[str, ...]
    drawn: Mapping[str, Mapping[str, Sequence[Annotation]]]
    boxed: Mapping[str, Mapping[str, BoxAnnotation]]
    notes: tuple[Message, ...] = ()

    def has(self, item_id: str, file_name: str) -> tuple[str, ...]:
        """The model's labels that are marked in an image, in its order; "" last, for marks that name no label."""
        found = {*_of(self.drawn, item_id, file_name), *_of(self.boxed, item_id, file_name)}
        return tuple(
            label for label in (*dict.fromkeys(filter(None, self.labels)), "") if label in found
        )

    def masks(self, item_id: str, file_name: str, size: Size) -> dict[str, Mask]:
        """Label → (H, W) mask for each label of :meth:`has`; drawn, or else filled boxes. An empty mask is all False.

        Args:
            size: (H, W) of the image in original pixels.

        Raises:
            ImageError: a file that cannot be read, or holds more than one value beside 0; a mask of another size; a damaged
                code or polygon; two masks of one label; a box or polygon that reaches outside the image.
        """
        drawn, boxed = _of(self.drawn, item_id, file_name), _of(self.boxed, item_id, file_name)
        return {
            label: _one(drawn[label], size) if label in drawn else _filled(boxed[label], size)
            for label in self.has(item_id, file_name)
        }

    def boxes(self, item_id: str, file_name: str, size: Size) -> dict[str, Floats]:
        """Label → (N, 4) x, y, width, height for each label of :meth:`has`; given, or else of a mask's components.

        Raises:
            ImageError: as :meth:`masks`.
        """
        drawn, boxed = _of(self.drawn, item_id, file_name), _of(self.boxed, item_id, file_name)
        return {
            label: _inside(boxed[label], size)
            if label in boxed
            else boxes_of(_one(drawn[label], size))
            for label in self.has(item_id, file_name)
        }

    def mask(self, item_id: str, file_name: str, label: str, size: Size) -> Mask | None:
        """The drawn mask (H, W) of one label of an image, "" for the one that names no label; None where there is none.

        Raises:
            ImageError: as :meth:`masks`, of this label alone.
        """
        drawn = _of(self.drawn, item_id, file_name)
        return _one(drawn[label], size) if label in drawn else None

    def given_boxes(self, item_id: str, file_name: str, label: str, size: Size) -> Floats | None:
        """The boxes (N, 4) of one label of an image, as :meth:`mask` has them: those of the table, never of a mask."""
        boxed = _of(self.boxed, item_id, file_name)
        return _inside(boxed[label], size) if label in boxed else None

    def unused(self, images: Iterable[tuple[str, str]]) -> list[Message]:
        """Notes on what no image or label takes, given (id, file name or path) of every image; and :attr:`notes`."""
        keys = [_keys(item_id, file_name) for item_id, file_name in images]
        every = {key for found in keys for key in found}
        sources: tuple[Mapping[str, Mapping[str, object]], ...] = (self.drawn, self.boxed)
        taken = {
            next((key for key in found if key in source), None)
            for source in sources
            for found in keys
        }
        idle = dict.fromkeys(name for source in sources for name in source if name not in taken)
        unknown = {name: label for name in idle if (label := _label_within(name, every))}
        strange = {label for source in sources for marks in source.values() for label in marks} - {
            *self.labels,
            "",
        }
        strange |= set(unknown.values())
        absent = [name for name in idle if name not in unknown]
        notes = list(self.notes)
        if absent:
            notes.append(
                quoted(
                    f"truth of {count(absent, 'image')} not among those given: {listing(absent)}"
                )
            )
        if strange:
            notes.append(
                quoted(
                    f"truth of {count([*strange], 'label')} the model does not have: {listing(sorted(strange), 20)}"
                )
            )
        return notes


def read_ground_truth(
    *,
    masks: Path | None = None,
    boxes: Path | None = None,
    rle: Path | None = None,
    polygons: Path | None = None,
    labels: Sequence[str],
) -> GroundTruth:
    """Where the findings are, of any of these; boxes may stand beside one of the others, and count as boxes then.

    Labels are compared without case, spaces and underscores.

    Args:
        masks: a folder with LABEL/ID.png, ID_LABEL.png or ID.png (which names no label and holds for all), or .tif, .bmp, .npy;
            ID may have folders before it. Inside is bool, 1, 255, or any one value but 0.
        boxes: a table, a row a box: the image (columns as of a cohort's table); the label, which may be missing; and x, y,
            width, height, or x, y, w, h, or x1, y1, x2, y2, or xmin, ymin, xmax, ymax, or as in NIH's BBox_List. In pixels of
            the original image, edge coordinates. A row with four blanks marks nothing.
        rle: CheXlocalize's JSON: {image: {label: {"size": [H, W], "counts": …}}}.
        polygons: CheXlocalize's JSON: {image: {label: [[[x, y], …], …], "img_size": [H, W]}}.
        labels: the model's label names.

    Raises:
        UsageError: more than one of masks, rle and polygons; a file or folder that is missing, unreadable or of another
            structure; a folder without masks; a table without the columns, or with a cell that is not a number.
    """
    known = {fold(label): label for label in labels if label}
    given = {"masks": masks, "rle": rle, "polygons": polygons}
    asked = [name for name, path in given.items() if path is not None]
    if len(asked) > 1:
        raise UsageError(
            f"{' and '.join(asked)} are both given as the truth",
            "give one; boxes may stand beside it",
        )
    marks: Iterable[tuple[str, str, Annotation]] = ()
    notes: tuple[Message, ...] = ()
    if masks is not None:
        marks, notes = _folder(masks, known)
    elif rle is not None:
        marks = _codes(rle)
    elif polygons is not None:
        marks = _outlines(polygons)
    drawn: dict[str, dict[str, list[Annotation]]] = defaultdict(lambda: defaultdict(list))
    for image, label, mark in marks:
        drawn[bare_name(image)][known.get(fold(label), label)].append(mark)
    boxed, skipped = ({}, ()) if boxes is None else _box_table(boxes, known)
    frozen = {image: dict(of_image) for image, of_image in drawn.items()}
    return GroundTruth(tuple(labels), frozen, boxed, (*notes, *skipped))


def read_regions(folder: Path) -> GroundTruth:
    """Places to watch: a folder as for ``masks``, whose sub-folders name the regions.

    Raises:
        UsageError: as :func:`read_ground_truth`.
    """
    names = (
        sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    )
    return read_ground_truth(masks=folder, labels=names)


# ---- which marks belong to an image -----------------------------------------------------------------------------------------


def _keys(item_id: str, file_name: str) -> list[str]:
    parts = item_id.count("/") + 1  # a shorter name would fit other images as well
    return list(
        dict.fromkeys([*image_keys(Path(file_name), parts), *image_keys(Path(item_id), parts)])
    )


def _of(marks: Mapping[str, Mapping[str, T]], item_id: str, file_name: str) -> Mapping[str, T]:
    return next((marks[key] for key in _keys(item_id, file_name) if key in marks), {})


def _label_within(name: str, images: Set[str]) -> str:
    """The label in "LABEL/ID" or "ID_LABEL" where ID is one of the images; "" where it is none."""
    folder, _, rest = name.partition("/")
    if rest in images:
        return folder
    ends = [at for at, sign in enumerate(name) if sign == "_" and name[:at] in images]
    return name[ends[0] + 1 :] if ends else ""


# ---- from marks to pixels ---------------------------------------------------------------------------------------------------


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Errors on one mark name it, and cost that image alone."""
    try:
        yield
    except UsageError as error:
        raise ImageError(f"{where}: {error.what}", error.fix) from error
    except (TypeError, ValueError) as error:
        raise ImageError(
            f"{where}: {type(error).__name__}: {error}",
            "the file is damaged, or of another structure",
        ) from error


def _one(marks: Sequence[Annotation], size: Size) -> Mask:
    if len(marks) > 1:
        raise ImageError(
            f"{count(marks, 'mask')} of one label: {listing(mark.where for mark in marks)}",
            "keep one of them",
        )
    return marks[0].draw(marks[0].where, size)


def _from_code(code: Any, where: str, size: Size) -> Mask:
    with _at(where):
        mask = from_rle(code)
    check_mask_size(where, mask.shape, size)
    return mask


def _from_outline(polygons: Any, drawn_on: Any, where: str, size: Size) -> Mask:
    with _at(where):
        if not isinstance(drawn_on, list) or len(drawn_on) != 2:
            raise UsageError(
                "its image has no img_size", 'write "img_size": [height, width] beside its labels'
            )
        check_mask_size(where, drawn_on, size)
        points = np.concatenate(
            [
                np.zeros((0, 2)),
                *(np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons),
            ]
        )
        if len(points):
            _check_inside(where, (*points.min(0).tolist(), *points.max(0).tolist()), size)
        return from_polygons(polygons, size)


def _check_inside(where: str, corners: Sequence[float], size: Size) -> None:
    left, top, right, bottom = corners
    if min(left, top) < -OVER_EDGE or right > size[1] + OVER_EDGE or bottom > size[0] + OVER_EDGE:
        reach = f"from x {left:g}, y {top:g} to x {right:g}, y {bottom:g}"
        raise ImageError(
            f"{where} reaches {reach}, outside the image of {size[0]}×{size[1]}",
            "give original pixels",
        )


def _inside(boxes: BoxAnnotation, size: Size) -> Floats:
    """(N, 4), cut at the edge of the image."""
    with _at(boxes.where):
        rows = as_boxes(boxes.rows)
        first, last = rows[:, :2], rows[:, :2] + rows[:, 2:]
        for corners in np.hstack([first, last]).tolist():
            _check_inside(boxes.where, corners, size)
        low, high = (np.clip(edge, 0, (size[1], size[0])) for edge in (first, last))
        return as_boxes(np.hstack([low, high - low]))


def _filled(boxes: BoxAnnotation, size: Size) -> Mask:
    rows = _inside(boxes, size)
    with _at(boxes.where):
        return from_boxes(rows, size)


# ---- sources: image, label and mark, one after the other --------------------------------------------------------------------


def _folder(
    folder: Path, known: Mapping[str, str]
) -> tuple[list[tuple[str, str, Annotation]], tuple[Message, ...]]:
    if not folder.is_dir():
        raise UsageError(
            f"masks: {folder} is not a folder",
            "give the folder that holds LABEL/ID.png, ID_LABEL.png or ID.png",
        )
    found = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    visible = [name for name in found if not any(part.startswith(".") for part in name.parts)]
    files = [name for name in visible if name.suffix.lower() in MASK_SUFFIXES]
    if not files:
        raise UsageError(
            f"no mask in {folder}",
            f"put LABEL/ID.png, ID_LABEL.png or ID.png there ({' '.join(MASK_SUFFIXES)})",
        )
    others = [name.as_posix() for name in visible if name.suffix.lower() not in MASK_SUFFIXES]
    note = f"{count(others, 'file')} in {folder} passed over, not {' '.join(MASK_SUFFIXES)}: {listing(others)}"
    marks = []
    for name in files:
        image, label = _place(name.with_suffix("").parts, known)
        where = f"mask {folder / name}" + (f" of {label!r}" if label else "")
        marks.append((image, label, Annotation(where, partial(read_mask, folder / name))))
    return marks, (quoted(note),) if others else ()


def _place(parts: tuple[str, ...], known: Mapping[str, str]) -> tuple[str, str]:
    """(image, label) of a mask file: a folder names the label, or the end of the stem, or nothing does ("")."""
    *folders, stem = parts
    at = next((i for i, name in enumerate(folders) if fold(name) in known), None)
    wanted = known if at is None else [fold(folders.pop(at))]
    label = "" if at is None else known[fold(parts[at])]
    for cut in (i for i, sign in enumerate(stem) if sign == "_" and i):
        if fold(stem[cut + 1 :]) in wanted:
            stem, label = stem[:cut], known[fold(stem[cut + 1 :])]
            break
    return "/".join([*folders, stem]), label


def _codes(path: Path) -> Iterator[tuple[str, str, Annotation]]:
    for image, label, code in _document(path):
        yield (
            image,
            label,
            Annotation(f"{path}: mask of {label!r} in {image}", partial(_from_code, code)),
        )


def _outlines(path: Path) -> Iterator[tuple[str, str, Annotation]]:
    entries = list(_document(path))
    sizes = {image: value for image, label, value in entries if label == "img_size"}
    for image, label, polygons in entries:
        if label != "img_size":
            draw = partial(_from_outline, polygons, sizes.get(image))
            yield image, label, Annotation(f"{path}: outline of {label!r} in {image}", draw)


def _document(path: Path) -> Iterator[tuple[str, str, Any]]:
    """(image, label, value) of a JSON file {image: {label: value}}."""
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot open {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"cannot read {path} as JSON: {error}",
            "the file is damaged or cut short: copy it again",
        ) from error
    if not isinstance(document, dict) or not all(
        isinstance(of_image, dict) for of_image in document.values()
    ):
        raise UsageError(
            f"{path} is not a truth by image and label",
            "write {image: {label: …}}, as CheXlocalize does",
        )
    for image, of_image in document.items():
        for label, value in of_image.items():
            yield image, label, value


def _box_table(
    path: Path, known: Mapping[str, str]
) -> tuple[dict[str, dict[str, BoxAnnotation]], tuple[Message, ...]]:
    frame = read_table(path)
    folded = {fold(name): name for name in reversed(list(frame.columns))}
    image_column = find_column(frame, None, ID_COLUMNS, "image column", path)
    label_column = find_column(frame, None, BOX_LABELS, "label column", path)
    names = next(
        (names for names in (*SIDES, *CORNERS) if all(name in folded for name in names)), None
    )
    if image_column is None or names is None:
        fix = "name the columns image, label, x, y, width, height (or x1, y1, x2, y2)"
        raise UsageError(
            f"{path} is not a table of boxes: its columns are {listing(frame.columns, 12)}", fix
        )
    rows = np.stack([numbers(frame[folded[name]], path) for name in names], axis=1)
    missing = np.isnan(rows).sum(axis=1)
    partly = np.flatnonzero((missing > 0) & (missing < 4)).tolist()
    if partly:
        raise UsageError(
            f"{path}, row {partly[0] + 1}: a box without all four numbers",
            "fill them, or leave all four blank",
        )
    if names in CORNERS:
        rows[:, 2:] -= rows[:, :2]
    labels = texts(frame[label_column]) if label_column else [""] * len(frame)
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (image, label) in enumerate(zip(texts(frame[image_column]), labels)):
        if not missing[row]:
            found[bare_name(image), known.get(fold(label), label)].append(row)
    boxed: dict[str, dict[str, BoxAnnotation]] = defaultdict(dict)
    for (image, label), of_label in found.items():
        boxed[image][label] = BoxAnnotation(f"{path}: box of {label!r} in {image}", rows[of_label])
    note = f"{count(np.flatnonzero(missing).tolist(), 'row')} of {path} without a box"
    return dict(boxed), (quoted(note),) if missing.any() else ()
