"""The report has each target's numbers and refers to image and segment."""

import pytest
from highdicom.sr import ComprehensiveSR

from tests.support.dicom_exports import IMAGE


@pytest.fixture(scope="module")
def report(objects):
    return ComprehensiveSR.from_dataset(objects["report"])


def numbers(group):
    return {item.name.meaning: item.value for item in group.get_measurements()}


def test_numbers_are_those_of_the_model(report):
    (first, _) = report.content.get_planar_roi_measurement_groups()
    assert numbers(first) == {
        "Certainty of Finding": 75.0,
        "Score that was explained (logit)": 1.5,
    }
    assert first.finding_type.meaning == "Effusion"


def test_a_group_refers_to_its_segment_by_its_frame(report, objects):
    groups = report.content.get_planar_roi_measurement_groups()
    segments = objects["segmentation"]
    for number, group in enumerate(groups, start=1):
        reference = group.referenced_segmentation_frame[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == segments.SOPInstanceUID
        assert reference.ReferencedFrameNumber == number
        assert "ReferencedSegmentNumber" not in reference
        assert group.tracking_uid == segments.SegmentSequence[number - 1].TrackingUID


def test_a_map_without_evidence_is_reported_with_its_reason(report):
    (group,) = report.content.get_image_measurement_groups()
    assert group.finding_type.meaning == "Hernia"
    assert "no evidence: the gradient is zero" in group[0].to_json()
    assert group.source_images[0].referenced_sop_instance_uid == IMAGE


def test_it_is_preliminary_and_not_verified(report):
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
