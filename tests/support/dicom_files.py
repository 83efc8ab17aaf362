"""Small DICOM files for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage


def dicom_dataset(array: np.ndarray, bits: int | None = None, **elements: Any) -> Dataset:
    """A secondary capture of (H, W), (F, H, W) or (H, W, 3).

    Keywords set or (with None) remove elements.
    """
    colour = array.ndim == 3 and array.shape[-1] == 3
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = UID("1.2.3.4")
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "SECRET-ID"
    dataset.Modality = "CR"
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    if array.ndim == 3 and not colour:
        dataset.NumberOfFrames = len(array)
    dataset.Rows, dataset.Columns = array.shape[:2] if colour else array.shape[-2:]
    dataset.BitsAllocated = array.dtype.itemsize * 8
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    data = array.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    for keyword, value in elements.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    """Write it with its preamble."""
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def write_dicom(path: Path, array: np.ndarray, bits: int | None = None, **elements: Any) -> Path:
    """:func:`dicom_dataset`, saved."""
    return save(dicom_dataset(array, bits, **elements), path)
