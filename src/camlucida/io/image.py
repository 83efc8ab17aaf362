"""One image as read from a file, and what every reader shares.

The registry, the size limit, frames and errors.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import CamlucidaError, ImageError
from camlucida.core.messages import Message, declare
from camlucida.core.registry import Registry
from camlucida.io.whole_files import whole_files_only

declare(
    "image",
    {
        "first_frame": "frame 0 of {frames} is shown; choose another with a frame number",
    },
)

MAX_PIXELS = 89_478_485
"""Most pixels one frame may have (Pillow's own limit, here for every format).

A larger claim is refused unread.
"""

VOLUME_SUFFIXES = (".nii.gz", ".nii")
"""Of NIfTI, the longer one first."""

MOST_SAMPLES = 8 * MAX_PIXELS
"""Most bytes the samples of one frame may have: 16-bit colour of the most pixels fits."""

MAX_BYTES = 2**31
"""Largest file, and largest inflated DICOM data set, in bytes."""


@dataclass(frozen=True)
class RawImage:
    """One image in its own pixels, before any model's transform.

    Attributes:
        pixels: (H, W) or (H, W, 3) float32, 0 = black and 1 = white of the full grey scale of the
            file's bit depth (never of this image's own minimum and maximum); MONOCHROME1 is
            inverted, EXIF orientation applied.
        display: the same pixels for people, uint8; DICOM: through rescale, window and polarity.
        id: the file's stem, and the frame's number where one was chosen (``liver_f2``).
        windowed: DICOM grey images only: (H, W) float32 in [0, 1], ``display`` before it is cut to
            8 bits.
        source: {"path", "sha256", "format", "size" (rows, columns), "bits", "frame", "frames", …};
            no patient attributes.
        warnings: one line each, for the person who reads the result.
        synthetic: the file says that it was generated.
    """

    pixels: NDArray[np.float32]
    display: NDArray[np.uint8]
    id: str
    windowed: NDArray[np.float32] | None = None
    source: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[Message, ...] = ()
    synthetic: bool = False


@dataclass(frozen=True)
class Reader:
    """One kind of file.

    Attributes:
        matches: whether a file's first bytes (up to 1 KiB) are of this kind.
        read: (path, the file's bytes, frame or None) → image. May raise anything; callers wrap it
            in :func:`readable`.
        suffixes: of such files, lower case with the dot. A folder is searched for them; the reader
            of a file is chosen by its content.
    """

    matches: Callable[[bytes], bool]
    read: Callable[[Path, bytes, int | None], RawImage]
    suffixes: tuple[str, ...] = ()


class HeaderError(ValueError):
    """An element of a header cannot be used.

    Its text names the element and says numbers, and never quotes a text of the file.
    """


READERS: Registry[Reader] = Registry("image format")


def known_suffixes() -> frozenset[str]:
    """Suffixes of every registered reader, lower case with the dot.

    >>> ".txt" in known_suffixes()
    False
    """
    suffixes: set[str] = set()
    for _, reader in READERS.items():
        suffixes.update(reader.suffixes)
    return frozenset(suffixes)


@contextmanager
def readable(path: Path, kind: str, *, quote: bool = True) -> Iterator[None]:
    """Turn whatever a decoder raises into one :class:`ImageError` line.

    Pillow refuses files that are cut short here.

    Args:
        path: the file, named in the error.
        kind: what it was read as ("a PNG image").
        quote: whether the decoder's own words may be repeated; False where they could hold a
            patient's data.

    Raises:
        ImageError: the decoder raised anything; an error of this package passes as it is.
    """
    try:
        with whole_files_only():
            yield
    except CamlucidaError:
        raise
    except BaseException as error:
        # A panic in a Rust decoder derives from BaseException, as KeyboardInterrupt and SystemExit
        # do: only it is ours.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        # An address is another in each process.
        detail = re.sub(r"<[\w.]+ object at 0x[0-9a-f]+>", "it", str(error))
        # What a decoder puts in quotes is text of the file.
        detail = re.sub(r"(['\"]).*?(\1|$)", "…", detail, flags=re.DOTALL)
        reason = type(error).__name__
        if isinstance(error, HeaderError):
            reason = str(error)
        elif reason == "UnidentifiedImageError":  # of Pillow, whose words name an object of Python
            reason = "its header cannot be read"
        elif quote and str(error):
            reason = f"{reason}: {detail}"[:300]
        raise ImageError(
            f"cannot read {path} as {kind}: {reason}",
            "the file is damaged or cut short: open it in a viewer, or export it again",
        ) from error


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Silence a decoder's warnings and log lines, which may quote the header.

    Args:
        loggers: names of its loggers; their levels are put back afterwards.

    >>> with quiet("decoder"):
    ...     logging.getLogger("decoder").error("a name")
    """
    silenced = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in silenced]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in silenced:
                logger.setLevel(logging.CRITICAL + 1)
            yield
        finally:
            for logger, level in zip(silenced, levels):
                logger.setLevel(level)


def check_size(path: Path, rows: int, columns: int, samples: int = 1, bits: int = 8) -> None:
    """Refuse a frame that claims no pixels, or more than the limits, before decoding it.

    These are :data:`MAX_PIXELS`, and :data:`MOST_SAMPLES` for numbers of many bits.

    Args:
        path: the file, for the message.
        rows: of one frame, in pixels.
        columns: of one frame, in pixels.
        samples: numbers a pixel.
        bits: of a number.

    Raises:
        ImageError: no pixels, or too many.

    >>> check_size(Path("a.png"), 1024, 1024, samples=3)
    """
    if min(rows, columns, samples) < 1:
        raise ImageError(
            f"{path} claims {rows} × {columns} pixels of {samples} samples: there is no image in it"
        )
    if rows * columns * max(1, samples // 4) > MAX_PIXELS:
        raise ImageError(
            f"{path} claims {rows} × {columns} pixels of {samples} samples; the limit is "
            f"{MAX_PIXELS:,} pixels",
            "if the file is genuine, scale it down or cut the region out first",
        )
    if rows * columns * samples * bits > 8 * MOST_SAMPLES:
        raise ImageError(
            f"{path} claims {rows} × {columns} pixels of {samples} samples of {bits} bits; the "
            f"limit is {MOST_SAMPLES:,} bytes",
            "if the file is genuine, save it with 16 bits, scale it down or cut the region out",
        )


def choose_frame(path: Path, frame: int | None, frames: int) -> tuple[int, tuple[Message, ...]]:
    """The frame to read, counted from 0, and a warning where nobody chose one of several.

    Args:
        path: the file, for the message.
        frame: the requested one, counted from 0; None for the first.
        frames: how many the file has.

    Raises:
        ImageError: there is no such frame.

    >>> choose_frame(Path("cine.dcm"), 2, 3)
    (2, ())
    """
    if frame is None:
        note = Message("image.first_frame", {"frames": frames})
        return 0, (note,) if frames > 1 else ()
    if not 0 <= frame < frames:
        last = f"numbers 0 to {frames - 1}" if frames > 1 else "only number 0"
        raise ImageError(
            f"no frame {frame} in {path}", f"it has {frames} frame{'s' * (frames > 1)}: {last}"
        )
    return frame, ()


def image_id(path: Path, frame: int | None) -> str:
    """A short name.

    The stem (the whole name where the suffix is none, as in ``1.2.840.10008``), then ``_f{frame}``.
    Of a compressed volume, ``head.nii.gz``, both suffixes go.

    Args:
        path: of the file.
        frame: its number from 0; None where none was chosen.

    >>> image_id(Path("scans/liver.png"), None), image_id(Path("1.2.840.10008"), 2)
    ('liver', '1.2.840.10008_f2')
    """
    stem = path.stem if path.suffix.lower() in known_suffixes() else path.name
    for suffix in VOLUME_SUFFIXES:
        if len(stem) > len(suffix) and stem.lower().endswith(suffix):
            stem = stem[: -len(suffix)]
            break
    return stem if frame is None else f"{stem}_f{frame}"


def to_display(unit: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """[0, 1] → 0–255, rounded.

    Args:
        unit: of any shape, in [0, 1].

    >>> to_display(np.array([0.0, 0.5, 1.0]))
    array([  0, 128, 255], dtype=uint8)
    """
    levels: NDArray[np.uint8] = np.rint(unit * 255).astype(np.uint8)
    return levels
