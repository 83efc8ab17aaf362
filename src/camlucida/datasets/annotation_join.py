"""Annotations of files, put together by image and label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.image_names import ID_COLUMNS, bare_name
from camlucida.datasets.table_labels import LABEL_COLUMNS
from camlucida.io.annotations import (
    Annotation,
    AnnotationSet,
    BoxAnnotation,
    BoxTable,
    read_annotations,
    read_box_table,
)
from camlucida.io.tables import fold

declare(
    "notes",
    {
        "shares": "the boxes of {where} are shares of width and height: none is above 1",
        "rows_without_box": "{count} {count:|row|rows} of {where} without a box",
    },
)

BOX_LABELS = (*LABEL_COLUMNS, "findinglabel", "classname", "class", "category", "pathology")
"""Names that the label column of a table of boxes usually has, folded."""


class AnnotationJoin:
    """Annotations of several files, under names of images and the model's labels.

    Args:
        labels: of the model; compared without case, spaces and underscores.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.by_name = {fold(label): label for label in labels if label}
        self.drawn: dict[str, dict[str, list[Annotation]]] = defaultdict(lambda: defaultdict(list))
        self.boxed: dict[str, dict[str, BoxAnnotation]] = defaultdict(dict)
        self.aliases: dict[str, str] = {}
        self.notes: list[Message] = []
        self.by_uid = False
        self.by_folder = False
        self.files: list[Path] = []

    def add_files(self, path: Path, names: Mapping[int, str] | None) -> None:
        """Add a file or folder of any kind.

        Args:
            path, names: as of :func:`~camlucida.io.annotations.read_annotations`.
        """
        annotations, tables = read_annotations(path, self.labels, names)
        self.by_uid |= annotations.by_uid
        self.files += annotations.files
        self.add(annotations)
        for table in tables:
            self.add_table(table)

    def add(self, annotations: AnnotationSet) -> None:
        """Add annotations that were read."""
        self.by_folder |= annotations.by_folder
        for image, label, annotation in annotations.drawn:
            name = self.by_name.get(fold(label), label)
            self.drawn[bare_name(image)][name].append(annotation)
        for image, label, boxes in annotations.boxed:
            name = self.by_name.get(fold(label), label)
            self.boxed[bare_name(image)][name] = boxes
        for alias, image in annotations.aliases.items():
            self.aliases[alias] = bare_name(image)
        self.notes += annotations.notes

    def add_table(
        self, path: Path, only_image: str | None = None, id_column: str | None = None
    ) -> None:
        """Add a table of boxes.

        Args:
            path, only_image, id_column: as of
                :func:`~camlucida.io.annotations.read_box_table`.
        """
        table = read_box_table(path, ID_COLUMNS, BOX_LABELS, only_image, id_column)
        for image, of_image in boxes_by_image(table, self.by_name, str(path)).items():
            self.boxed[image].update(of_image)
        if table.blank:
            values: dict[str, Value] = {"count": table.blank, "where": str(path)}
            self.notes.append(Message("notes.rows_without_box", values))
        self.notes += table.notes
        if table.relative:
            self.notes.append(Message("notes.shares", {"where": str(path)}))


def boxes_by_image(
    table: BoxTable, by_name: Mapping[str, str], where: str, only_image: str = ""
) -> dict[str, dict[str, BoxAnnotation]]:
    """The boxes of a table: image → label → boxes.

    Args:
        table: as it was read.
        by_name: folded label → the model's label.
        where: the table is, for messages.
        only_image: name of the image where the table has none.

    Raises:
        UsageError: an image with two sizes.
    """
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (image, label) in enumerate(zip(table.images, table.labels)):
        key = bare_name(image) or only_image
        name = by_name.get(fold(label), label)
        rows[key, name].append(row)
    boxed: dict[str, dict[str, BoxAnnotation]] = defaultdict(dict)
    for (image, label), of_label in rows.items():
        where_in_file = f"{where}: box of {label!r} in {image}"
        sizes = {table.sizes[row] for row in of_label} if table.sizes else {None}
        if len(sizes) > 1:
            raise UsageError(f"{where_in_file}: its image has two sizes", "correct the table")
        boxed[image][label] = BoxAnnotation(
            where_in_file, table.boxes[of_label], table.relative, sizes.pop()
        )
    return dict(boxed)
