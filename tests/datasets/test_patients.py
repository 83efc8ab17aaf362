"""Patients of DICOM headers: distinguished, never named."""

import numpy as np
import pytest
from pydicom import dcmwrite

from camlucida.core.messages import Message
from camlucida.datasets.images import read_labelled_images
from camlucida.io.dicom import patients
from tests.support.dicom_files import dicom_dataset
from tests.support.tables import write_text


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    patients.secret_key.cache_clear()
    yield tmp_path / "home"
    patients.secret_key.cache_clear()


@pytest.fixture
def films(tmp_path):
    for name, patient in (("a", "MRN-77"), ("b", "MRN-77"), ("c", "MRN-78"), ("d", None)):
        dataset = dicom_dataset(np.zeros((4, 4), np.uint8), PatientID=patient)
        dcmwrite(tmp_path / f"{name}.dcm", dataset, enforce_file_format=True)
    (tmp_path / "e.png").write_bytes(b"\x89PNG no DICOM")
    return [tmp_path / name for name in ("a.dcm", "b.dcm", "c.dcm", "d.dcm", "e.png")]


def test_headers_group_patients_without_a_table(films):
    joined = read_labelled_images(films)
    first, second, third, fourth, fifth = [image.patient for image in joined.images]
    assert first == second != third
    assert (fourth, fifth) == ("image:d", "image:e")
    assert joined.notes == (Message("notes.dicom_patients", {"patients": 4, "count": 5}),)
    assert joined.patients_known
    assert "MRN" not in repr(joined)


def test_a_table_without_patients(films, tmp_path):
    table = write_text(tmp_path / "t.csv", [["image", "age"], ["a", 1], ["b", 2], ["c", 3]])
    joined = read_labelled_images(films[:3], table=table)
    assert len({image.patient for image in joined.images}) == 2
    assert joined.notes[0].values == {"patients": 2, "count": 3}
    table = write_text(tmp_path / "u.csv", [["image", "patient"], ["a", "x"], ["b", "y"]])
    named = read_labelled_images(films[:2], table=table)
    assert [image.patient for image in named.images] == ["x", "y"]


def test_a_column_that_names_the_images_distinguishes_no_patients(films, tmp_path):
    table = write_text(tmp_path / "t.csv", [["subject", "age"], ["a", 1], ["b", 2], ["c", 3]])
    joined = read_labelled_images(films[:3], table=table)
    assert len({image.patient for image in joined.images}) == 2
    requested = read_labelled_images(films[:3], table=table, patient_column="subject")
    assert [image.patient for image in requested.images] == ["a", "b", "c"]


def test_hashes_are_the_same_for_a_user_and_of_no_use_to_another(films, home):
    first = patients.patient_hash(films[0])
    patients.secret_key.cache_clear()
    assert patients.patient_hash(films[0]) == first
    key = home / "camlucida" / "patients.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    patients.secret_key.cache_clear()
    assert patients.patient_hash(films[0]) != first


def test_of_keys_made_at_the_same_time_the_first_counts(home, monkeypatch):
    first = bytes(range(patients.KEY_BYTES))

    def link(_made, path):
        path.write_bytes(first)
        raise FileExistsError

    monkeypatch.setattr(patients.os, "link", link)
    assert patients.secret_key() == first
    assert [path.name for path in (home / "camlucida").iterdir()] == ["patients.key"]


def test_a_damaged_key_is_replaced(home):
    key = home / "camlucida" / "patients.key"
    key.parent.mkdir(parents=True)
    key.write_bytes(b"short")
    assert patients.secret_key() == key.read_bytes()
    assert [path.name for path in key.parent.iterdir()] == ["patients.key"]


def test_without_a_home_hashes_last_as_long_as_the_process(films, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/dev/null")
    assert patients.patient_hash(films[0]) == patients.patient_hash(films[1])
