"""Readers' boxes: a table for many films, or ``Label,x,y,w,h`` for one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.datasets.ground_truth import BoxAnnotation, GroundTruth, read_ground_truth
from camlucida.datasets.images import ID_COLUMNS
from camlucida.io.tables import find_column, fold, read_table


def read_boxes(words: str, labels: Sequence[str], images: Sequence[str]) -> GroundTruth:
    """Boxes of findings in original pixels.

    Args:
        words: a table as of :func:`camlucida.datasets.ground_truth.read_ground_truth`; for one image it needs no image column. Or, for one
            image, ``Label,x,y,w,h``.
        labels: known ones.
        images: ids of the images.

    Raises:
        UsageError: neither a table nor five values; no image column where there are several images.
    """
    path = Path(words).expanduser()
    if not path.exists() and words.count(",") == 4:
        label, *numbers = (word.strip() for word in words.split(","))
        return _of_one(f"--boxes {words}", [(label, *numbers)], labels, images)
    if path.is_file() and len(images) == 1:
        frame = read_table(path)
        columns = [
            find_column(frame, None, [name], name, path) for name in ("label", "x", "y", "w", "h")
        ]
        if (
            find_column(frame, None, ID_COLUMNS, "image column", path) is None
            and None not in columns
        ):
            return _of_one(str(path), frame[columns].astype(str).values.tolist(), labels, images)
    return read_ground_truth(boxes=path, labels=labels)


def _of_one(
    where: str, rows: Sequence[Sequence[str]], labels: Sequence[str], images: Sequence[str]
) -> GroundTruth:
    if len(images) != 1:
        raise UsageError(
            f"{where}: it names no image, and there are {len(images)}",
            "give a table with an image column",
        )
    known = {fold(label): label for label in labels}
    found: dict[str, list[list[float]]] = {}
    for label, *numbers in rows:
        try:
            found.setdefault(known.get(fold(label), label), []).append(
                [float(number) for number in numbers]
            )
        except ValueError as error:
            raise UsageError(
                f"{where}: {','.join(numbers)} are not four numbers",
                "write Label,x,y,w,h in pixels",
            ) from error
    boxed = {
        label: BoxAnnotation(f"{where}: box of {label!r}", np.array(boxes))
        for label, boxes in found.items()
    }
    return GroundTruth(tuple(labels), {}, {images[0]: boxed})
