"""A volume in a folder of DICOM files, one slice a file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from camlucida.core.errors import ImageError
from camlucida.core.files import reading
from camlucida.core.messages import Message
from camlucida.io import dicom
from camlucida.io.dicom.header import number, remarks
from camlucida.io.dicom.parse import check_image, parse, parsing
from camlucida.io.image import MAX_BYTES
from camlucida.io.volumes.frames import facts_of_slice, frame_values, is_synthetic, stated_window
from camlucida.io.volumes.slices import SlicePlane, plane_of_dataset, stacked
from camlucida.io.volumes.volume import Volume, check_finite, check_voxels, placed


@dataclass(frozen=True)
class _Slice:
    """One file of a series, by its header.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        series: identifier, to tell series apart; never written.
        instance: identifier, to tell copies apart; never written.
        size: rows and columns.
        plane: where it lies.
    """

    path: Path
    sha256: str
    series: str
    instance: str
    size: tuple[int, int]
    plane: SlicePlane


def read_series(folder: Path) -> Volume:
    """Read the images of a folder as one volume, sorted by position along the slices' normal.

    Files that are no DICOM images, and subfolders, are left out.

    Args:
        folder: of the series.

    Raises:
        ImageError: no DICOM image, several series, orientations, sizes or spacings, a slice that
            is missing or there twice, or a file that cannot be read.
    """
    slices, notes = _without_copies(_slices(folder))
    _check_one_series(folder, slices)
    rows, columns = slices[0].size
    check_voxels(folder, len(slices), rows, columns)
    stack = stacked(folder, [each.plane for each in slices])
    ordered = [slices[number] for number in stack.order]
    values = np.empty((len(ordered), rows, columns), np.float32)
    more: dict[Message, None] = {}
    for index, each in enumerate(ordered):
        dataset, values[index], remarked = _read(each.path)
        more |= dict.fromkeys((*remarks(dataset), *remarked))
        if index == len(ordered) // 2:
            source, window, synthetic = _facts(each.path, dataset)
    check_finite(folder, values)
    digest = _joint_sha256(each.sha256 for each in ordered)
    facts: dict[str, Any] = {"path": str(folder), "sha256": digest, "format": "DICOM series"}
    facts |= {**source, **placed(stack.affine, values.shape)}
    warnings = (*notes, *stack.notes, *more)
    name = folder.resolve().name
    return Volume(values, stack.affine, name, True, window, facts, warnings, synthetic)


def slice_files(folder: Path) -> list[Path]:
    """The files of the slices of :func:`read_series`, in its order.

    Args:
        folder: of the series.

    Raises:
        ImageError: as of :func:`read_series`.
    """
    slices, _ = _without_copies(_slices(folder))
    _check_one_series(folder, slices)
    stack = stacked(folder, [each.plane for each in slices])
    return [slices[number].path for number in stack.order]


def series_sha256(folder: Path) -> str | None:
    """A hash of the DICOM files of a folder, whatever they are called: that of their volume.

    Args:
        folder: of the series.

    Returns:
        64 hexadecimal digits, as ``source["sha256"]`` of :func:`read_series` unless copies of a
        slice differ; None of a folder without a DICOM file, or one that cannot be read.
    """
    try:
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in dicom_files(folder)]
    except (ImageError, OSError):
        return None
    return _joint_sha256(hashes) if hashes else None


def _joint_sha256(hashes: Iterable[str]) -> str:
    """Of files in any order, copies once."""
    return hashlib.sha256("".join(sorted(set(hashes))).encode()).hexdigest()


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files directly in a folder, by their content; hidden ones are left out.

    Args:
        folder: to look into.

    Raises:
        ImageError: the folder cannot be searched.
    """
    with reading(folder, ImageError, "the folder"):
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        files = [entry for entry in entries if entry.is_file() and entry.name != "DICOMDIR"]
        return [path for path in files if dicom.READER.matches(_head(path))]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1024)


def _bytes(path: Path) -> bytes:
    with reading(path, ImageError, "the file"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageError(f"{path} has {size:,} bytes; the limit is {MAX_BYTES:,}")
        return path.read_bytes()


def _slices(folder: Path) -> list[_Slice]:
    slices = []
    for path in dicom_files(folder):
        data = _bytes(path)
        with parsing(path):
            dataset = parse(path, data)
            if "PixelData" not in dataset:  # a report or a plan beside the images
                continue
            check_image(path, dataset)
            _check_single(path, dataset)
            size = int(dataset.Rows), int(dataset.Columns)
            series, instance = (
                str(dataset.get(uid, "")) for uid in ("SeriesInstanceUID", "SOPInstanceUID")
            )
            plane = plane_of_dataset(path, dataset)
        digest = hashlib.sha256(data).hexdigest()
        slices.append(_Slice(path, digest, series, instance, size, plane))
    if not slices:
        raise ImageError(f"no DICOM image in the folder {folder}", "name the folder of a series")
    return slices


def _check_single(path: Path, dataset: Dataset) -> None:
    frames = int(number(dataset, "NumberOfFrames") or 1)
    if frames > 1:
        raise ImageError(
            f"{path} has {frames} frames: it is a volume of its own",
            "name the file, not its folder",
        )


def _without_copies(slices: Sequence[_Slice]) -> tuple[list[_Slice], tuple[Message, ...]]:
    """Each instance once; two different files of one identifier both stay, and collide later."""
    once = {(each.instance, each.sha256): each for each in reversed(slices)}
    kept = sorted(once.values(), key=lambda each: each.path)
    copies = len(slices) - len(kept)
    return kept, (Message("volume.copies", {"count": copies}),) if copies else ()


def _check_one_series(folder: Path, slices: Sequence[_Slice]) -> None:
    series = Counter(each.series for each in slices)
    if len(series) > 1:
        counts = ", ".join(str(count) for _, count in series.most_common(6))
        raise ImageError(
            f"{folder} holds {len(series)} series, of {counts} images",
            "put each series into a folder of its own",
        )
    sizes = sorted({each.size for each in slices})
    if len(sizes) > 1:
        shown = ", ".join(f"{rows} × {columns}" for rows, columns in sizes[:4])
        raise ImageError(
            f"{folder} holds images of {len(sizes)} sizes: {shown}",
            "put the images of one size into a folder of their own",
        )


def _read(path: Path) -> tuple[Dataset, NDArray[np.float32], tuple[Message, ...]]:
    data = _bytes(path)
    with parsing(path, "the pixels of a DICOM file"):
        dataset = parse(path, data)
        return dataset, *frame_values(path, dataset, 0, 1)


def _facts(path: Path, dataset: Dataset) -> tuple[dict[str, Any], tuple[float, float] | None, bool]:
    """What the middle slice says for all: codes and numbers, its window, whether synthetic."""
    with parsing(path):
        return facts_of_slice(dataset), stated_window(dataset), is_synthetic(dataset)
