"""A dataset of the real TorchXRayVision as a cohort."""

import numpy as np
import pandas as pd
import pytest
import torch

from camlucida.core.errors import UsageError
from camlucida.datasets.cohort import read_cohort
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.integrations.torchxrayvision import cohort_of_dataset
from camlucida.models import load_model
from tests.support.models_on_disk import write_image, write_model

xrv = pytest.importorskip("torchxrayvision", reason="needs pip install '.[zoo]'")


@pytest.fixture
def dataset(tmp_path):
    """Three films of two patients in the layout of the NIH dataset."""
    table = pd.DataFrame(
        {
            "Image Index": ["1.png", "2.png", "3.png"],
            "Finding Labels": ["Nodule", "Mass|Nodule", "No Finding"],
            "Patient ID": [7, 7, 8],
            "Patient Age": [50, 51, 60],
            "Patient Gender": ["F", "F", "M"],
            "View Position": ["PA", "PA", "PA"],
        }
    )
    table.to_csv(tmp_path / "entries.csv", index=False)
    for number in (1, 2, 3):
        write_image(tmp_path / f"films/{number}.png", number, (32, 32))
    return xrv.datasets.NIH_Dataset(
        imgpath=str(tmp_path / "films"),
        csvpath=str(tmp_path / "entries.csv"),
        unique_patients=False,
    )


def test_a_model_sees_the_values_of_the_dataset(dataset, tmp_path):
    path = cohort_of_dataset(dataset, tmp_path / "cohort", "card.toml")
    card = write_model(path.parent)
    card.write_text(card.read_text().replace("[-1, 1]", "[-1024, 1024]"))
    model = load_model(card)
    for index in range(3):
        film = model.read(path.parent / f"images/{index:06d}.png")
        expected = torch.from_numpy(dataset[index]["img"])
        torch.testing.assert_close(film.tensor.cpu(), expected, rtol=0, atol=1e-3)


def test_labels_patients_and_groups_come_along(dataset, tmp_path):
    dataset.labels[1, list(dataset.pathologies).index("Mass")] = np.nan
    path = cohort_of_dataset(dataset, tmp_path / "cohort", "card.toml", rows=[2, 1])
    cohort = read_cohort(read_cohort_file(path), ("Nodule", "Mass"))
    first, second = cohort.images
    assert (first.id, first.patient, first.positives) == ("000001", "7", ("Nodule",))
    assert first.unknown == {"Mass"}
    assert (second.id, second.patient, second.positives) == ("000002", "8", ())
    assert first.groups["view"] == "PA"


def test_patients_of_merged_datasets_are_kept_apart(dataset, tmp_path):
    merged = xrv.datasets.MergeDataset([dataset, dataset])
    path = cohort_of_dataset(merged, tmp_path / "cohort", "card.toml", rows=[0, 1, 3])
    images = read_cohort(read_cohort_file(path), ("Nodule", "Mass")).images
    assert [image.patient for image in images] == ["0-7", "0-7", "1-7"]


def test_masks_come_along(dataset, tmp_path, monkeypatch):
    label = list(dataset.pathologies).index("Nodule")
    mask = np.zeros((32, 32))
    mask[4:8, 4:8] = 1
    item = type(dataset).__getitem__
    monkeypatch.setattr(
        type(dataset),
        "__getitem__",
        lambda self, index: {**item(self, index), "pathology_masks": {label: mask}},
    )
    path = cohort_of_dataset(dataset, tmp_path / "cohort", "card.toml", rows=[0])
    cohort = read_cohort(read_cohort_file(path), ("Nodule", "Mass"))
    (image,) = cohort.images
    masks = image.true_masks.of_image(image.id, image.path, image.mask, (32, 32))
    assert masks["Nodule"].sum() == 16


def test_what_is_no_film_of_the_package_is_refused(dataset, tmp_path):
    dataset.transform = lambda image: image * 2
    with pytest.raises(UsageError, match=r"item 0 has the shape \(1, 32, 32\) and values from"):
        cohort_of_dataset(dataset, tmp_path / "a", "card.toml")
    dataset.data_aug = torch.nn.Identity()
    with pytest.raises(UsageError, match="augments its images at random"):
        cohort_of_dataset(dataset, tmp_path / "b", "card.toml")
    dataset.data_aug = None
    with pytest.raises(UsageError, match="is not empty"):
        cohort_of_dataset(dataset, tmp_path / "films", "card.toml")
