"""Which annotations of a project belong to the chosen images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import CamlucidaError
from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_discovery import annotations_beside
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import read_ground_truth
from camlucida.workflows.import_project.log import ImportLog
from camlucida.workflows.import_project.tables import ProjectTable

declare(
    "imported",
    {
        "boxes": "boxes {file}: of {count} {count:|image|images}",
        "masks": "annotations {file}: of {count} of {total} images, of {names}",
        "no_label": "no named label",
        "chosen_masks": (
            "annotations {file}: chosen of {count}, as they are of the most images; of equal ones "
            "those that are no boxes"
        ),
    },
)
declare(
    "not_imported",
    {
        "annotations": "annotations {file}: {problem}",
        "strange_annotations": "annotations {file}: of none of the chosen images",
        "other_annotations": "annotations {names}; --masks PATH takes others",
    },
)


@dataclass(frozen=True)
class Annotated:
    """Annotations of images.

    Attributes:
        path: file or folder.
        is_boxes: whether it is a table of boxes.
        count: of the images that have some.
        labels: that are annotated in them.
    """

    path: Path
    is_boxes: bool
    count: int
    labels: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, bool, Path]:
        """The less, the sooner they are taken."""
        return -self.count, self.is_boxes, self.path


def choose_annotations(
    images: Sequence[Path],
    tables: Sequence[ProjectTable],
    labels: Sequence[str],
    given: Path | None,
    log: ImportLog,
) -> Annotated | None:
    """The annotations of the chosen images: those given, or those of most of them.

    Args:
        images: that were chosen.
        tables: of the project; those of boxes and of run lengths are candidates.
        labels: of the model.
        given: what the user named.
        log: takes what is used and what is not.
    """
    boxes = [table.path for table in tables if table.kind == "boxes"]
    masks = [table.path for table in tables if table.kind == "masks"]
    candidates = list(dict.fromkeys([*annotations_beside(images), *masks, *boxes]))
    if given is not None:
        candidates = [given]
    annotated: dict[Path, Annotated] = {}
    for path in candidates:
        try:
            of_path = _annotated(path, path in boxes, images, labels)
        except CamlucidaError as error:
            log.leave("annotations", file=log.name(path), problem=error.what)
            continue
        if of_path.count:
            annotated[path] = of_path
        else:
            log.leave("strange_annotations", file=log.name(path))
    if not annotated:
        return None
    first, *others = sorted(annotated.values(), key=lambda item: item.rank)
    file = log.name(first.path)
    if others:
        log.use("chosen_masks", file=file, count=len(annotated))
        log.leave("other_annotations", names=log.names(item.path for item in others))
    names = ", ".join(first.labels) or Message("imported.no_label")
    log.use("masks", file=file, count=first.count, total=len(images), names=names)
    return first


def choose_boxes(tables: Sequence[ProjectTable], log: ImportLog) -> Path | None:
    """The table of boxes of the most images; of equal ones the first by name.

    Args:
        tables: of the project.
        log: takes what is used and what is not.
    """
    boxes = [table for table in tables if table.kind == "boxes"]
    if not boxes:
        return None
    first, *others = sorted(boxes, key=lambda table: (-len(table.images), table.path))
    log.use("boxes", file=log.name(first.path), count=len(first.images))
    if others:
        log.leave("other_annotations", names=log.names(table.path for table in others))
    return first.path


def _annotated(
    path: Path, is_boxes: bool, images: Sequence[Path], labels: Sequence[str]
) -> Annotated:
    """How many of the images have an annotation, and of what."""
    if is_boxes:
        truth = read_ground_truth(boxes=path, labels=labels)
    else:
        truth = read_ground_truth(masks=path, labels=labels)
    truth = with_names_of_images(truth, [(image.stem, str(image)) for image in images])
    count = 0
    names: dict[str, None] = {}
    for image in images:
        listed = truth.listed(image.stem, str(image))
        count += bool(listed)
        names |= dict.fromkeys(filter(None, listed))
    return Annotated(path, is_boxes, count, tuple(names))
