"""From what a user typed to images: find the files, recognise each by its content, read it."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from camlucida.core.errors import ImageError, did_you_mean
from camlucida.core.files import reading
from camlucida.core.messages import Message, declare, quoted
from camlucida.io import dicom
from camlucida.io.decoder_output import caught_output, known_words
from camlucida.io.image import MAX_BYTES, READERS, RawImage, Reader, known_suffixes, readable
from camlucida.io.keyed_files import actual_path
from camlucida.io.raster import bmp, gif, jpeg, jpeg2000, png, pnm, tiff, webp
from camlucida.io.storage import fetch, is_address, list_images

# In the order they are tried: DICOM first, for its preamble may hold a whole TIFF header.
READERS.add("DICOM", dicom.READER)
READERS.add("PNG", png.READER)
READERS.add("JPEG", jpeg.READER)
READERS.add("JPEG 2000", jpeg2000.READER)
READERS.add("BMP", bmp.READER)
READERS.add("GIF", gif.READER)
READERS.add("WebP", webp.READER)
READERS.add("PNM", pnm.READER)
READERS.add("TIFF", tiff.READER)

declare("image", {"decoder": "its decoder remarked: {line}"})

# Words of libtiff, libjpeg and others for damaged pixels; what they say of a tag is a remark.
_REMARK = re.compile(r"warning|TIFFFetchNormalTag|unknown field", re.IGNORECASE)
_DAMAGE = re.compile(
    r"error|corrupt|damag|incorrect|truncat|premature|\bbad\b|invalid|not enough|panicked|not yet",
    re.IGNORECASE,
)

_OTHER = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (or an Office or NumPy file)",
    b"\x1f\x8b": "a gzip file (a compressed NIfTI volume?)",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}


def read_image(path: str | Path, frame: int | None = None) -> RawImage:
    """Read one image: PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP, PNM, DICOM, or as registered.

    Args:
        path: the file; its content decides the reader, not its name.
        frame: frame or page, counted from 0; None reads the first and warns where there are more.

    Returns:
        The image; see :class:`RawImage` for shapes and ranges.

    Raises:
        ImageError: missing, empty, damaged, too large, of a kind not read here, or without an image
            in it.

    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> from camlucida.io import write_synthetic_png
    >>> with TemporaryDirectory() as folder:
    ...     write_synthetic_png(f"{folder}/a.png", np.full((2, 2), 51, np.uint8))
    ...     image = read_image(f"{folder}/a.png")
    >>> image.id, image.pixels.shape, round(float(image.pixels.max()), 3), image.synthetic
    ('a', (2, 2), 0.2, True)
    """
    path = Path(path)
    data = file_bytes(path)
    name, reader = _reader(path, data)
    with caught_output() as lines, readable(path, name):
        image = reader.read(path, data, frame)
    notes = _decoder_notes(path, name, lines)
    sha256 = hashlib.sha256(data).hexdigest()
    source = {
        "path": str(path),
        "sha256": sha256,
        "format": name,
        "size": image.pixels.shape[:2],
        **image.source,
    }
    return replace(image, source=source, warnings=(*image.warnings, *notes))


def _decoder_notes(path: Path, kind: str, lines: list[str]) -> tuple[Message, ...]:
    """Notes of what the decoder wrote while it read the pixels; a report of damage is an error."""
    errors = [line for line in lines if _DAMAGE.search(line) and not _REMARK.search(line)]
    if errors:
        raise ImageError(
            f"{path} is a damaged {kind} file: its decoder reports {known_words(errors[0])!r}",
            "open it in a viewer, or export it again",
        )
    remarks = dict.fromkeys(map(known_words, lines[:3]))
    return tuple(Message("image.decoder", {"line": quoted(remark)}) for remark in remarks)


def expand_paths(items: Sequence[str | Path]) -> tuple[list[Path], list[ImageError]]:
    """Files, folders and globs → image files.

    Args:
        items: a file is taken as it is; a folder is searched with its subfolders for image suffixes
            and for DICOM files without a suffix (hidden ones left out); a glob (``**`` allowed)
            likewise keeps only image files. An address such as ``s3://bucket/films`` is searched
            likewise; its paths are those of local copies, fetched when they are read.

    Returns:
        (paths, errors): each path once, sorted within an item; one error for each item that gave
        nothing, and for each folder that cannot be searched.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "a.png").touch()
    ...     Path(folder, "notes.txt").touch()
    ...     paths, errors = expand_paths([folder])
    >>> [path.name for path in paths], errors
    (['a.png'], [])
    """
    paths: dict[Path, None] = {}
    errors: list[ImageError] = []
    for item in items:
        try:
            with reading(Path(item), ImageError, "the path"):
                paths.update(dict.fromkeys(_expand(str(item), errors)))
        except ImageError as error:
            errors.append(error)
    return list(paths), errors


def _expand(item: str, errors: list[ImageError]) -> list[Path]:
    """The images of one item; what could not be searched goes to ``errors``."""
    if is_address(item):
        return list_images(item)
    path = Path(item).expanduser()
    if path.is_dir():
        before = len(errors)
        images = _search(path, errors)
        if not images and len(errors) == before:
            raise ImageError(
                f"no image in the folder {path}",
                f"looked for {_suffixes()} and DICOM files without a suffix",
            )
        return images
    if path.exists():
        return [path]
    if glob.has_magic(item):
        return _match(str(path), errors)
    raise missing(path)


def _match(pattern: str, errors: list[ImageError]) -> list[Path]:
    # Not by Path.glob, which takes no absolute pattern.
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207
    matches = sorted(map(Path, names))
    before = len(errors)
    images: set[Path] = set()
    for match in matches:
        files = _search(match, errors) if match.is_dir() else [match]
        images.update(filter(_is_image, files))
    if not images and len(errors) == before:
        what = "no image among what matches" if matches else "nothing matches"
        raise ImageError(f"{what} {pattern}")
    return sorted(images)


def _search(folder: Path, errors: list[ImageError]) -> list[Path]:
    images: list[Path] = []

    def refused(error: OSError) -> None:
        errors.append(ImageError(f"cannot search the folder ({error.strerror}): {error.filename}"))

    for root, folders, files in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if "explanations.json" in files:  # what an earlier run wrote, not what it was given
            continue
        visible = [Path(root, name) for name in files if not name.startswith(".")]
        images += filter(_is_image, visible)
    return sorted(images)


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    try:
        if not path.is_file():
            return False
    except OSError:  # reading it will say why
        return suffix in known_suffixes()
    if suffix in known_suffixes():
        return True
    # "IM0001" and "1.2.840.113619.2" are how scanners name DICOM files; DICOMDIR is only their
    # index.
    if (suffix and not suffix[1:].isdigit()) or path.name == "DICOMDIR":
        return False
    try:
        with path.open("rb") as file:
            return dicom.has_prefix(file.read(132))
    except OSError:
        return False


def _suffixes() -> str:
    return " ".join(sorted(known_suffixes()))


def missing(path: Path) -> ImageError:
    """The error for a file that is not there, with the names that are near.

    Args:
        path: of the file.
    """
    try:
        names = sorted(
            entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")
        )
    except OSError:
        return ImageError(f"no such file: {path}", f"nor is there a folder {path.parent}")
    return ImageError(
        f"no such file: {path}",
        did_you_mean(path.name, names, limit=5) if names else "the folder is empty",
    )


def file_bytes(path: Path) -> bytes:
    """All bytes of a file.

    Args:
        path: of the file, or a keyed one (:mod:`camlucida.io.keyed_files`).

    Raises:
        ImageError: no file, empty, or larger than :data:`~camlucida.io.image.MAX_BYTES`.
    """
    file = actual_path(path)  # errors name the path that was given
    with reading(path, ImageError, "the file"):
        fetch(file)
        if file.is_dir():
            raise ImageError(f"{path} is a folder", "name a file in it, or expand the folder first")
        if not file.exists():
            raise missing(path)
        if not file.is_file():
            raise ImageError(f"{path} is not a regular file")
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise ImageError(
                f"{path} has {size:,} bytes; the limit is {MAX_BYTES:,}",
                "split or compress it first",
            )
        data = file.read_bytes()
    if not data:
        raise ImageError(f"{path} is empty (0 bytes)", "copy or export it again")
    return data


def _reader(path: Path, data: bytes) -> tuple[str, Reader]:
    head = data[:1024]
    for name, reader in READERS.items():
        if reader.matches(head):
            return name, reader
    seen = next(
        (kind for magic, kind in _OTHER.items() if head.lstrip().startswith(magic)),
        "of an unknown kind",
    )
    fix = f"readable: {', '.join(READERS)}"
    is_nifti = head[344:348] in (b"n+1\0", b"ni1\0")
    if is_nifti or path.name.lower().endswith(".nii.gz"):
        seen, fix = "a NIfTI volume", "volumes are for a model whose card has [volume]"
    raise ImageError(f"{path} is {seen}, not an image that can be read", fix)
