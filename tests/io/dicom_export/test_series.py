"""Series: one a kind and study, always with the same number."""

from pydicom import Dataset

from camlucida.io.dicom_export import KINDS, SeriesOfExport


def header(study):
    dataset = Dataset()
    dataset.StudyInstanceUID = study
    return dataset


def test_a_study_has_one_series_a_kind():
    series = SeriesOfExport()
    first = series.next_instance(header("1.2"), "report")
    second = series.next_instance(header("1.2"), "report")
    other = series.next_instance(header("1.3"), "report")
    assert first["series_instance_uid"] == second["series_instance_uid"]
    assert (first["instance_number"], second["instance_number"]) == (1, 2)
    assert other["series_instance_uid"] != first["series_instance_uid"]
    assert other["instance_number"] == 1
    assert first["sop_instance_uid"] != second["sop_instance_uid"]
    assert first["series_number"] == other["series_number"] == KINDS["report"].number


def test_numbers_differ():
    assert len({kind.number for kind in KINDS.values()}) == len(KINDS)
    assert all(len(kind.description) <= 64 for kind in KINDS.values())
