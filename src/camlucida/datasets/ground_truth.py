"""Ground truth: annotations of :mod:`camlucida.io.annotations` by image and label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set, Sized
from dataclasses import dataclass, field
from itertools import chain, starmap
from pathlib import Path
from typing import TypeVar

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_join import AnnotationJoin, boxes_by_image
from camlucida.datasets.image_names import annotation_keys
from camlucida.io.annotations import (
    AnnotatedImage,
    Annotation,
    AnnotationSet,
    BoxAnnotation,
    boxes_of,
    is_table,
    parse_box,
    read_polygon_file,
    read_rle_file,
)
from camlucida.io.annotations.annotation import Mask, Size, VoxelGrid
from camlucida.io.annotations.boxes import Floats
from camlucida.io.annotations.dicom_objects import instance_uids
from camlucida.io.tables import count, fold, listing

declare(
    "notes",
    {
        "scaled_annotations": (
            "{count} {count:|annotation was|annotations were} drawn at another size of the same "
            "shape and scaled to the image: {names}"
        ),
        "renamed_images": (
            "annotations of {count} {count:|image|images} joined by the name before Roboflow's "
            "export, which may have changed the {count:|image|images}: {names}"
        ),
        "unused_annotations": (
            "annotations of {count} {count:|image|images} that are not among those given: {names}"
        ),
        "strange_annotations": (
            "annotations of {count} {count:|label|labels} that the model does not have: {names}"
        ),
    },
)

T = TypeVar("T")


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
        aliases: another name of an image → its name in ``drawn`` and ``boxed``.
        by_uid: images are named by the UID of their DICOM object.
        by_folder: a folder in a name may be that of a label.
        scaled: annotations that were read at another size than their image's, as they are read.
    """

    labels: tuple[str, ...]
    drawn: Mapping[str, Mapping[str, Sequence[Annotation]]]
    boxed: Mapping[str, Mapping[str, BoxAnnotation]]
    notes: tuple[Message, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    by_uid: bool = False
    by_folder: bool = False
    scaled: list[str] = field(default_factory=list, compare=False)

    def has(self, image_id: str, file_name: str) -> tuple[str, ...]:
        """The model's labels that are annotated in an image, in its order.

        Args:
            image_id: of the image in the cohort.
            file_name: its file name or path.

        Returns:
            The labels; "" last, for annotations that name no label.
        """
        drawn = self._of_image(self.drawn, image_id, file_name)
        boxed = self._of_image(self.boxed, image_id, file_name)
        labels = (*dict.fromkeys(filter(None, self.labels)), "")
        return tuple(label for label in labels if label in drawn or label in boxed)

    def listed(self, image_id: str, file_name: str) -> tuple[str, ...]:
        """Every label that is annotated in an image, also those that the model does not have.

        Args:
            image_id, file_name: as of :meth:`has`.
        """
        drawn = self._of_image(self.drawn, image_id, file_name)
        boxed = self._of_image(self.boxed, image_id, file_name)
        return tuple(dict.fromkeys([*drawn, *boxed]))

    def masks(self, image_id: str, file_name: str, size: Size | VoxelGrid) -> dict[str, Mask]:
        """The masks (H, W) of an image: drawn, or else filled boxes; (D, H, W) of a volume.

        Args:
            image_id, file_name: as of :meth:`has`.
            size: (H, W) of the image in original pixels, or the voxels of a volume.

        Returns:
            Label → mask for each label of :meth:`has`. An empty mask is all False.

        Raises:
            ImageError: a file that cannot be read, or holds more than one value beside 0; a mask of
                another size; a damaged code or polygon; two masks of one label; a box or polygon
                that reaches outside the image.
        """
        drawn = self._of_image(self.drawn, image_id, file_name)
        boxed = self._of_image(self.boxed, image_id, file_name)
        image = self._image(file_name, size)
        masks = {}
        for label in self.has(image_id, file_name):
            if label in drawn:
                masks[label] = _single(drawn[label]).mask(image)
            else:
                masks[label] = boxed[label].mask(image)
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
        drawn = self._of_image(self.drawn, image_id, file_name)
        boxed = self._of_image(self.boxed, image_id, file_name)
        image = self._image(file_name, size)
        boxes = {}
        for label in self.has(image_id, file_name):
            if label in boxed:
                boxes[label] = boxed[label].boxes(image)
            else:
                boxes[label] = boxes_of(_single(drawn[label]).mask(image))
        return boxes

    def mask(
        self, image_id: str, file_name: str, label: str, size: Size | VoxelGrid
    ) -> Mask | None:
        """The drawn mask (H, W), or (D, H, W), of one label of an image; None where there is none.

        Args:
            image_id, file_name, size: as of :meth:`masks`.
            label: "" for the mask that names no label.

        Raises:
            ImageError: as :meth:`masks`.
        """
        drawn = self._of_image(self.drawn, image_id, file_name)
        if label not in drawn:
            return None
        return _single(drawn[label]).mask(self._image(file_name, size))

    def given_boxes(self, image_id: str, file_name: str, label: str, size: Size) -> Floats | None:
        """The boxes (N, 4) of one label that the table gives, never those round a mask.

        Args:
            image_id, file_name, label, size: as of :meth:`mask`.

        Raises:
            ImageError: a box without width or height, or one that reaches outside the image.
        """
        boxed = self._of_image(self.boxed, image_id, file_name)
        image = self._image(file_name, size)
        return boxed[label].boxes(image) if label in boxed else None

    def names_of(self, images: Iterable[tuple[str, str]]) -> set[str]:
        """The names that the annotations give these images.

        Args:
            images: id and file name or path of every image.
        """
        used: set[str | None] = set()
        for image_id, file_name in images:
            of_image = self._keys(image_id, file_name)
            used.update(self._match(of_image, source) for source in (self.drawn, self.boxed))
            if self.by_uid:  # the slices of a volume are named one by one
                used.update(name for name in of_image if name in self.drawn)
        return {name for name in used if name is not None}

    def unused(self, images: Iterable[tuple[str, str]]) -> list[Message]:
        """Notes on annotations that belong to no image or no label; and :attr:`notes`.

        Args:
            images: id and file name or path of every image.
        """
        listed = list(images)
        keys = set(chain.from_iterable(starmap(self._keys, listed)))
        used = self.names_of(listed)
        annotated = dict.fromkeys([*self.drawn, *self.boxed])
        idle = [name for name in annotated if name not in used]
        # A mask of a label that the model does not have is not split into image and label.
        other_labels = {name: _label_within(name, keys) for name in idle}
        absent = [name for name in idle if not other_labels[name]]
        strange = self._labels() | set(other_labels.values())
        strange -= {*self.labels, ""}
        notes = [*self.notes, *self.scaled_notes(), *self._renamed_notes(listed)]
        if absent and self.by_uid:  # a UID may lead to a patient
            absent = [f"DICOM object {number}" for number, _ in enumerate(absent, 1)]
        if absent:
            notes.append(_listed("unused_annotations", absent, listing(absent)))
        if strange:
            notes.append(_listed("strange_annotations", strange, listing(sorted(strange), 20)))
        return notes

    def _renamed_notes(self, images: Sequence[tuple[str, str]]) -> list[Message]:
        """A note on the images that are annotated under another name; UIDs are expected to be."""
        if self.by_uid:
            return []
        renamed = [names[0] for names in images if self.names_of([names]) - {*self._keys(*names)}]
        return [_listed("renamed_images", renamed, listing(renamed))] if renamed else []

    def scaled_notes(self) -> list[Message]:
        """A note on the annotations that were scaled to their image, of those that were read."""
        names = list(dict.fromkeys(self.scaled))
        return [_listed("scaled_annotations", names, listing(names))] if names else []

    def _image(self, file_name: str, size: Size | VoxelGrid) -> AnnotatedImage:
        return AnnotatedImage.of(size, Path(file_name), self.scaled)

    def _keys(self, image_id: str, file_name: str) -> list[str]:
        keys = annotation_keys(image_id, file_name)
        return [*keys, *instance_uids(Path(file_name))] if self.by_uid else keys

    def _match(self, keys: Sequence[str], source: Mapping[str, object]) -> str | None:
        """The name by which an image is annotated; its names themselves come first."""
        aliases = [self.aliases[key] for key in keys if key in self.aliases]
        return next((key for key in (*keys, *aliases) if key in source), None)

    def _of_image(
        self, source: Mapping[str, Mapping[str, T]], image_id: str, file_name: str
    ) -> Mapping[str, T]:
        key = self._match(self._keys(image_id, file_name), source)
        return {} if key is None else source[key]

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
    names: Mapping[int, str] | None = None,
    id_column: str | None = None,
) -> GroundTruth:
    """Read annotations of any of these kinds.

    Boxes may stand beside one of the others, and count as boxes then. Labels are compared without
    case, spaces and underscores.

    Args:
        masks: a file or folder of any kind that
            :func:`~camlucida.io.annotations.read_annotations` reads. Masks are called
            LABEL/ID.png, ID_LABEL.png or ID.png (which names no label and holds for all); ID may
            have folders before it. Inside is bool, 1, 255, or any one value but 0.
        boxes: the same, or a table, a row a box: the image (columns as of a cohort's table); the
            label, which may be missing; and x, y, width, height, or two corners, or centre and
            sides (see :data:`~camlucida.io.annotations.box_tables.SIDES`). In pixels of the
            original image, edge coordinates, or as shares of its sides. A row with four blanks
            holds no box.
        rle: CheXlocalize's JSON: {image: {label: {"size": [H, W], "counts": …}}}.
        polygons: CheXlocalize's JSON: {image: {label: [[[x, y], …], …], "img_size": [H, W]}}.
        labels: the model's label names.
        names: number → label, of label maps and of YOLO's classes.
        id_column: of the images in the table of boxes; None, or a column that it has not, for one
            of a usual name.

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
    join = AnnotationJoin(labels)
    if masks is not None:
        join.add_files(masks, names)
    elif rle is not None:
        join.add(AnnotationSet("run-length codes", list(read_rle_file(rle))))
    elif polygons is not None:
        join.add(AnnotationSet("outlines", list(read_polygon_file(polygons))))
    if boxes is not None and is_table(boxes):
        join.add_table(boxes, id_column=id_column)
    elif boxes is not None:
        join.add_files(boxes, names)
    return ground_truth_of(join)


def read_boxes(
    text: str, labels: Sequence[str], images: Sequence[str], id_column: str | None = None
) -> GroundTruth:
    """Read readers' boxes from a table, or from ``Label,x,y,w,h`` for one image.

    Args:
        text: a table as of :func:`read_ground_truth`, which needs no image column where there is
            one image; or a label and four numbers.
        labels: of the models.
        images: ids of the images.
        id_column: as of :func:`read_ground_truth`.

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
        boxed = boxes_by_image(table, by_name, where, only_image)
        return GroundTruth(tuple(labels), {}, boxed)
    if only_image is None or not path.is_file() or not is_table(path):
        return read_ground_truth(boxes=path, labels=labels, id_column=id_column)
    join = AnnotationJoin(labels)
    join.add_table(path, only_image, id_column)
    return ground_truth_of(join)


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


def ground_truth_of(join: AnnotationJoin) -> GroundTruth:
    """The ground truth of annotations that were put together.

    Args:
        join: the annotations.
    """
    drawn = {image: dict(of_image) for image, of_image in join.drawn.items()}
    kinds = (join.by_uid, join.by_folder)
    return GroundTruth(
        join.labels, drawn, dict(join.boxed), tuple(join.notes), join.aliases, *kinds
    )


def _listed(code: str, names: Sized, shown: str) -> Message:
    return Message(f"notes.{code}", {"count": len(names), "names": shown})


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
