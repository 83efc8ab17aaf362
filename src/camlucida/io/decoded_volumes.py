"""Volumes of untrusted files: NIfTI, a ZIP of a DICOM series, a DICOM file of many frames.

Decoded in the child process of :mod:`camlucida.io.decoded`, and left as arrays in a folder.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory

import numpy as np

from camlucida.core.errors import ImageError
from camlucida.core.files import npy, write_bytes, write_json
from camlucida.core.messages import Message
from camlucida.io import dicom
from camlucida.io.image import MAX_BYTES
from camlucida.io.volumes.volume import Volume

VALUES = "volume.npy"
ABOUT = "volume.json"

MOST_FILES = 10_000
"""Files of a ZIP, at most."""

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"


def is_volume_alone(path: Path) -> bool:
    """Whether what lies at a path can be nothing but a volume: a folder, NIfTI, or a ZIP.

    Args:
        path: of a file or folder; one that is missing is none.
    """
    if path.is_dir():
        return True
    head = _head(path)
    return head.startswith((_GZIP, _ZIP)) or head[344:347] in (b"n+1", b"ni1")


def volume_of_frames(path: Path) -> Volume | None:
    """The volume of a DICOM file of many frames; None of any other file, and of a cine loop.

    Args:
        path: of a file that is read as an image, too.
    """
    from camlucida.io.volumes.multiframe import frame_count
    from camlucida.io.volumes.read import read_volume

    if not dicom.READER.matches(_head(path)):
        return None
    try:
        if frame_count(path, path.read_bytes()) < 2:
            return None
        return read_volume(path)
    except ImageError:
        return None


def read_untrusted(path: Path, scratch: Path) -> Volume:
    """Read a volume; that of a ZIP from the files that are in it.

    Args:
        path: a folder, NIfTI, or a ZIP of one DICOM series or one NIfTI file.
        scratch: folder in which a ZIP is unpacked for the time being.

    Raises:
        ImageError: damaged, too large, or no volume.
    """
    from camlucida.io.volumes.read import read_volume

    if path.is_dir() or not _head(path).startswith(_ZIP):
        return read_volume(path)
    with TemporaryDirectory(dir=scratch) as name:
        inside = _unpacked(path, Path(name))
        try:
            volume = read_volume(inside)
        except ImageError as error:
            # The names in there are of this process.
            what = error.what.replace(str(inside), str(path)).replace(f"{name}/", f"{path}: file ")
            raise ImageError(what, error.fix) from error
    return replace(volume, id=path.stem, source={**volume.source, "path": str(path)})


def write_volume(volume: Volume, folder: Path) -> None:
    """Leave a volume's values and description in a folder.

    Args:
        volume: as it was read.
        folder: that exists.
    """
    write_bytes(folder / VALUES, npy(volume.values))
    about = {
        "id": volume.id,
        "affine": volume.affine.tolist(),
        "oriented": volume.oriented,
        "window": volume.window,
        "source": {key: value for key, value in volume.source.items() if key != "path"},
        "warnings": [warning.to_json() for warning in volume.warnings],
        "synthetic": volume.synthetic,
    }
    write_json(folder / ABOUT, about)


def holds_volume(folder: Path) -> bool:
    """Whether a volume was decoded into a folder.

    >>> holds_volume(Path("nowhere"))
    False
    """
    return (folder / ABOUT).is_file()


def read_decoded_volume(folder: Path) -> Volume:
    """A volume that was decoded into a folder.

    Args:
        folder: as of :func:`write_volume`.

    Raises:
        ImageError: its files are gone or damaged.

    >>> with TemporaryDirectory() as folder:
    ...     write_volume(Volume(np.ones((2, 1, 1), np.float32), np.eye(4), "a"), Path(folder))
    ...     volume = read_decoded_volume(Path(folder))
    >>> volume.id, volume.values.shape, volume.window is None
    ('a', (2, 1, 1), True)
    """
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        window = about["window"]
        return Volume(
            values=np.load(folder / VALUES, allow_pickle=False),
            affine=np.array(about["affine"], np.float64),
            id=about["id"],
            oriented=about["oriented"],
            window=None if window is None else (float(window[0]), float(window[1])),
            source=about["source"],
            warnings=tuple(map(Message.from_json, about["warnings"])),
            synthetic=about["synthetic"],
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ImageError(f"the decoded volume in {folder.name} is gone", "give it again") from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError:
        return b""


def _unpacked(path: Path, folder: Path) -> Path:
    """The one NIfTI file of a ZIP, or the folder of its DICOM files, under names of our own."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if _is_wanted(each)]
            _check_members(path, members)
            for number, member in enumerate(members):
                _unpack(archive, member, folder / f"{number:05}")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        # RuntimeError: encrypted; OSError: a member that its decompressor refuses.
        what = f"{path} is a ZIP that cannot be unpacked (damaged, encrypted, or no space left)"
        raise ImageError(what, "pack it again without a password") from error
    return _volume_in(path, folder)


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    name = member.filename.rpartition("/")[2]
    is_hidden = name.startswith((".", "__")) or member.filename.startswith("__MACOSX/")
    return not member.is_dir() and not is_hidden and name != "DICOMDIR"


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if not members:
        raise ImageError(f"{path} is a ZIP without a file", "pack the files of one series")
    if len(members) > MOST_FILES:
        raise ImageError(
            f"{path} holds {len(members):,} files; the limit is {MOST_FILES:,}",
            "pack the files of one series",
        )
    claimed = sum(member.file_size for member in members)
    if claimed > MAX_BYTES:
        raise ImageError(
            f"{path} inflates to {claimed:,} bytes; the limit is {MAX_BYTES:,}",
            "pack the files of one series",
        )


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """One file; zipfile reads no more bytes of it than its header claims."""
    with archive.open(member) as source, target.open("wb") as file:
        copyfileobj(source, file)


def _volume_in(path: Path, folder: Path) -> Path:
    from camlucida.io.volumes.series import dicom_files

    slices = dicom_files(folder)
    others = [file for file in sorted(folder.iterdir()) if file not in slices]
    volumes = [file for file in others if is_volume_alone(file)]
    if len(slices) == 1 and not volumes:
        return slices[0]
    if slices and not volumes:
        return folder
    if len(volumes) == 1 and not slices:
        return _named(volumes[0])
    if volumes:
        raise ImageError(f"{path} is a ZIP of several volumes", "give them one by one")
    raise ImageError(
        f"{path} is a ZIP without a volume", "pack the DICOM files of one series, or a NIfTI file"
    )


def _named(file: Path) -> Path:
    """Under the ending that its reader knows."""
    ending = ".nii.gz" if _head(file).startswith(_GZIP) else ".nii"
    return file.rename(file.with_name(f"volume{ending}"))
