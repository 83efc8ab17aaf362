"""What is read of a DICOM header: numbers, codes and remarks, nothing about a person."""

from __future__ import annotations

import math
import re
from typing import Any

from pydicom import Dataset

from camlucida.core.messages import Message, declare
from camlucida.io.image import HeaderError

declare(
    "image",
    {
        "for_processing": (
            "this image is FOR PROCESSING (raw detector data), not what a reader sees: "
            "prefer FOR PRESENTATION"
        ),
        "burned_in": (
            "text is burned into the pixels; it is not removed, "
            "and may name a person or mislead the model"
        ),
        "segmentation": "this is a segmentation, not an image",
    },
)

_CODES = {
    "modality": "Modality",
    "photometric": "PhotometricInterpretation",
    "view": "ViewPosition",
    "laterality": "ImageLaterality",
}


_TERMS = {
    "modality": frozenset(
        (
            *("CR", "CT", "DX", "MG", "MR", "NM", "PT", "US", "XA", "RF"),
            *("IO", "PX", "OT", "SC", "SEG", "ES", "OP", "OPT", "GM", "SM"),
            *("XC", "TG", "DG", "BMD", "RTIMAGE"),
        )
    ),
    "photometric": frozenset(
        (
            *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422"),
            *("YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB"),
        )
    ),
    "view": frozenset(
        (
            *("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO", "LATERAL", "LAT"),
            *("OBL", "AXIAL", "TAN", "CC", "MLO", "ML", "LM", "LMO", "FB", "SIO", "XCC"),
        )
    ),
    "laterality": frozenset("LRUB"),
}
"""DICOM's terms of each of these codes."""


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value of a numeric element; None where it is absent, empty or not finite.

    Args:
        dataset: its header.
        keyword: DICOM's name of the element, such as ``WindowWidth``.

    Raises:
        HeaderError: the element holds text that is no number.

    >>> dataset = Dataset()
    >>> dataset.WindowWidth = [400, 80]
    >>> number(dataset, "WindowWidth"), number(dataset, "WindowCenter")
    (400.0, None)
    """
    value = dataset.get(keyword)
    is_text = isinstance(value, (str, bytes))
    if hasattr(value, "__getitem__") and not is_text:
        value = value[0] if len(value) else None
    if value is None or value == "":
        return None
    try:
        finite = float(value)
    except (TypeError, ValueError):
        # Not chained: the error of Python quotes the text.
        raise HeaderError(f"its {keyword} is no number") from None
    return finite if math.isfinite(finite) else None


def code(dataset: Dataset, keyword: str) -> str:
    """A code string in capitals; "" where it is absent.

    Args:
        dataset: its header.
        keyword: DICOM's name of the element, such as ``Modality``.

    >>> dataset = Dataset()
    >>> dataset.BurnedInAnnotation = "YES"
    >>> code(dataset, "BurnedInAnnotation"), code(dataset, "Modality")
    ('YES', '')
    """
    return str(dataset.get(keyword) or "").strip().upper()


def photometric(dataset: Dataset) -> str:
    """The photometric interpretation, such as ``MONOCHROME2``.

    Args:
        dataset: its header, which must have one.
    """
    return code(dataset, "PhotometricInterpretation")


def bits_stored(dataset: Dataset) -> int:
    """Bits of a stored value; those of its cell where the header does not say.

    Args:
        dataset: its header.

    >>> dataset = Dataset()
    >>> dataset.BitsAllocated = 16
    >>> bits_stored(dataset)
    16
    """
    return int(number(dataset, "BitsStored") or dataset.BitsAllocated)


def described(dataset: Dataset) -> dict[str, Any]:
    """What a reader of the result may need of the header.

    Codes and numbers about the image, nothing about a person.

    Args:
        dataset: its header.

    Returns:
        Name → text, number or list of numbers; spacing in mm, rows first.
    """
    fields: dict[str, Any] = {"bits": bits_stored(dataset)}
    for name, keyword in _CODES.items():
        value = code(dataset, keyword)
        # One of DICOM's terms; anything else may be somebody's free text.
        if value in _TERMS[name]:
            fields[name] = value
    direction = dataset.get("PatientOrientation")
    # To which side of the patient the rows run: L, unless the image is mirrored.
    if direction and re.fullmatch(r"[LRAPHF]{1,3}", str(direction[0])):
        fields["row_direction"] = str(direction[0])
    fields["transfer_syntax"] = syntax_name(dataset.file_meta.TransferSyntaxUID)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = dataset.get(keyword)
        if spacing and len(spacing) == 2:
            try:
                fields["spacing_mm"] = [float(step) for step in spacing]
            except (TypeError, ValueError):
                raise HeaderError(f"its {keyword} holds no numbers") from None
            fields["spacing_from"] = keyword
            break
    return fields


def syntax_name(syntax: Any) -> str:
    """The standard's name of a transfer syntax; never the text of one that it does not know.

    Args:
        syntax: its UID.

    >>> from pydicom.uid import UID
    >>> syntax_name(UID("1.2.840.10008.1.2")), syntax_name(UID("1.2.3"))
    ('Implicit VR Little Endian', 'an unknown transfer syntax')
    """
    name = str(getattr(syntax, "name", syntax))
    return "an unknown transfer syntax" if name == str(syntax) else name


def remarks(dataset: Dataset) -> tuple[Message, ...]:
    """Warnings about what the header says of the pixels.

    Args:
        dataset: its header.

    >>> dataset = Dataset()
    >>> dataset.Modality = "SEG"
    >>> [str(remark) for remark in remarks(dataset)]
    ['this is a segmentation, not an image']
    """
    notes = []
    if code(dataset, "PresentationIntentType") == "FOR PROCESSING":
        notes.append(Message("image.for_processing"))
    if code(dataset, "BurnedInAnnotation") == "YES":
        notes.append(Message("image.burned_in"))
    if dataset.get("Modality") == "SEG":
        notes.append(Message("image.segmentation"))
    return tuple(notes)
