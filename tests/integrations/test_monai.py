"""MONAI: data lists as cohorts, and maps within its real transforms."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.core.errors import UsageError
from camlucida.datasets.cohort import read_cohort
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.integrations.monai import cohort_of_datalist, explain_transform, to_metatensor
from tests.support.models_on_disk import write_image

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    monai = pytest.importorskip("monai", reason="needs pip install '.[volume]'")
    from monai.data import MetaTensor
    from monai.transforms import Compose, Invertd, Resized


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(3, 2),
    )


@pytest.fixture
def image():
    affine = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))
    return MetaTensor(torch.rand(1, 6, 4, 8), affine=affine, meta={"filename_or_obj": "a.nii.gz"})


def test_a_map_has_the_position_of_its_image(net, image):
    item = explain_transform(net, target=1, method="hirescam", layer="0")({"image": image})
    made = item["image_map"]
    assert isinstance(made, MetaTensor)
    assert made.shape == (1, 6, 4, 8)
    assert torch.equal(made.affine, image.affine)
    assert made.meta["filename_or_obj"] == "a.nii.gz"
    torch.testing.assert_close(made.as_tensor()[0], item["image_explanation"].map())


def test_invertd_carries_the_map_back_to_the_image(net, image):
    prepare = Compose([Resized("image", (3, 2, 4))])
    item = explain_transform(net, target=1, method="hirescam", layer="0")(prepare({"image": image}))
    assert item["image_map"].shape == (1, 3, 2, 4)
    back = Invertd("image_map", prepare, orig_keys="image", nearest_interp=False)(item)
    assert back["image_map"].shape == (1, 6, 4, 8)
    torch.testing.assert_close(back["image_map"].affine, image.affine)


def test_one_map_for_one_target(net, image):
    with pytest.raises(UsageError, match="the request means 2 maps"):
        explain_transform(net, target="all", method="hirescam", layer="0")({"image": image})


def test_a_map_of_another_image_is_refused(net, image):
    item = explain_transform(net, target=1, method="hirescam", layer="0")({"image": image})
    with pytest.raises(UsageError, match="not of"):
        to_metatensor(item["image_explanation"], image[:, :2])


@pytest.fixture
def films(tmp_path):
    return [str(write_image(tmp_path / f"films/{number}.png", number)) for number in (1, 2)]


def test_a_data_list_of_classes_is_a_cohort(films, tmp_path):
    data = [
        {"image": path, "label": number, "patient": f"p{number}"}
        for number, path in enumerate(films)
    ]
    path = cohort_of_datalist(data, tmp_path / "cohort", "card.toml", ["Nodule", "Mass"])
    first, second = read_cohort(read_cohort_file(path), ("Nodule", "Mass")).images
    assert (first.path.name, first.positives, first.patient) == ("1.png", ("Nodule",), "p0")
    assert second.positives == ("Mass",)


def test_a_data_list_of_several_labels_is_a_cohort(films, tmp_path):
    data = [{"image": films[0], "label": np.array([1, 0])}, {"image": films[1], "label": [1, 1]}]
    path = cohort_of_datalist(data, tmp_path / "cohort", "card.toml", ["Nodule", "Mass"])
    images = read_cohort(read_cohort_file(path), ("Nodule", "Mass")).images
    assert [image.positives for image in images] == [("Nodule",), ("Nodule", "Mass")]


def test_numbers_of_numpy_and_unknown_labels_are_taken(films, tmp_path):
    data = [
        {"image": films[0], "label": np.array([1, np.nan]), "patient": np.int64(3)},
        {"image": films[1], "label": [0, 1], "patient": np.int64(4)},
    ]
    path = cohort_of_datalist(data, tmp_path / "cohort", "card.toml", ["Nodule", "Mass"])
    first, second = read_cohort(read_cohort_file(path), ("Nodule", "Mass")).images
    assert (first.patient, first.positives, first.unknown) == ("3", ("Nodule",), {"Mass"})
    assert (second.patient, second.positives) == ("4", ("Mass",))
    classes = [{"image": films[0], "label": np.int64(1)}]
    path = cohort_of_datalist(classes, tmp_path / "classes", "card.toml", ["Nodule", "Mass"])
    assert read_cohort(read_cohort_file(path), ("Nodule", "Mass")).images[0].positives == ("Mass",)


def test_a_data_list_of_masks_is_a_cohort(films, tmp_path):
    data = [{"image": films[0], "label": films[1]}]
    path = cohort_of_datalist(data, tmp_path / "cohort", "card.toml")
    (image,) = read_cohort(read_cohort_file(path), ()).images
    assert image.mask.name == "2.png"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "has no item"),
        ([{"image": torch.zeros(1, 2, 2)}], "item 0 has no path under 'image'"),
        ([{"image": "a.png", "label": 3}], "no name for class 3"),
        ([{"image": "a.png", "label": [1, 0]}], "has 2 labels, and 0 are named"),
    ],
)
def test_data_lists_that_are_refused(data, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        cohort_of_datalist(data, tmp_path / "cohort", "card.toml")
    assert not (tmp_path / "cohort").exists()


def test_a_share_is_no_label(tmp_path):
    with pytest.raises(UsageError, match=r"item 0 has the label 0\.5"):
        cohort_of_datalist([{"image": "a", "label": [0.5]}], tmp_path / "c", "card.toml", ["Mass"])
