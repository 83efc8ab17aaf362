"""What objects repeat of their image."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pydicom.valuerep import DA, TM

_NAMES = {
    "study_instance_uid": "StudyInstanceUID",
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "accession_number": "AccessionNumber",
    "study_id": "StudyID",
    "referring_physician_name": "ReferringPhysicianName",
}


def study_of(header: Dataset) -> dict[str, Any]:
    """Patient and study of an image, as highdicom names them.

    Args:
        header: of the image.
    """
    study = {name: header.get(keyword) for name, keyword in _NAMES.items()}
    study["study_date"] = DA(header.StudyDate) if header.StudyDate else None
    study["study_time"] = TM(header.StudyTime) if header.StudyTime else None
    return study
