"""Images of studies with everything personal planted, and what is exported of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import ComputedRadiographyImageStorage

from camlucida.figures.contours import half_maximum
from camlucida.io.dicom_export import Algorithm, ExportedMap, ImageContent
from tests.support.dicom_files import write_dicom
from tests.support.paths import REPOSITORY

STUDY, SERIES, IMAGE = "1.2.826.0.1.1", "1.2.826.0.1.1.1", "1.2.826.0.1.1.1.1"
SECRETS = (
    *("Nachname", "Vorname", "GEHEIM-4711", "AKTE-99", "Überweiser", "Klinikum", "Techniker"),
    *("Kommentar", "Privates", "Konto-5", "19400102"),
)
"""Parts of what is planted in :func:`write_film`."""

VALIDATORS = REPOSITORY / "docs/how-to/dicom.md"
CHAPTER = "### What the validators print\n"
"""The page, and its chapter, which explains the warnings of dciodvfy."""


def write_film(path: Path, array: np.ndarray | None = None, **elements: Any) -> Path:
    """A radiograph of 24 × 32 pixels whose header names everybody."""
    film = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) if array is None else array
    private = Dataset()
    about = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "SOPInstanceUID": IMAGE,
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Nachname^Vorname",
        "PatientID": "GEHEIM-4711",
        "IssuerOfPatientID": "AKTE-99",
        "PatientBirthDate": "19400102",
        "PatientSex": "F",
        "StudyDate": "20200304",
        "StudyTime": "101112",
        "StudyID": "7",
        "AccessionNumber": "AKTE-99",
        "ReferringPhysicianName": "Überweiser^Otto",
        "InstitutionName": "Klinikum",
        "OperatorsName": "Techniker^Tom",
        "PatientComments": "Kommentar",
        "ImageComments": "Kommentar zu Nachname",
        "StudyDescription": "Thorax Nachname",
        "OtherPatientIDs": "Konto-5",
        "BodyPartExamined": "CHEST",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
    }
    block = private.private_block(0x0009, "Privates von Nachname", create=True)
    block.add_new(0x01, "LO", "Privates: Nachname^Vorname")
    path = write_dicom(path, film, bits=16, **about | elements)
    dataset = dcmread(path)
    dataset.update(private)
    dataset.save_as(path)
    return path


def exported_map(label: str = "Effusion", size: tuple[int, int] = (24, 32), empty: str = "") -> Any:
    """A map with its peak at a third of each side, or without evidence."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    far = ((rows - size[0] / 3) / 5) ** 2 + ((columns - size[1] / 3) / 5) ** 2
    values = np.exp(-far).astype(np.float32)
    values = values * 0 if empty else values / values.max()
    lines = () if empty else tuple(line[:, ::-1] + 0.5 for line in half_maximum(values))
    return ExportedMap(
        label=label,
        method="Grad-CAM",
        explains="gradient",
        layer="layer4",
        cells="4 x 4",
        score=1.5,
        score_kind="logit",
        probability=0.75,
        values=values,
        mask=(values >= 0.5),
        contours=lines,
        picture=np.full((20, 30, 3), 7, np.uint8),
        empty=empty,
    )


def image_content(*maps: ExportedMap, **about: Any) -> ImageContent:
    """Two maps with evidence and one without."""
    empty = exported_map("Hernia", empty="the gradient is zero")
    maps = maps or (exported_map(), exported_map("心影增大"), empty)
    return ImageContent(maps, Algorithm("resnet", "ab" * 32), 0.5, **about)


def instance(number: int = 1) -> dict[str, Any]:
    """UIDs and numbers of an object."""
    return {
        "series_instance_uid": "1.2.826.0.2",
        "series_number": 9101,
        "sop_instance_uid": f"1.2.826.0.2.{number}",
        "instance_number": number,
        "series_description": "Heat maps. Research use only.",
    }


def keywords(dataset: Dataset) -> set[str]:
    """Every keyword at any depth; a private element by its tag."""
    found = {element.keyword or str(element.tag) for element in dataset.iterall()}
    return found | {element.keyword for element in dataset.file_meta}


def complaints(path: Path) -> list[str]:
    """What dciodvfy prints of an object beyond the warnings that the documentation explains."""
    lines = [line for line in validated(path) if line.startswith(("Error", "Warning"))]
    explained = explained_warnings()
    return [line for line in lines if not any(each.fullmatch(line) for each in explained)]


def validated(path: Path) -> list[str]:
    """All lines of dciodvfy."""
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
    return run.stderr.splitlines()


def explained_warnings() -> list[re.Pattern[str]]:
    """Warnings of the table in the documentation; an ellipsis there stands for any text."""
    rows = re.findall(
        r"^\| `(.*?)` \|", VALIDATORS.read_text("utf-8").split(CHAPTER)[1], re.MULTILINE
    )
    texts = [re.escape(row).replace("…", ".*") for row in rows]
    return [re.compile(f"Warning - {text}") for text in texts]
