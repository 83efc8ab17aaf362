"""The segmentations of CheXlocalize: what is inside, what is empty, and what is not said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import GroundTruth, read_ground_truth
from camlucida.io.annotations import holds_outlines, json_kind_of_file
from camlucida.io.annotations.annotation import Mask, Size
from camlucida.io.tables import fold

declare(
    "chexlocalize",
    {
        "same_label": "Maps of {label} are compared with the segmentations of {other}.",
    },
)

SAME = (("lungopacity", "airspaceopacity"),)
"""Folded names of one finding: CheXpert and the two releases of CheXlocalize differ."""


@dataclass(frozen=True)
class Segmentations:
    """The ground truth of labels.

    Attributes:
        truth: annotations by image and label.
        other_name: label of the maps → label in the file, where they differ.
        positive_only: the file lists the positive labels of an image alone, so that a label that is
            not listed is empty; else it is not annotated.
    """

    truth: GroundTruth
    other_name: dict[str, str]
    positive_only: bool

    @property
    def notes(self) -> list[Message]:
        """What was taken for the same label, and what of the file was passed over."""
        notes = []
        for label, other in sorted(self.other_name.items()):
            notes.append(Message("chexlocalize.same_label", {"label": label, "other": other}))
        return [*notes, *self.truth.notes]

    def mask(self, image: str, path: str, label: str, size: Size) -> Mask | None:
        """The segmentation (H, W) of a label, empty where the finding is absent.

        Args:
            image, path: id and file name or path of the image.
            label: of the maps.
            size: (H, W) of the image.

        Returns:
            None where the image or the label is not annotated.

        Raises:
            ImageError: a damaged annotation, or one of another size.
        """
        name = self.other_name.get(label, label)
        mask = self.truth.mask(image, path, name, size)
        if mask is not None or not (self.positive_only and self.lists(image, path)):
            return mask
        return np.zeros(size, np.bool_)

    def lists(self, image: str, path: str) -> bool:
        """Whether any label of an image is annotated."""
        return bool(self.truth.listed(image, path))


def read_segmentations(
    path: Path, labels: Sequence[str], images: Iterable[tuple[str, str]] = ()
) -> Segmentations:
    """Read ground truth of the kinds that CheXlocalize has, or of any other.

    Args:
        path: JSON of run-length codes (``gt_segmentations_val.json``) or of outlines
            (``gt_annotations_val.json``), or what
            :func:`~camlucida.io.annotations.read_annotations` reads.
        labels: of the maps.
        images: id and file or path of each, whose names the annotations may spell in another case
            or without leading zeros.

    Raises:
        UsageError: unreadable, or of another structure.
    """
    is_other = path.suffix.lower() != ".json" or json_kind_of_file(path) == "coco"
    if path.exists() and is_other:
        truth = with_names_of_images(read_ground_truth(masks=path, labels=labels), images)
        return Segmentations(truth, _other_names(truth, labels), False)
    outlines = holds_outlines(path)
    if outlines:
        truth = read_ground_truth(polygons=path, labels=labels)
    else:
        truth = read_ground_truth(rle=path, labels=labels)
    truth = with_names_of_images(truth, images)
    return Segmentations(truth, _other_names(truth, labels), outlines)


def _other_names(truth: GroundTruth, labels: Sequence[str]) -> dict[str, str]:
    """Labels of the maps that the file calls by another name of the same finding."""
    annotated: set[str] = set()
    for of_image in truth.drawn.values():
        annotated |= set(of_image)
    others = {}
    for label in sorted({*labels} - annotated):
        other = next((name for name in sorted(annotated) if same_finding(label, name)), None)
        if other is not None:
            others[label] = other
    return others


def same_finding(first: str, second: str) -> bool:
    """Whether two labels name one finding.

    >>> same_finding("Airspace Opacity", "Lung Opacity"), same_finding("Edema", "Mass")
    (True, False)
    """
    names = {fold(first), fold(second)}
    return len(names) == 1 or any(names == set(pair) for pair in SAME)
