"""The process that decodes files starts in well under a second: it does without PyTorch."""

import json
import subprocess
import sys

import numpy as np
import pytest
from nibabel import Nifti1Image
from PIL import Image
from pydicom.data import get_testdata_file

CODE = """
import json, sys
from camlucida.io.decoded import reply_to
reply = reply_to({"path": sys.argv[1], "folder": sys.argv[2], "patient": True})
print(json.dumps([reply, "torch" in sys.modules]))
"""


def a_picture(folder):
    Image.new("L", (5, 4), 3).save(folder / "a.png")
    return folder / "a.png", [4, 5]


def a_dicom_film(folder):
    return get_testdata_file("MR_small.dcm"), [64, 64]


def a_volume(folder):
    Nifti1Image(np.ones((6, 5, 4), np.float32), np.eye(4)).to_filename(folder / "a.nii.gz")
    return folder / "a.nii.gz", [4, 5, 6]


@pytest.mark.parametrize("write", [a_picture, a_dicom_film, a_volume])
def test_a_file_is_decoded_without_the_import_of_torch(tmp_path, write):
    path, size = write(tmp_path)
    command = [sys.executable, "-c", CODE, str(path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True)
    reply, has_torch = json.loads(done.stdout)
    assert reply["size"] == size
    assert not has_torch
