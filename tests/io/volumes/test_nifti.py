"""NIfTI volumes: values, places, and what is refused."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.testing import data_path

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.io.volumes import read_volume, volume
from tests.support.volumes import OBLIQUE, with_lesion, write_nifti

REAL = Path(data_path)


@pytest.mark.parametrize("name", ["anatomical.nii", "reoriented_anat_moved.nii", "standard.nii.gz"])
def test_a_real_volume_is_what_nibabel_reads(name):
    image = nibabel.load(REAL / name)
    read = read_volume(REAL / name)
    assert np.array_equal(read.values, image.get_fdata(dtype=np.float32).transpose(2, 1, 0))
    assert np.allclose(read.affine[:, [2, 1, 0, 3]], image.affine)
    assert read.source["spacing_mm"] == pytest.approx(image.header.get_zooms()[2::-1])
    assert read.oriented
    assert not read.warnings


def test_one_of_several_volumes_is_read_with_a_warning_or_by_number():
    image = nibabel.load(REAL / "example4d.nii.gz")
    first = read_volume(REAL / "example4d.nii.gz")
    second = read_volume(REAL / "example4d.nii.gz", 1)
    assert first.warnings == (Message("volume.first_frame", {"frames": 2}),)
    assert (first.id, second.id, second.warnings) == ("example4d_f0", "example4d_f1", ())
    assert np.array_equal(second.values, image.get_fdata()[..., 1].transpose(2, 1, 0))
    with pytest.raises(ImageError, match=r"no volume 2 in .* \(it has 2, counted from 0"):
        read_volume(REAL / "example4d.nii.gz", 2)


def test_nifti_2_is_read():
    assert read_volume(REAL / "example_nifti2.nii.gz").values.shape == (12, 20, 32)


def test_slope_and_intercept_are_applied(tmp_path):
    path = tmp_path / "a.nii"
    write_nifti(path, np.full((3, 4, 5), 110, np.float32), slope=(0.5, 10))
    assert read_volume(path).values == pytest.approx(np.full((5, 4, 3), 110 * 0.5 + 10))


def test_a_lesion_lies_where_the_affine_says(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", with_lesion((5, 6, 7), (1, 2, 3)))
    read = read_volume(path)
    (index,) = np.argwhere(read.values == 100)
    assert np.allclose(read.affine @ [*index, 1], OBLIQUE @ [1, 2, 3, 1])


def test_a_file_without_directions_says_so(tmp_path):
    read = read_volume(write_nifti(tmp_path / "a.nii", np.ones((2, 2, 2)), codes=(0, 0)))
    assert not read.oriented
    assert read.warnings == (Message("volume.no_directions"),)


def test_two_forms_that_disagree_are_said(tmp_path):
    image = nibabel.Nifti1Image(np.ones((4, 4, 4)), np.diag([2.0, 2, 2, 1]))
    image.set_qform(np.diag([-2.0, 2, 2, 1]), 1)
    image.set_sform(np.diag([2.0, 2, 2, 1]), 1)
    nibabel.save(image, tmp_path / "a.nii")
    (note,) = read_volume(tmp_path / "a.nii").warnings
    assert note == Message("volume.two_forms", {"distance": 12.0})


def test_an_image_of_two_axes_is_a_volume_of_one_slice(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 3)), np.eye(4)), tmp_path / "a.nii")
    assert read_volume(tmp_path / "a.nii").values.shape == (1, 3, 4)


def _whole(tmp_path):
    return write_nifti(tmp_path / "a.nii", with_lesion((5, 6, 7), (1, 2, 3))).read_bytes()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-4], "has 1,188 bytes, and its header means 1,192"),
        (lambda data: data + bytes(4), "has 1,196 bytes, and its header means 1,192"),
        (lambda data: data[:300], "is no volume"),
        (lambda data: gzip.compress(data)[:-9], "cut short inside its gzip data"),
        (lambda data: data[:344] + b"ni1\0" + data[348:], "in another file"),
        (lambda data: gzip.compress(b"nothing" * 99), "magic number"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, damage, reason):
    path = tmp_path / "b.nii"
    path.write_bytes(damage(_whole(tmp_path)))
    with pytest.raises(ImageError, match=reason) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)


def test_a_wrong_checksum_is_refused(tmp_path):
    data = bytearray(gzip.compress(_whole(tmp_path), mtime=0))
    data[-6] ^= 1
    path = tmp_path / "b.nii.gz"
    path.write_bytes(data)
    with pytest.raises(ImageError, match="cannot read"):
        read_volume(path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones((2, 2, 2), np.complex64), "complex numbers"),
        (np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colours"),
        (np.full((2, 2, 2), np.nan, np.float32), "8 values that are not finite"),
    ],
)
def test_values_that_no_network_takes_are_refused(tmp_path, values, reason):
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ImageError, match=reason):
        read_volume(tmp_path / "a.nii")


def test_a_large_claim_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(volume, "MAX_VOXELS", 7)
    path = write_nifti(tmp_path / "a.nii", np.ones((2, 2, 2)))
    with pytest.raises(ImageError, match="claims 2 × 2 × 2 voxels; the limit is 7"):
        read_volume(path)


def test_axes_in_one_plane_are_refused(tmp_path):
    image = nibabel.Nifti1Image(np.ones((2, 2, 2)), None)
    image.header["sform_code"] = 1
    image.header["srow_x"], image.header["srow_y"] = [1, 0, 0, 0], [0, 1, 1, 0]
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(ImageError, match="axes that are no box"):
        read_volume(tmp_path / "a.nii")
