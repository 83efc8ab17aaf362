"""Masks of volumes: on the voxels of the volume, on others of the same patient, and elsewhere."""

import numpy as np
import pytest

from camlucida.core.errors import ImageError
from camlucida.core.orientation import AxisOrder
from camlucida.datasets.ground_truth import read_ground_truth
from camlucida.io.annotations.annotation import AnnotatedImage, BoxAnnotation, VoxelGrid
from camlucida.io.annotations.volume_masks import on_voxels, volume_label, volume_mask
from camlucida.io.volumes import read_volume
from tests.support.annotation_files import write_volume_seg
from tests.support.volumes import OBLIQUE, write_nifti, write_series

BY_SLICE = OBLIQUE[:, [2, 1, 0, 3]]
WHOSE = {
    **{"StudyInstanceUID": "1.2.9", "FrameOfReferenceUID": "1.2.8", "PatientID": "p"},
    **{"PatientName": "", "PatientBirthDate": "", "PatientSex": "", "AccessionNumber": ""},
    **{"SliceThickness": 3, "InstanceNumber": 1, "SeriesNumber": 1},
    **{"StudyDate": "", "StudyTime": "", "StudyID": "", "ReferringPhysicianName": ""},
}
"""What a segmentation copies of its images."""
GRID = VoxelGrid((14, 12, 10), BY_SLICE)


def values(*voxels, value=1):
    array = np.zeros((10, 12, 14), np.uint8)
    for voxel in voxels:
        array[voxel] = value
    return array


def test_a_mask_on_the_voxels_of_its_volume(tmp_path):
    path = write_nifti(tmp_path / "m.nii.gz", values((3, 8, 5), (3, 8, 6)))
    mask = volume_mask(path, "mask m", GRID)
    assert np.argwhere(mask).tolist() == [[5, 8, 3], [6, 8, 3]]


def test_a_mask_whose_axes_run_otherwise_is_turned():
    mask = np.zeros(GRID.size, bool)
    mask[5, 8, 3] = True
    order = AxisOrder((2, 0, 1), (True, False, True))
    turned = order.apply(mask)
    affine = order.affine(BY_SLICE, GRID.size)
    assert (on_voxels(turned, affine, "m", GRID) == mask).all()


def test_a_mask_of_finer_voxels_keeps_its_place():
    fine = np.zeros((28, 24, 20), bool)
    fine[10:12, 16:18, 6:8] = True
    half = BY_SLICE @ np.diag([0.5, 0.5, 0.5, 1])
    half[:3, 3] += BY_SLICE[:3, :3] @ ([-0.25] * 3)
    placed = on_voxels(fine, half, "m", GRID)
    assert np.argwhere(placed).tolist() == [[5, 8, 3]]


def test_a_mask_of_another_place_is_refused():
    away = BY_SLICE.copy()
    away[0, 3] += 500
    with pytest.raises(ImageError, match="100% of it lies outside the volume"):
        on_voxels(np.ones(GRID.size, bool), away, "mask m", GRID)


def test_values_without_a_name_and_several_values_are_refused(tmp_path):
    path = write_nifti(tmp_path / "m.nii", values((1, 1, 1)) + values((2, 2, 2), value=3))
    with pytest.raises(ImageError, match="2 different values"):
        volume_mask(path, "mask m", GRID)
    with pytest.raises(ImageError, match="values without a name: 3"):
        volume_label(path, 1, {1: "a"}, "mask m", GRID)
    mask = volume_label(path, 3, {1: "a", 3: "b"}, "mask m", GRID)
    assert np.argwhere(mask).tolist() == [[2, 2, 2]]


def test_a_file_that_states_no_place_needs_the_same_size(tmp_path):
    path = write_nifti(tmp_path / "m.nii", values((3, 8, 5)), codes=(0, 0))
    assert volume_mask(path, "m", GRID)[5, 8, 3]
    with pytest.raises(ImageError, match="states no place"):
        volume_mask(path, "m", VoxelGrid((7, 12, 10), BY_SLICE))


def test_a_box_and_a_picture_are_no_masks_of_a_volume(tmp_path):
    image = AnnotatedImage.of(GRID, tmp_path / "v.nii")
    with pytest.raises(ImageError, match="a box in an image, not in a volume"):
        BoxAnnotation("box 1", np.array([[0.0, 0, 2, 2]])).mask(image)
    with pytest.raises(ImageError, match="annotates an image, not a volume"):
        volume_mask(tmp_path / "m.png", "mask m.png", GRID)


def test_a_dicom_segmentation_lies_on_its_series(tmp_path):
    pytest.importorskip("highdicom")
    slices = np.zeros((4, 12, 10), np.int16)
    folder = write_series(tmp_path / "ct", slices, order=(2, 0, 3, 1), **WHOSE)
    mask = np.zeros(slices.shape, bool)
    mask[1:3, 5, 7] = True
    path = write_volume_seg(tmp_path / "truth" / "seg.dcm", folder, mask)
    volume = read_volume(folder)
    truth = read_ground_truth(masks=path, labels=("Lesion",))
    where = ("ct", str(folder), VoxelGrid(slices.shape, volume.affine))
    assert (truth.masks(*where)["Lesion"] == mask).all()
    assert truth.unused([where[:2]]) == []
