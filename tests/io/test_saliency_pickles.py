import os
import pickle

import numpy as np
import pytest

from camlucida.core.errors import ImageError, UsageError
from camlucida.io.saliency_pickles import check_label, map_files, read_saliency_map
from tests.support.saliency_files import write_map

IMAGE = "patient1_study1_view1_frontal"


def test_a_released_map_is_read(tmp_path):
    values = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    path = write_map(tmp_path, IMAGE, "Lung Lesion", values, (30, 41))
    saved = read_saliency_map(path)
    np.testing.assert_array_equal(saved.values, values)
    assert (saved.size, saved.label, saved.probability) == ((30, 41), "Lung Lesion", 0.25)
    assert map_files(tmp_path) == [(IMAGE, "Lung Lesion", path)]


@pytest.mark.parametrize("given", [np.eye(3), np.eye(3)[None], np.eye(3, dtype=np.uint8)])
def test_arrays_of_other_shapes_are_read(tmp_path, given):
    path = write_map(tmp_path, IMAGE, "Edema", np.eye(3), (9, 9), map=given)
    np.testing.assert_array_equal(read_saliency_map(path).values, np.eye(3))


class Attack:
    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("inside", [True, False])
def test_a_map_that_would_run_something_runs_nothing(tmp_path, inside):
    attack = Attack()
    Attack.folder = str(tmp_path / "made")
    path = write_map(tmp_path, IMAGE, "Edema", np.eye(3), (9, 9), map=attack)
    if not inside:
        path.write_bytes(pickle.dumps(attack))
    with pytest.raises(ImageError):
        read_saliency_map(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "more",
    [
        {"map": np.zeros((2, 2, 3, 3))},
        {"map": np.full((3, 3), np.nan)},
        {"map": "heat"},
        {"map": np.zeros((0, 3))},
        {"cxr_dims": (9,)},
        {"cxr_dims": (10**6, 10**6)},
        {"cxr_dims": None},
    ],
)
def test_what_is_no_map_is_refused_in_one_line(tmp_path, more):
    path = write_map(tmp_path, IMAGE, "Edema", np.eye(3), (9, 9), **more)
    with pytest.raises(ImageError) as error:
        read_saliency_map(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_cut_file_and_a_file_of_another_label_are_refused(tmp_path):
    path = write_map(tmp_path, IMAGE, "Edema", np.eye(3), (9, 9))
    check_label(read_saliency_map(path), "edema", path)
    with pytest.raises(ImageError, match="its name says"):
        check_label(read_saliency_map(path), "Atelectasis", path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ImageError):
        read_saliency_map(path)


def test_folders_without_maps_and_names_without_a_label_are_refused(tmp_path):
    with pytest.raises(UsageError, match="IMAGE_LABEL_map"):
        map_files(tmp_path)
    (tmp_path / "x_map.pkl").touch()
    with pytest.raises(UsageError, match="names no image and label"):
        map_files(tmp_path)
