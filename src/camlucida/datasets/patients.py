"""Which column of a table holds the patient, and who the patient of an image is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.core.messages import Message, Value, declare
from camlucida.io.dicom.patients import patient_hash
from camlucida.io.tables import find_column, listing, texts
from camlucida.io.volumes.series import dicom_files

declare(
    "notes",
    {
        "no_patients": "no patient column: each image counts as a patient of its own",
        "no_patient": (
            "{count} {count:|image|images} without a patient in {where}, each counted as a "
            "patient of its own: {names}"
        ),
        "dicom_patients": (
            "patients are distinguished by the PatientID of the DICOM headers, which is kept as a "
            "keyed hash only: {patients} {patients:|patient|patients} of {count} "
            "{count:|image|images}"
        ),
    },
)

PATIENT_COLUMNS = ("patient", "patientid", "subject", "subjectid")
"""Names that a patient column usually has, folded (:func:`~camlucida.io.tables.fold`)."""

_IMAGE = "image:"
"""Before the id of an image that counts as a patient of its own."""

NO_PATIENTS = Message("notes.no_patients")


def find_patient_column(
    frame: pd.DataFrame, requested: str | None, where: object, option: str = "patient column"
) -> str | None:
    """The column of a table that holds the patients; None where there is none.

    Args:
        frame: the table.
        requested: the column that the user named; None for the first of :data:`PATIENT_COLUMNS`.
        where: the table's file, for the message.
        option: how the user names the column, for the message.

    Raises:
        UsageError: the requested column is not there.

    >>> import pandas as pd
    >>> find_patient_column(pd.DataFrame({"Image": ["a"], "Patient ID": ["p"]}), None, "table.csv")
    'Patient ID'
    """
    return find_column(frame, requested, PATIENT_COLUMNS, option, where)


def patient_of(cell: str, image: str) -> str:
    """The patient of an image; an image of an unknown patient counts as a patient of its own.

    Args:
        cell: what the table says; "" where it says nothing.
        image: the image's id.

    >>> patient_of("p7", "a"), patient_of("", "a")
    ('p7', 'image:a')
    """
    return cell or f"{_IMAGE}{image}"


def dicom_patients(paths: Iterable[Path]) -> dict[Path, str]:
    """The patient of each image by its DICOM header, as a keyed hash.

    Args:
        paths: image files of any kind.

    Returns:
        Image → hash (:func:`~camlucida.io.dicom.patients.patient_hash`), without images that have
        none.

    >>> dicom_patients([Path("a.png")])
    {}
    """
    hashes = {path: patient_hash(_one_file(path)) for path in paths}
    return {path: patient for path, patient in hashes.items() if patient}


def _one_file(path: Path) -> Path:
    """The file itself; of the folder of a series its first file."""
    files = dicom_files(path)[:1] if path.is_dir() else []
    return files[0] if files else path


def dicom_notes(patients: Mapping[Path, str], images: int) -> list[Message]:
    """That patients come from DICOM headers.

    Args:
        patients: of :func:`dicom_patients`.
        images: number of images.
    """
    distinct = len(set(patients.values())) + images - len(patients)
    return [Message("notes.dicom_patients", {"patients": distinct, "count": images})]


def stated_patient(patient: str) -> str:
    """The patient of :func:`patient_of`, "" for one that stands for an image.

    Args:
        patient: of :func:`patient_of`.

    >>> stated_patient("p7"), stated_patient("image:a")
    ('p7', '')
    """
    return "" if patient.startswith(_IMAGE) else patient


def patient_in_name(image: str) -> str:
    """The patient that the name of a CheXpert image holds; "" for another name.

    Args:
        image: its path, or its name as CheXlocalize writes it.

    >>> patient_in_name("valid/patient64541/study1/view1_frontal.jpg")
    'patient64541'
    >>> patient_in_name("patient64541_study1_view1_frontal"), patient_in_name("a.png")
    ('patient64541', '')
    """
    match = re.search(r"(?:^|[/_\\])(patient\d+)[/_\\]study\d+", image)
    return match[1] if match else ""


@dataclass(frozen=True)
class Patients:
    """The patients of the rows of a table.

    Attributes:
        column: that holds them; None where no column does.
        cells: one a row; "" where unknown.
    """

    column: str | None
    cells: Sequence[str]

    @classmethod
    def read(cls, frame: pd.DataFrame, column: str | None) -> Patients:
        """The cells of a column of :func:`find_patient_column`.

        Args:
            frame: the table.
            column: of the table; None where it has no patients.

        >>> Patients.read(pd.DataFrame({"Patient ID": ["p"]}), "Patient ID").of(0, "a")
        'p'
        """
        cells = [""] * len(frame) if column is None else texts(frame[column])
        return cls(column, cells)

    def of(self, row: int, image: str) -> str:
        """The patient of a row, as :func:`patient_of` has it.

        Args:
            row: its number, from 0.
            image: the id of its image.
        """
        return patient_of(self.cells[row], image)

    def notes(self, images: Sequence[str], rows: Sequence[int], where: object) -> list[Message]:
        """That there is no patient column, or which of these images have no patient.

        Args:
            images: ids.
            rows: a row of each image.
            where: the table's file.
        """
        if self.column is None:
            return [NO_PATIENTS]
        unknown = [image for image, row in zip(images, rows) if not self.cells[row]]
        names = list(dict.fromkeys(unknown))
        if not names:
            return []
        values: dict[str, Value] = {
            "count": len(names),
            "where": str(where),
            "names": listing(names),
        }
        return [Message("notes.no_patient", values)]
