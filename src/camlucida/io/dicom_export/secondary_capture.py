"""Secondary capture: film and overlay as a picture that every viewer shows."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset

from camlucida.io.dicom_export.content import (
    NO_PROBABILITY,
    VISUAL_EXPLANATIONS,
    ExportedMap,
    ImageContent,
    equipment,
    shortened,
)
from camlucida.io.dicom_export.references import study_of
from camlucida.io.dicom_export.source import add_body_part, add_identity


def secondary_capture(
    header: Dataset, content: ImageContent, item: ExportedMap, instance: dict[str, Any]
) -> Dataset:
    """The picture of one map.

    It claims no pixel spacing: its pixels are those of a drawing.

    Args:
        header: of the image.
        content: of the image.
        item: the map.
        instance: UIDs and numbers.
    """
    from highdicom.sc import ConversionTypeValues, SCImage
    from highdicom.sr import CodedConcept

    capture = SCImage(
        pixel_array=item.picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        specific_character_set="ISO_IR 192",
        **study_of(header),
        **equipment(content.algorithm),
        **instance,
    )
    capture.PatientOrientation = []  # a sheet of two panels has none
    capture.ConversionType = ConversionTypeValues.WSD.value
    capture.ImageType = ["DERIVED", "SECONDARY"]
    about = f"{item.title} at {item.layer}. {NO_PROBABILITY} {content.notice}"
    capture.DerivationDescription = shortened(about, 1024)
    capture.ImageComments = capture.DerivationDescription
    capture.SourceImageSequence = [_reference(header)]
    code = VISUAL_EXPLANATIONS[item.explains]
    capture.DerivationCodeSequence = [CodedConcept(*code[:3])]
    capture.BurnedInAnnotation = _burned_in(header, content)
    if header.get("LossyImageCompression") == "01":
        capture.LossyImageCompression = "01"
    add_body_part(capture, header)
    add_identity(capture, header)
    return capture


def _reference(header: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = header.SOPClassUID
    reference.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return reference


def _burned_in(header: Dataset, content: ImageContent) -> str:
    """Whether letters in the film may name the patient; the words of the sheet name nobody."""
    if content.burned_in or header.get("BurnedInAnnotation") != "NO":
        return "YES"
    return "NO"
