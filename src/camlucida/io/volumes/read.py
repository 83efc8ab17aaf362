"""From what a user typed to volumes: find them, recognise each by its content, read it."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from camlucida.core.errors import ImageError
from camlucida.core.files import reading
from camlucida.io import dicom
from camlucida.io.image import VOLUME_SUFFIXES
from camlucida.io.keyed_files import actual_path
from camlucida.io.read import file_bytes, missing
from camlucida.io.storage import fetched, is_address
from camlucida.io.volumes.multiframe import frame_count, read_multiframe
from camlucida.io.volumes.nifti import is_nifti, read_nifti
from camlucida.io.volumes.series import dicom_files, read_series
from camlucida.io.volumes.volume import Volume

_GZIP = b"\x1f\x8b"
_NIFTI = (b"n+1\0", b"ni1\0")


def read_volume(path: str | Path, frame: int | None = None) -> Volume:
    """Read one volume: a NIfTI file, a folder of a DICOM series, or a DICOM file of many frames.

    Args:
        path: the file, or the folder of the series.
        frame: of a NIfTI file with several volumes, from 0; None reads the first and warns.

    Returns:
        The volume; see :class:`Volume` for axes and units.

    Raises:
        ImageError: missing, damaged, too large, or no volume.

    >>> from tempfile import TemporaryDirectory
    >>> import nibabel, numpy as np
    >>> image = nibabel.Nifti1Image(np.ones((4, 3, 2), np.int16), np.diag([2, 2, 5, 1]))
    >>> with TemporaryDirectory() as folder:
    ...     nibabel.save(image, f"{folder}/a.nii.gz")
    ...     volume = read_volume(f"{folder}/a.nii.gz")
    >>> volume.id, volume.values.shape, volume.source["orientation"], volume.source["spacing_mm"]
    ('a', (2, 3, 4), 'SAR', [5.0, 2.0, 2.0])
    """
    path = Path(path).expanduser()
    folder = actual_path(path)
    if folder.is_dir():
        series = read_series(folder)
        return replace(series, source=series.source | {"path": str(path)})
    data = file_bytes(path)
    head = data[:1024]
    if head.startswith(_GZIP) or head[344:348] in _NIFTI or head[4:7] in (b"n+2", b"ni2"):
        return read_nifti(path, data, frame)
    if dicom.READER.matches(head):
        if frame is not None:
            raise ImageError(f"{path} is one volume: it has no volume {frame}", "leave --frame out")
        return read_multiframe(path, data)
    raise ImageError(
        f"{path} is no volume that can be read",
        "readable: NIfTI, a folder of a DICOM series, a DICOM file of many frames",
    )


def expand_volumes(items: Sequence[str | Path]) -> tuple[list[Path], list[ImageError]]:
    """Files, folders and globs → volumes.

    Args:
        items: a file is taken as it is, and an address such as ``s3://bucket/scans`` is fetched
            first. A folder gives its NIfTI files and those of its
            subfolders, and each folder with DICOM files in it as one series, or as one volume a
            file where they have several frames.

    Returns:
        (paths, errors): each path once, sorted within an item; one error for each item that gave
        nothing.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "a.nii.gz").touch()
    ...     Path(folder, "notes.txt").touch()
    ...     paths, errors = expand_volumes([folder])
    >>> [path.name for path in paths], errors
    (['a.nii.gz'], [])
    """
    paths: dict[Path, None] = {}
    errors: list[ImageError] = []
    for item in items:
        try:
            with reading(Path(item), ImageError, "the path"):
                paths.update(dict.fromkeys(_expand(str(item))))
        except ImageError as error:
            errors.append(error)
    return list(paths), errors


def _expand(item: str) -> list[Path]:
    path = fetched(item) if is_address(item) else Path(item).expanduser()
    if path.is_dir():
        return _search(path)
    if path.exists():
        return [path]
    if not glob.has_magic(item):
        raise missing(path)
    # Not by Path.glob, which takes no absolute pattern.
    matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
    if not matches:
        raise ImageError(f"nothing matches {path}")
    volumes: list[Path] = []
    for match in matches:
        volumes += _search(match) if match.is_dir() else [match]
    return volumes


def _search(folder: Path) -> list[Path]:
    volumes: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "explanations.json" in files:  # what an earlier run wrote, not what it was given
            continue
        visible = sorted(Path(root, name) for name in files if not name.startswith("."))
        volumes += filter(is_nifti, visible)
        volumes += _dicom_volumes(Path(root))
    if not volumes:
        endings = " ".join(VOLUME_SUFFIXES)
        raise ImageError(f"no volume in the folder {folder}", f"looked for {endings} and DICOM")
    return volumes


def _dicom_volumes(folder: Path) -> list[Path]:
    """The folder itself, as a series, or its files of several frames."""
    files = dicom_files(folder)
    if not files:
        return []
    return files if frame_count(files[0], file_bytes(files[0])) > 1 else [folder]
