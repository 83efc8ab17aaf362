"""A DICOM file's data set, within bounds, and whether there is an image in it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread, uid
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble

from camlucida.core.errors import ImageError
from camlucida.io.image import MAX_BYTES, quiet, readable

_NEEDED = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")


@contextmanager
def parsing(path: Path, what: str = "a DICOM file") -> Iterator[None]:
    """Inside, pydicom writes no warnings, and its errors become one line that quotes no header.

    Args:
        path: of the file, for messages.
        what: it is read as.

    Raises:
        ImageError: the body raised anything.

    >>> with parsing(Path("a.dcm")):
    ...     raise ValueError("a name")
    Traceback (most recent call last):
        ...
    camlucida.core.errors.ImageError: cannot read a.dcm as a DICOM file: ValueError (the file is \
damaged or cut short: open it in a viewer, or export it again)
    """
    with quiet("pydicom"), readable(path, what, quote=False):
        yield


def parse(path: Path, data: bytes) -> Dataset:
    """The data set; a deflated one is inflated here, because pydicom does it without a limit.

    Args:
        path: of the file, for messages.
        data: the file's bytes.

    Raises:
        ImageError: it inflates to more than the limit, or is cut short.
    """
    file = BytesIO(data)
    read_preamble(file, True)
    meta = _read_file_meta_info(file)
    if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return dcmread(BytesIO(data), force=True)
    inflated = _inflated(path, data[file.tell() :])
    dataset = read_dataset(BytesIO(inflated), is_implicit_VR=False, is_little_endian=True)
    dataset.file_meta = meta
    return dataset


def _inflated(path: Path, deflated: bytes) -> bytes:
    limit = MAX_BYTES // 8
    # Negative: DICOM deflates without the header and checksum of zlib.
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(deflated, limit)
    if inflater.unconsumed_tail:
        raise ImageError(
            f"{path} inflates to more than {limit:,} bytes",
            "store it without deflate, if it is genuine",
        )
    if not inflater.eof:
        raise ImageError(f"{path} is cut short inside its deflated data", "copy or export it again")
    return inflated


def check_image(path: Path, dataset: Dataset) -> None:
    """Check that a data set holds an image of whole numbers.

    Args:
        path: of the file, for messages.
        dataset: of the file.

    Raises:
        ImageError: a document, floating-point pixels, no pixels, or a header that lacks what their
            shape depends on.
    """
    kind = _kind(dataset)
    if "EncapsulatedDocument" in dataset:
        raise ImageError(
            f"{path} holds a document ({kind}), not an image", "export the image it was made from"
        )
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise ImageError(
            f"{path} holds floating-point pixels ({kind}), which have no black and white"
        )
    if "PixelData" not in dataset:
        raise ImageError(
            f"{path} has no pixel data ({kind})", "choose an image object of the study"
        )
    absent = [keyword for keyword in _NEEDED if dataset.get(keyword) in (None, "")]
    if absent:
        raise ImageError(
            f"{path} does not say its {', '.join(absent)}", "export it again from the source"
        )


def _kind(dataset: Dataset) -> str:
    """The standard's name of its class; never the text of a class that it does not know."""
    sop_class = dataset.get("SOPClassUID")
    if isinstance(sop_class, uid.UID) and sop_class.name != sop_class:
        return sop_class.name
    return "a DICOM file"
