"""The header of the image that was explained, reduced to what objects of its study need.

Everything else stays behind: institution, operators, comments, dates of the series, private
elements. The lists are reviewed, and a test compares every written object with them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID
from pydicom.valuerep import DA, TM, PersonName

from camlucida.core.errors import ImageError
from camlucida.io.dicom.header import number
from camlucida.io.dicom.parse import check_image, parse, parsing
from camlucida.io.dicom.patients import DIGITS, secret_key
from camlucida.io.dicom.reader import READER
from camlucida.io.read import file_bytes

PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
"""Of the patient module; an object must have each, if only empty."""

STUDY = ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")
"""Of the study module; an object must have each, if only empty."""

IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")

PIXELS = (
    *("SOPClassUID", "Modality", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PatientOrientation"),
    *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness"),
    *("SpacingBetweenSlices", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"),
    *("VOILUTFunction", "BurnedInAnnotation", "LossyImageCompression"),
    *("BodyPartExamined", "Laterality", "ImagerPixelSpacing"),
)
"""Of the pixels: size, place, grey levels, part of the body."""

PLACE = (
    *("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "SliceThickness"),
)
"""Where an image lies in the patient: all of it is taken, or nothing."""

TABLES = {
    "ModalityLUTSequence": ("LUTDescriptor", "ModalityLUTType", "LUTData"),
    "VOILUTSequence": ("LUTDescriptor", "LUTData"),
}
"""Look-up tables of grey levels, and what is kept of their items."""

ALLOWED = frozenset((*PATIENT, "IssuerOfPatientID", *STUDY, *IDENTITY, *PIXELS, *TABLES))
"""Every keyword that is taken from an image."""

_UIDS = ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")

METHOD = "camlucida: reviewed attributes only, keyed identifiers"
"""What a de-identified object says of how it was made."""


def read_source(path: Path, sha256: str | None) -> Dataset:
    """The reduced header of an image.

    Args:
        path: of the image that was explained.
        sha256: of the file when it was explained; None where that is not recorded.

    Returns:
        Elements of :data:`ALLOWED` alone, texts in Unicode. Of a file of several frames, the first
        of which is the image, ``NumberOfFrames`` is in it.

    Raises:
        ImageError: as of :func:`checked_dataset` and :func:`reduced`.
    """
    dataset = checked_dataset(path, sha256)
    header = reduced(path, dataset)
    frames = int(number(dataset, "NumberOfFrames") or 1)
    if frames > 1:
        header.NumberOfFrames = frames
    return header


def checked_dataset(path: Path, sha256: str | None) -> Dataset:
    """The whole header of an image.

    Args:
        path: of the image that was explained.
        sha256: of the file when it was explained; None where that is not recorded.

    Raises:
        ImageError: no DICOM file, or another file than the one that was explained.
    """
    data = file_bytes(path)
    if not READER.matches(data[:1024]):
        raise ImageError(
            f"{path} is no DICOM file, so there is no study to which objects could belong",
            "explain the DICOM images themselves",
        )
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise ImageError(
            f"{path} has changed since it was explained", "explain it again, then export"
        )
    with parsing(path):
        dataset = parse(path, data)
        check_image(path, dataset)
        dataset.decode()
    return dataset


def reduced(path: Path, dataset: Dataset) -> Dataset:
    """Of a header what objects may repeat: elements of :data:`ALLOWED` alone, texts in Unicode.

    Args:
        path: of the image, for messages.
        dataset: its header.

    Raises:
        ImageError: identifiers are missing or invalid.
    """
    with parsing(path):
        header = _reduced(dataset)
    for keyword in _UIDS:
        if not UID(str(header.get(keyword, ""))).is_valid:
            raise ImageError(
                f"{path} has no valid {keyword}, so objects cannot refer to it",
                "export the image again from the archive",
            )
    return header


def has_place(header: Dataset) -> bool:
    """Whether an image states where it lies in the patient.

    Args:
        header: reduced.
    """
    return "ImagePositionPatient" in header


def _reduced(dataset: Dataset) -> Dataset:
    header = Dataset()
    for keyword in sorted(ALLOWED & set(dataset.dir())):
        value = dataset[keyword].value
        if keyword in TABLES:
            value = DicomSequence([_item(item, TABLES[keyword]) for item in value])
        if isinstance(value, PersonName):
            value = str(value)  # it would keep the character set of its file
        setattr(header, keyword, value)
    for keyword in (*PATIENT, *STUDY):
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    header.SpecificCharacterSet = "ISO_IR 192"
    _mend(header)
    return header


def _mend(header: Dataset) -> None:
    """Empty what the standard does not allow, so that one bad value costs no object."""
    header.PatientBirthDate = _date(header.PatientBirthDate)
    header.StudyDate, header.StudyTime = _date(header.StudyDate), _time(header.StudyTime)
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = ""
    if not re.fullmatch(r"[A-Z]{1,16}", str(header.get("BodyPartExamined", ""))):
        header.pop("BodyPartExamined", None)
    if header.get("Laterality") not in ("L", "R"):
        header.pop("Laterality", None)
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    header.pop("ImagerPixelSpacing", None)
    if any(header.get(keyword) in (None, "") for keyword in PLACE):
        for keyword in PLACE:
            header.pop(keyword, None)
        # Of a film the spacing alone is kept, under the name of which highdicom makes no place.
        if isinstance(spacing, MultiValue) and len(spacing) == 2:
            header.ImagerPixelSpacing = spacing


def _date(text: Any) -> str:
    """A date as the standard has it; "" of anything else. Old files have dots in it."""
    try:
        return str(DA(str(text).replace(".", "")) or "")
    except ValueError:
        return ""


def _time(text: Any) -> str:
    """A time as the standard has it; "" of anything else. Old files have colons in it."""
    try:
        return str(TM(str(text).replace(":", "")) or "")
    except ValueError:
        return ""


def _item(item: Dataset, keywords: tuple[str, ...]) -> Dataset:
    kept = Dataset()
    for keyword in keywords:
        if keyword in item:
            kept[keyword] = item[keyword]
    return kept


def deidentified(header: Dataset) -> Dataset:
    """A reduced header without a person: names and dates are gone, identifiers are keyed.

    The identifiers of one patient, study or image stay the same in all exports of this user
    (:func:`~camlucida.io.dicom.patients.secret_key`), and cannot be turned back.

    Args:
        header: of :func:`read_source`.

    >>> header = Dataset()
    >>> header.PatientID, header.PatientName, header.StudyDate = "4711", "Doe^Jane", "20200101"
    >>> header.StudyInstanceUID = "1.2.3"
    >>> plain = deidentified(header)
    >>> plain.StudyDate, plain.PatientIdentityRemoved, str(plain.PatientName) == plain.PatientID
    ('', 'YES', True)
    """
    plain = deepcopy(header)  # elements would be shared otherwise
    for keyword in (*PATIENT, *STUDY):
        setattr(plain, keyword, "")
    parts = [str(header.get(keyword) or "") for keyword in ("PatientID", "IssuerOfPatientID")]
    whose = parts if parts[0] else [str(header.get("StudyInstanceUID", ""))]
    plain.PatientID = plain.PatientName = f"case-{_digest(*whose)[:DIGITS]}"
    plain.pop("IssuerOfPatientID", None)
    for keyword in IDENTITY:
        if header.get(keyword):
            setattr(plain, keyword, keyed_uid(str(header[keyword].value)))
    plain.PatientIdentityRemoved = "YES"
    plain.DeidentificationMethod = METHOD
    plain.LongitudinalTemporalInformationModified = "REMOVED"
    return plain


def keyed_uid(original: str) -> UID:
    """A UID in place of another one, the same each time for this user.

    Args:
        original: UID.

    >>> keyed_uid("1.2.3") == keyed_uid("1.2.3"), keyed_uid("1.2.3").is_valid
    (True, True)
    """
    return UID(f"2.25.{int(_digest(original)[:32], 16)}")


def _digest(*parts: str) -> str:
    text = "\0".join(parts)
    return hmac.new(secret_key(), text.encode(), hashlib.sha256).hexdigest()


def add_body_part(dataset: Any, header: Dataset) -> None:
    """The part of the body and its side, which the standard wants of a series.

    Args:
        dataset: the object.
        header: of its image.
    """
    if "BodyPartExamined" in header:
        dataset.BodyPartExamined = header.BodyPartExamined
    if "Laterality" in header or "BodyPartExamined" not in header:
        dataset.Laterality = header.get("Laterality", "")


def add_identity(dataset: Any, header: Dataset) -> None:
    """What highdicom leaves out of every object: issuer, and that it is de-identified.

    Args:
        dataset: the object.
        header: of its image.
    """
    names = ("IssuerOfPatientID", "PatientIdentityRemoved", "DeidentificationMethod")
    for keyword in (*names, "LongitudinalTemporalInformationModified"):
        if keyword in header:
            dataset[keyword] = header[keyword]
