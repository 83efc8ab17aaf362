"""Small volumes with a bright lesion at a place that is known in the patient."""

from pathlib import Path

import nibabel
import numpy as np
from pydicom import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage

from tests.support.dicom_files import write_dicom

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 1, 1, bias=False)
        self.act = nn.ReLU()
        self.head = nn.Linear(1, 1)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean((2, 3, 4)))

def build():
    net = Net()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1)
    return net
"""

CARD = """
factory = "net.py:build"
task = "binary"
labels = ["Lesion"]
layer = "act"

[volume]
orientation = "RAS"
intensity = "min-max"
size = [10, 12, 14]
"""

OBLIQUE = np.array(
    [
        [-1.9, 0.3, 0.0, 40.0],
        [0.3, 1.9, 0.0, -30.0],
        [0.0, 0.0, 4.0, 10.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""(x, y, z, 1) of a NIfTI file → mm: the first axis to the left, all turned by 9°."""


def with_lesion(size, voxel, background=0.0, lesion=100.0):
    """float32 of ``size``: one bright voxel."""
    values = np.full(size, background, np.float32)
    values[voxel] = lesion
    return values


def write_nifti(path, values, affine=OBLIQUE, slope=None, codes=(1, 1)) -> Path:
    """Values (x, y, z) as NIfTI."""
    image = nibabel.Nifti1Image(values, affine)
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    if slope is not None:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, path)
    return path


def write_series(folder, slices, step=3.0, order=None, tag="1", **elements):
    """Slices (D, H, W) int16 as a CT series, named in another order than they lie in."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(len(slices)) if order is None else order
    for name, number in enumerate(numbers):
        own = {
            "SOPClassUID": CTImageStorage,
            "Modality": "CT",
            "SeriesInstanceUID": f"1.2.{tag}",
            "SOPInstanceUID": f"1.2.{tag}.{number}",
            "ImagePositionPatient": [-20.0, -30.0, 100.0 + step * number],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [2.0, 1.5],
            "RescaleSlope": 1,
            "RescaleIntercept": -1000,
            "WindowCenter": 40,
            "WindowWidth": 400,
        }
        changed = {key: each(number) if callable(each) else each for key, each in elements.items()}
        stated = {key: each for key, each in (own | changed).items() if each is not None}
        write_dicom(folder / f"{name:03}.dcm", slices[number], **stated)
    return folder


def write_enhanced(path, slices, step=3.0, order=None, **elements) -> Path:
    """Slices (D, H, W) int16 as one enhanced CT image, its frames in another order."""
    numbers = list(range(len(slices)) if order is None else order)
    shared = {
        "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        "PixelMeasuresSequence": {"PixelSpacing": [2.0, 1.5], "SliceThickness": step},
        "PixelValueTransformationSequence": {"RescaleSlope": 1, "RescaleIntercept": -1000},
    }
    own = [
        _groups(
            {"PlanePositionSequence": {"ImagePositionPatient": [-20, -30, 100 + step * number]}}
        )
        for number in numbers
    ]
    about = {
        "SOPClassUID": EnhancedCTImageStorage,
        "Modality": "CT",
        "SeriesInstanceUID": "1.2.7",
        "SOPInstanceUID": "1.2.7.1",
        "SharedFunctionalGroupsSequence": [_groups(shared)],
        "PerFrameFunctionalGroupsSequence": own,
    }
    return write_dicom(path, slices[numbers], **about | elements)


def _groups(wanted):
    """Functional groups of one item each."""
    groups = Dataset()
    for keyword, elements in wanted.items():
        item = Dataset()
        for name, value in elements.items():
            setattr(item, name, value)
        setattr(groups, keyword, [item])
    return groups


def write_volume_model(folder) -> Path:
    """A network whose map is the volume itself, and its card."""
    (folder / "net.py").write_text(NET)
    (folder / "card.toml").write_text(CARD)
    return folder / "card.toml"
