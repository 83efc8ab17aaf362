"""Structured report (TID 1500): the model's output for each target, and which region explains it.

A Comprehensive SR, which more archives and viewers read than Comprehensive 3D SR; the latter adds
coordinates of the patient, and a radiograph has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from camlucida import __version__
from camlucida.io.dicom_export.content import (
    MANUFACTURER,
    NO_PROBABILITY,
    SCHEME,
    VISUAL_EXPLANATIONS,
    Algorithm,
    ExportedMap,
    ImageContent,
    equipment,
    label_code,
    shortened,
)
from camlucida.io.dicom_export.source import add_identity
from camlucida.io.dicom_export.volume import volume_region


def structured_report(
    headers: Sequence[Dataset],
    content: ImageContent,
    instance: dict[str, Any],
    segments: Dataset | None,
) -> Dataset:
    """The report of an image, or of a volume.

    Args:
        headers: of the image or file, or of the slices of the volume.
        content: of the image.
        instance: UIDs and numbers.
        segments: the segmentation of the same content; None where no map has a region.
    """
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from highdicom.sr import ComprehensiveSR, MeasurementReport

    groups = [_group(headers, content, item, segments) for item in content.maps]
    report = MeasurementReport(
        observation_context=_context(content.algorithm),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report[0].ContentSequence.append(_comment(content))
    result = ComprehensiveSR(
        evidence=[*headers] if segments is None else [*headers, segments],
        content=report[0],
        is_complete=True,
        specific_character_set="ISO_IR 192",
        coding_schemes=[CodingSchemeIdentificationItem(SCHEME, name=f"{MANUFACTURER}: labels")],
        **equipment(content.algorithm),
        **instance,
    )
    add_identity(result, headers[0])
    return result


def _context(algorithm: Algorithm) -> Any:
    from highdicom import UID
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
    )

    device = DeviceObserverIdentifyingAttributes(
        uid=UID(),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=shortened(algorithm.name),
        serial_number=algorithm.serial_number,
    )
    observer = ObserverContext(codes.DCM.Device, device)
    return ObservationContext(observer_device_context=observer)


def _comment(content: ImageContent) -> Any:
    from highdicom.sr import TextContentItem

    return TextContentItem(
        name=codes.DCM.Comment,
        value=f"{content.notice} {NO_PROBABILITY}",
        relationship_type="CONTAINS",
    )


def _group(
    headers: Sequence[Dataset], content: ImageContent, item: ExportedMap, segments: Dataset | None
) -> Any:
    """Prediction, algorithm and region of one map."""
    from highdicom import sr

    shared: dict[str, Any] = {
        "finding_type": label_code(item.label),
        "algorithm_id": _algorithm(content, item),
        "measurements": _measurements(item),
        "qualitative_evaluations": [
            sr.QualitativeEvaluation(
                codes.DCM.VisualExplanation, VISUAL_EXPLANATIONS[item.explains]
            )
        ],
    }
    number = _number(content, item)
    if segments is None or number is None:
        sources = [
            sr.SourceImageForMeasurementGroup(each.SOPClassUID, each.SOPInstanceUID)
            for each in headers
        ]
        tracking = sr.TrackingIdentifier(identifier=shortened(item.title))
        return sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking, source_images=sources, **shared
        )
    header = headers[0]
    if content.is_volume:
        return volume_region(header, segments, number, shared)
    description = segments.SegmentSequence[number - 1]
    region = sr.ReferencedSegmentationFrame(
        sop_class_uid=segments.SOPClassUID,
        sop_instance_uid=segments.SOPInstanceUID,
        frame_number=number,
        segment_number=number,
        source_image=sr.SourceImageForSegmentation(header.SOPClassUID, header.SOPInstanceUID),
    )
    # A frame is of one segment: the standard forbids to name both.
    del region[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    tracking = sr.TrackingIdentifier(description.TrackingUID, description.TrackingID)
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking, referenced_segment=region, **shared
    )


def _number(content: ImageContent, item: ExportedMap) -> int | None:
    """Number of the segment of a map; None where it has no region."""
    for number, drawn in enumerate(content.drawn, start=1):
        if drawn is item:
            return number
    return None


def _algorithm(content: ImageContent, item: ExportedMap) -> Any:
    from highdicom.sr import AlgorithmIdentification

    parameters = [
        f"explanation: {item.method} at {item.layer}, {item.cells} cells",
        f"region: {content.region}" if not item.empty else f"no evidence: {item.empty}",
        f"camlucida {__version__}",
    ]
    return AlgorithmIdentification(
        name=content.algorithm.name,
        version=content.algorithm.version,
        parameters=parameters,
        manufacturer=MANUFACTURER,
    )


def _measurements(item: ExportedMap) -> list[Any]:
    """The score, and the probability as the certainty that the device states."""
    from highdicom.sr import Measurement

    name = Code("score", SCHEME, shortened(f"Score that was explained ({item.score_kind})"))
    measurements = [Measurement(name, item.score, codes.UCUM.NoUnits)]
    if item.probability is not None:
        percent = 100 * item.probability
        certainty = Measurement(codes.DCM.CertaintyOfFinding, percent, codes.UCUM.Percent)
        measurements.insert(0, certainty)
    return measurements
