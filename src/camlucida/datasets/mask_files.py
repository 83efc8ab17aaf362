"""Masks that a table names: a row an image and label, with the files of the true and of the predicted mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message
from camlucida.datasets.columns import choose_columns, need, read_records
from camlucida.io.annotations.masks import read_mask
from camlucida.io.image import readable
from camlucida.io.read import read_image
from camlucida.io.tables import texts
from camlucida.metrics.segmentation import Mask, MaskPair

ROLES = ("image", "patient", "model", "label", "truth", "prediction")


def read_mask_pairs(
    path: str | Path, columns: Mapping[str, str] | None = None
) -> tuple[Iterator[MaskPair | ImageError], list[Message]]:
    """Pairs of masks, read one at a time, and notes; a pair that cannot be read is an error in its place.

    Args:
        path: CSV, TSV, XLSX, Parquet or JSON. ``truth`` and ``prediction`` are mask files (see
            :func:`~camlucida.io.annotations.masks.read_mask`), relative to the table's folder; a blank cell is an empty mask.
        columns: role (image, patient, model, label, truth, prediction) → column, where the usual names are not used.

    Raises:
        UsageError: no such table or column.
    """
    path = Path(path)
    frame = read_records(path)
    found = choose_columns(frame, ROLES, dict(columns or {}), path)
    truth, said = (texts(frame[need(found, role, frame, path)]) for role in ("truth", "prediction"))
    blank = [""] * len(frame)
    images, patients, models, labels = (
        texts(frame[found[role]]) if found[role] else blank for role in ROLES[:4]
    )
    notes = [] if found["patient"] else [Message("notes.no_patients")]
    ids = [image or one or other for image, one, other in zip(images, truth, said)]
    if len(set(zip(models, ids, labels))) < len(ids):
        raise UsageError(
            f"{path} has an image and label twice",
            "keep one row each; rows of several models need a model column",
        )

    def pairs() -> Iterator[MaskPair | ImageError]:
        for image, patient, model, label, one, other in zip(
            ids, patients, models, labels, truth, said
        ):
            try:
                masks = _masks(path.parent, one, other, image)
            except ImageError as error:
                yield error
            else:
                yield MaskPair(image, patient or f"image:{image}", label, *masks, model)

    return pairs(), notes


def _masks(folder: Path, truth: str, prediction: str, image: str) -> tuple[Mask, Mask]:
    known = truth or prediction
    if not known:
        raise ImageError(f"{image}: neither a true nor a predicted mask", "name at least one file")
    size = _size(folder / known)
    empty = np.zeros(size, bool)
    return (
        read_mask(folder / truth, f"true mask of {image}", size) if truth else empty,
        read_mask(folder / prediction, f"predicted mask of {image}", size) if prediction else empty,
    )


def _size(path: Path) -> tuple[int, int]:
    if path.suffix.lower() != ".npy":
        height, width = read_image(path).pixels.shape[:2]
        return int(height), int(width)
    with readable(path, "a NumPy array"):
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    if len(shape) != 2:
        raise ImageError(f"{path} holds an array of shape {shape}", "a mask is (H, W)")
    return int(shape[0]), int(shape[1])
