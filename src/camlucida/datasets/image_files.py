"""The image files of a cohort: those of its folders and globs, or those that its table names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.datasets.cohort_file import CohortFile
from camlucida.datasets.image_names import bare_parts, rows_without_image
from camlucida.datasets.image_rows import images_named
from camlucida.datasets.mask_paths import split_masks
from camlucida.io import expand_paths
from camlucida.io.storage import address_of, expected, fetched, is_address, joined
from camlucida.io.tables import count, find_column, listing, read_table, texts
from camlucida.io.volumes import expand_volumes

PATH_COLUMNS = ("path", "file", "filename", "image")
"""Columns that hold the images' files where no images are given; folded."""


@dataclass(frozen=True)
class ImageFiles:
    """The files of a cohort, before anything is read of them.

    Attributes:
        frame: the cohort's table; empty without one.
        paths: of the images.
        id_column: that names them.
        problems: of what is missing.
        masks: files among the images that are masks of others.
    """

    frame: pd.DataFrame
    paths: list[Path]
    id_column: str | None
    problems: list[Failure]
    masks: list[Path] = field(default_factory=list)


def image_files(file: CohortFile, table: Path | None, volumes: bool = False) -> ImageFiles:
    """List the image files of a cohort; none of them is opened.

    Args:
        file: the cohort.
        table: its table, if it has one; without ``images`` in the file it has to name them.
        volumes: the model is of volumes: NIfTI files and folders of a DICOM series are wanted.

    Raises:
        UsageError: an unreadable table, one without a column of paths, or of paths that all lead
            nowhere.
    """
    if file.config.images is None:
        return _of_table(file, table, volumes)
    return _of_images(file, table, volumes)


def _of_table(file: CohortFile, table: Path | None, volumes: bool) -> ImageFiles:
    assert table is not None  # checked by CohortConfig
    frame = read_table(table, sheet=file.config.sheet)
    return ImageFiles(frame, *_files_of_table(file, frame, table, volumes))


def _of_images(file: CohortFile, table: Path | None, volumes: bool) -> ImageFiles:
    config = file.config
    files, problems = _files_given(file, config.images or (), volumes)
    paths, masks = split_masks(files)
    id_column = config.columns.id or config.columns.path
    frame = pd.DataFrame()
    if table is not None and paths:
        fits = images_named(paths, id_column, config.columns.id_pattern)
        frame = read_table(table, sheet=config.sheet, fits=fits)
    return ImageFiles(frame, paths, id_column, problems, masks)


def _files_given(
    file: CohortFile, images: Sequence[str], volumes: bool
) -> tuple[list[Path], list[Failure]]:
    """Image files or volumes of folders, files and globs, and what is missing."""
    expand = expand_volumes if volumes else expand_paths
    paths: list[Path] = []
    failures: list[Failure] = []
    for item in images:
        pattern = item if is_address(item) else str(file.resolve(item))
        files, errors = expand([pattern])
        paths += files
        failures += [Failure.of(pattern, error) for error in errors]
    return list(dict.fromkeys(paths)), failures


def _files_of_table(
    file: CohortFile, frame: pd.DataFrame, table: Path, volumes: bool
) -> tuple[list[Path], str, list[Failure]]:
    """Image files that the table names, relative to COHORT.toml or else to the table."""
    column = find_column(frame, file.config.columns.path, PATH_COLUMNS, "path column", table)
    if column is None:
        columns = listing(frame.columns, 12)
        fix = f'write images = "FOLDER", or [columns] path = one of: {columns}'
        raise UsageError(
            f"{file.path.name}: no images are given, and {table} has no path column", fix
        )
    paths: list[Path] = []
    missing: list[str] = []
    for cell in texts(frame[column]):
        address = _address_of_cell(cell, table)
        if address is not None:
            paths.append(fetched(address) if volumes else expected(address))
            continue
        path = _file_of_cell(cell, (file.path.parent, table.parent), volumes) if cell else None
        if path is None or not path.exists():
            missing.append(cell)
        else:
            paths.append(path)
    named = [cell for cell in missing if cell]
    if named and not paths:
        what = (
            f"{file.path.name}: none of the {count(named, 'file')} in column {column!r} of {table} "
            f"is here, such as {file.resolve(named[0])}"
        )
        raise UsageError(what, 'write images = "FOLDER": where they lie now')
    failures = [rows_without_image(table, column, missing)] if missing else []
    return paths, column, failures


def _address_of_cell(cell: str, table: Path) -> str | None:
    """The address that a cell is, or names from the folder of a table that lies at an address."""
    if not cell or is_address(cell):
        return cell or None
    folder = address_of(table.parent)
    return None if folder is None or Path(cell).is_absolute() else joined(folder, cell)


def _file_of_cell(cell: str, folders: Sequence[Path], volumes: bool) -> Path:
    """The file that a cell names, from any of the folders; else where it should be.

    A volume may be a folder, that of a DICOM series.

    Backslashes divide folders. Where nothing is there, the path is tried without the folders it
    begins with, the longest rest first: a dataset's folder may have been renamed, or be this one.
    """
    path = Path(cell).expanduser()
    candidates = [folder / path for folder in folders]
    parts = bare_parts(cell)
    for start in range(len(parts)):
        rest = Path(*parts[start:])
        candidates += [folder / rest for folder in folders]
    is_there = Path.exists if volumes else Path.is_file
    return next((path for path in candidates if is_there(path)), candidates[0])
