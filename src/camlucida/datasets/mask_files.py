"""Masks that a table names: a row an image and label, with the true and the predicted mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message
from camlucida.datasets.columns import choose_columns, need, read_records
from camlucida.datasets.patients import NO_PATIENTS, patient_of
from camlucida.datasets.prediction_splits import rows_of_split
from camlucida.datasets.true_masks import TrueMasks, is_document, label_map
from camlucida.io.annotations import AnnotatedImage, mask_size, read_mask
from camlucida.io.annotations.annotation import Size
from camlucida.io.tables import count, listing, texts
from camlucida.metrics.segmentation import Mask, MaskPair

ROLES = ("image", "patient", "model", "label", "truth", "prediction")


def read_mask_pairs(
    path: str | Path, columns: Mapping[str, str] | None = None, split: str | None = None
) -> tuple[Iterator[MaskPair | ImageError], list[Message]]:
    """Pairs of masks, read one at a time, and notes.

    Args:
        path: CSV, TSV, XLSX, Parquet or JSON. ``truth`` and ``prediction`` are mask files (see
            :func:`~camlucida.io.annotations.read_mask`), or label maps or files of annotations of
            any kind, relative to the table's folder; a blank cell is an empty mask.
        columns: role (image, patient, model, label, truth, prediction) → column, where the usual
            names are not used.
        split: take only this one.

    Returns:
        Pairs in the order of the rows, an ImageError for one that cannot be read, and before them
        one for all rows whose files are not there; and notes.

    Raises:
        UsageError: no such table or column, or an image and label twice.
    """
    path = Path(path)
    frame = read_records(path)
    by_role = choose_columns(frame, ROLES, dict(columns or {}), path)
    for role in ("truth", "prediction"):
        need(by_role, role, frame, path)
    frame, split_notes = rows_of_split(
        frame, path, split, image=by_role["image"] or by_role["truth"], truth=None
    )
    rows = _rows(frame, by_role)
    keys = [(row["model"], row["image"], row["label"]) for row in rows]
    if len(set(keys)) < len(rows):
        raise UsageError(
            f"{path} has an image and label twice",
            "keep one row each; rows of several models need a model column",
        )
    notes = [*split_notes, *([NO_PATIENTS] if by_role["patient"] is None else [])]
    images = dict.fromkeys(row["image"] for row in rows)
    sources = _Sources(list(dict.fromkeys(row["label"] for row in rows)), list(images))
    return chain(_without_files(path, rows), _pairs(path.parent, rows, sources)), notes


def _pairs(
    folder: Path, rows: Sequence[Mapping[str, str]], sources: _Sources
) -> Iterator[MaskPair | ImageError]:
    for row in rows:
        if not _missing_files(folder, row):
            yield _pair(folder, row, sources)


def _without_files(table: Path, rows: Sequence[Mapping[str, str]]) -> Iterator[ImageError]:
    """One error for all rows whose files are not there."""
    missing = [row for row in rows if _missing_files(table.parent, row)]
    if missing:
        names = listing(chain.from_iterable(_missing_files(table.parent, row) for row in missing))
        what = f"{table}: {count(missing, 'row')} without a mask file that is there: {names}"
        yield ImageError(what, f"paths are relative to {table.parent}; correct them")


def _missing_files(folder: Path, row: Mapping[str, str]) -> list[str]:
    names = (row["truth"], row["prediction"])
    return [name for name in names if name and not (folder / name).exists()]


def _rows(frame: pd.DataFrame, by_role: Mapping[str, str | None]) -> list[dict[str, str]]:
    """Role → cell of each row; an image without a name is called after its mask."""
    blank = [""] * len(frame)
    cells = {}
    for role, column in by_role.items():
        cells[role] = blank if column is None else texts(frame[column])
    rows = []
    for values in zip(*cells.values()):
        row = dict(zip(cells, values))
        row["image"] = row["image"] or row["truth"] or row["prediction"]
        rows.append(row)
    return rows


def _pair(folder: Path, row: Mapping[str, str], sources: _Sources) -> MaskPair | ImageError:
    image = row["image"]
    try:
        truth, prediction = _masks(folder, row, sources)
    except (ImageError, UsageError) as error:
        return ImageError(error.what, error.fix)
    patient = patient_of(row["patient"], image)
    return MaskPair(image, patient, row["label"], truth, prediction, row["model"])


def _masks(folder: Path, row: Mapping[str, str], sources: _Sources) -> tuple[Mask, Mask]:
    image, truth, prediction = row["image"], row["truth"], row["prediction"]
    if not (truth or prediction):
        raise ImageError(f"{image}: neither a true nor a predicted mask", "name at least one file")
    size = _size(folder, row)
    true_mask = predicted_mask = np.zeros(size, bool)
    if truth:
        true_mask = sources.mask(folder / truth, row, f"true mask of {image}", size)
    if prediction:
        predicted_mask = sources.mask(folder / prediction, row, f"predicted mask of {image}", size)
    return true_mask, predicted_mask


def _size(folder: Path, row: Mapping[str, str]) -> Size:
    """(H, W) of a plain mask of the row, else of its image.

    Raises:
        ImageError: both masks are annotations, and there is no such image.
    """
    for name in (row["truth"], row["prediction"], row["image"]):
        path = folder / name
        if name and path.is_file() and not is_document(path):
            return mask_size(path)
    raise ImageError(
        f"{row['image']}: its size is unknown: both masks are files of annotations",
        "name the image's file in the image column",
    )


class _Sources:
    """The files of masks of a table; annotations are read once."""

    def __init__(self, labels: Sequence[str], images: Sequence[str]) -> None:
        self._labels = tuple(filter(None, labels))
        self._images = [(Path(image).stem, image) for image in images]
        self._documents: dict[Path, TrueMasks] = {}

    def mask(self, path: Path, row: Mapping[str, str], where: str, size: Size) -> Mask:
        """The mask of a row's image and label in a file of any kind.

        Raises:
            ImageError: it cannot be read, or holds nothing of this image.
        """
        image, label = Path(row["image"]), row["label"]
        if not is_document(path):
            parts, _ = label_map(path, self._labels)
            if not parts:
                return read_mask(path, where, size)
            if label not in parts:
                raise ImageError(f"{where}: {path} has no value for {label!r}", "see its names")
            return parts[label].mask(AnnotatedImage(size, image))
        if path not in self._documents:
            self._documents[path] = TrueMasks(path, self._labels, self._images)
        truth = self._documents[path].truth
        labels = [label] if label else truth.listed(image.stem, str(image))
        drawn = [truth.mask(image.stem, str(image), name, size) for name in labels]
        masks = [mask for mask in drawn if mask is not None]
        if not masks:
            of_label = f" for {label!r}" if label else ""
            raise ImageError(f"{where}: {path} has no annotation{of_label}", "correct the name")
        united = np.zeros(size, bool)
        for mask in masks:
            united |= mask
        return united
