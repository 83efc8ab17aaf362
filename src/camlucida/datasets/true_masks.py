"""True masks of segmentations: a mask a label, or one mask that names no label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.annotation_join import AnnotationJoin
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import GroundTruth, ground_truth_of
from camlucida.io.annotations import AnnotatedImage, label_map_names, read_mask
from camlucida.io.annotations.annotation import (
    Annotation,
    AnnotationSet,
    Mask,
    Size,
    VoxelGrid,
)
from camlucida.io.annotations.dicom_objects import dicom_modality
from camlucida.io.annotations.mask_names import mask_annotations
from camlucida.io.annotations.volume_masks import volume_mask
from camlucida.io.tables import fold, listing

declare(
    "notes",
    {
        "only_label": (
            "the annotations of {label} in {where} are taken for {of_model}, the only label of "
            "the model"
        ),
        "no_label_matches": (
            "{where} annotates {names}, and the model predicts {labels}: no mask of it is used; "
            "rename one of them"
        ),
        "masks_unread": "{where} is read as plain mask files only: {problem}",
    },
)

BACKGROUNDS = ("background", "bg", "class0", "none")
"""Names of a first label that is no finding, folded."""

_DOCUMENTS = (".json", ".xml", ".txt", ".csv", ".tsv")


class TrueMasks:
    """The true masks of a cohort's images, from plain mask files or annotations of any kind.

    Annotations are read once, when a mask is first needed.

    Args:
        path: file or folder, of any kind that
            :func:`~camlucida.io.annotations.read_annotations` reads; None for none.
        labels: of the model.
        images: id and file or path of all images, whose names the annotations may spell in
            another case or without leading zeros.
    """

    def __init__(
        self, path: Path | None, labels: tuple[str, ...], images: Iterable[tuple[str, str]] = ()
    ) -> None:
        self.path = path
        self.labels = labels
        self.images = tuple(images)
        self._of_files: dict[Path, TrueMasks] = {}
        self._of_maps: dict[Path, dict[str, Annotation]] = {}
        self._map_notes: list[Message] = []

    def of_image(
        self, image: str, path: Path, mask: Path | None, size: Size | VoxelGrid
    ) -> dict[str, Mask]:
        """The masks (H, W), or (D, H, W), of an image by label; "" for one that names no label.

        Annotations that name labels of the model have precedence over the mask file.

        Args:
            image: its id in the cohort.
            path: its file.
            mask: its mask file; one that does not exist counts as none.
            size: (H, W) in original pixels, or the voxels of a volume.

        Raises:
            ImageError: a mask that cannot be read or is of another size.
        """
        named = self.labels_of(image, path)
        if named or mask is None or not mask.is_file():
            labels = named or ("",)
        else:
            labels = self._labels_of_file(image, path, mask)
        masks = {}
        for label in labels:
            drawn = self.of_label(image, path, mask, label, size)
            if drawn is not None:
                masks[label] = drawn
        return masks

    def of_label(
        self, image: str, path: Path, mask: Path | None, label: str, size: Size | VoxelGrid
    ) -> Mask | None:
        """The mask (H, W) of one label of an image; None where there is none.

        Args:
            image, path, mask, size: as of :meth:`of_image`.
            label: of the model; "" for a mask that names no label.

        Raises:
            ImageError: as of :meth:`of_image`.
        """
        if label and label in self.labels_of(image, path):
            return self.truth.mask(image, str(path), label, size)
        if mask is None or not mask.is_file():
            return None if label else self.truth.mask(image, str(path), "", size)
        if is_document(mask):
            return self._document(mask).of_label(image, path, None, label, size)
        if self._of_map(mask):
            annotation = self._of_map(mask).get(label)
            return None if annotation is None else annotation.mask(AnnotatedImage.of(size, path))
        if label:
            return None
        if isinstance(size, VoxelGrid):
            return volume_mask(mask, f"mask {mask}", size)
        return read_mask(mask, f"mask {mask}", size)

    def _labels_of_file(self, image: str, path: Path, mask: Path) -> tuple[str, ...]:
        """Labels that the mask file of an image draws; "" for one that names none."""
        if is_document(mask):
            return self._document(mask).labels_of(image, path) or ("",)
        return tuple(self._of_map(mask)) or ("",)

    def _document(self, mask: Path) -> TrueMasks:
        # one object a file, kept: the same file may annotate every image
        if mask not in self._of_files:
            self._of_files[mask] = TrueMasks(mask, self.labels, self.images)
        return self._of_files[mask]

    def _of_map(self, mask: Path) -> dict[str, Annotation]:
        """Label of the model → its part of a label map; empty for a mask of one label."""
        if mask not in self._of_maps:
            self._of_maps[mask], notes = label_map(mask, self.labels)
            self._map_notes += notes
        return self._of_maps[mask]

    def labels_of(self, image: str, path: Path) -> tuple[str, ...]:
        """Labels of the model that are annotated in an image; nothing is read but the names.

        Args:
            image, path: as of :meth:`of_image`.
        """
        return tuple(filter(None, self.truth.has(image, str(path))))

    def is_used(self, image: str, path: Path, mask: Path | None) -> bool:
        """Whether the masks of an image come from the annotations, not from its mask file.

        Args:
            image, path, mask: as of :meth:`of_image`.
        """
        if self.labels_of(image, path):
            return True
        has_file = mask is not None and mask.is_file()
        return not has_file and bool(self.truth.listed(image, str(path)))

    @property
    def truth(self) -> GroundTruth:
        """The annotations; without any where there is no path, or plain mask files alone."""
        return self._read[0]

    @property
    def notes(self) -> list[Message]:
        """What a reader must know of the annotations."""
        notes = [*self._read[2], *self._map_notes]
        for file in self._of_files.values():
            notes += file.notes
        return list(dict.fromkeys(notes))

    @cached_property
    def digest(self) -> str:
        """Hash of the files of annotations; "" without any."""
        files = self._read[1]
        if not files:
            return ""
        hashed = hashlib.blake2b(digest_size=20)
        for file in files:
            hashed.update(file.read_bytes())
        return hashed.hexdigest()

    @cached_property
    def _read(self) -> tuple[GroundTruth, list[Path], list[Message]]:
        nothing = GroundTruth(self.labels, {}, {})
        if self.path is None:
            return nothing, [], []
        join = AnnotationJoin(self.labels)
        try:
            join.add_files(self.path, None)
        except UsageError as error:
            if not self.path.is_dir():
                raise
            # Plain mask files may be there beside what cannot be read.
            values: dict[str, Value] = {"where": str(self.path), "problem": error.what}
            return nothing, [], [Message("notes.masks_unread", values)]
        join.notes += _match_labels(join, self.path)
        truth = with_names_of_images(ground_truth_of(join), self.images)
        return truth, join.files, list(truth.notes)


def label_map(mask: Path, labels: Sequence[str]) -> tuple[dict[str, Annotation], list[Message]]:
    """The labels of the model in a label map, and notes; none for a mask of one label.

    Args:
        mask: its file.
        labels: of the model.
    """
    names = label_map_names(mask)
    if not names:
        return {}, []
    join = AnnotationJoin(labels)
    join.add(AnnotationSet("a label map", mask_annotations(mask, mask.stem, "", names)))
    notes = _match_labels(join, mask.parent)
    parts: dict[str, Annotation] = {}
    for of_label in join.drawn.values():
        parts |= {label: drawn[0] for label, drawn in of_label.items() if label in labels}
    return parts, notes


def _match_labels(join: AnnotationJoin, path: Path) -> list[Message]:
    """Call the only annotated label as the model's only one; a note where labels do not fit."""
    annotated = set(chain.from_iterable(join.drawn.values())) - {""}
    if not annotated or annotated & set(join.labels):
        return []
    labels = list(join.labels)
    if len(labels) == 2 and fold(labels[0]) in BACKGROUNDS:
        labels = labels[1:]
    where = str(path)
    values: dict[str, Value]
    if len(labels) != 1 or len(annotated) != 1:
        values = {"where": where, "names": listing(sorted(annotated)), "labels": listing(labels)}
        return [Message("notes.no_label_matches", values)]
    (label,) = annotated
    for of_image in join.drawn.values():
        if label in of_image:
            of_image[labels[0]] = of_image.pop(label)
    values = {"label": label, "where": where, "of_model": labels[0]}
    return [Message("notes.only_label", values)]


def is_document(path: Path) -> bool:
    """Whether a file holds annotations that are no picture of a mask.

    Args:
        path: of the file.
    """
    suffix = path.suffix.lower()
    return suffix in _DOCUMENTS or dicom_modality(path) in ("SEG", "RTSTRUCT")
