"""Series: their numbers are always the same."""

import pytest
from pydicom import Dataset

from camlucida.io.dicom_export import KINDS, SeriesOfExport
from camlucida.io.dicom_export.series import ALONE


def header(study):
    dataset = Dataset()
    dataset.StudyInstanceUID = study
    return dataset


def test_overlays_of_a_study_are_one_series():
    series = SeriesOfExport()
    first = series.next_instance(header("1.2"), "overlay")
    second = series.next_instance(header("1.2"), "overlay")
    other = series.next_instance(header("1.3"), "overlay")
    assert first["series_instance_uid"] == second["series_instance_uid"]
    assert (first["instance_number"], second["instance_number"]) == (1, 2)
    assert other["series_instance_uid"] != first["series_instance_uid"]
    assert other["instance_number"] == 1
    assert first["sop_instance_uid"] != second["sop_instance_uid"]
    assert first["series_number"] == other["series_number"] == KINDS["overlay"].number


@pytest.mark.parametrize("kind", sorted(ALONE))
def test_each_segmentation_and_report_is_a_series(kind):
    series = SeriesOfExport()
    first, second = (series.next_instance(header("1.2"), kind) for _ in range(2))
    assert first["series_instance_uid"] != second["series_instance_uid"]
    assert first["series_number"] == second["series_number"]
    assert (first["instance_number"], second["instance_number"]) == (1, 1)
    assert second["series_description"] == f"{first['series_description']} (2)"


def test_numbers_differ():
    assert len({kind.number for kind in KINDS.values()}) == len(KINDS)
    assert all(len(kind.description) <= 60 for kind in KINDS.values())
