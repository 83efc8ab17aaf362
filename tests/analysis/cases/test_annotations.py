"""Masks of a run's cases, of every kind that the cohort may name."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from camlucida.analysis.cases.annotations import Annotations
from tests.support.annotation_files import (
    SIZE,
    coco_document,
    label_map,
    rectangle_mask,
    write_coco,
    write_image,
    write_mask,
)


def case(image: Path, mask: Path | None = None) -> dict:
    file = None if mask is None else str(mask)
    return {"image": image.stem, "path": str(image), "mask": file, "box": None}


def annotations(masks: Path | None, labels=("age",), task="regression"):
    problems: list[str] = []
    about = {"masks": None if masks is None else str(masks), "boxes": None}
    run = SimpleNamespace(about=about, image_names=lambda: [("a", "a.png")])
    return Annotations(run, labels, task, problems), problems


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_coco(folder / "bones.json", label="bone"),
        lambda folder: write_mask(folder / "drawn/age/a.png").parents[1],
        lambda folder: write_mask(folder / "drawn/a_mask.tif").parent,
    ],
)
def test_masks_of_a_study_of_one_value(tmp_path, write):
    source, problems = annotations(write(tmp_path))
    film = case(write_image(tmp_path / "films/a.png"))
    assert source.has_mask(film)
    assert source.mask(film, "age", SIZE).tolist() == rectangle_mask().tolist()
    other = case(write_image(tmp_path / "films/b.png"))
    assert not source.has_mask(other)
    assert source.mask(other, "age", SIZE) is None
    assert problems == []


def test_a_label_map_beside_images_has_its_labels(tmp_path):
    film = write_image(tmp_path / "Images/a.png")
    mask = write_mask(tmp_path / "Masks/a.png", label_map(), value=1)
    (tmp_path / "classes.txt").write_text("background\nNodule\nMass\n")
    source, _ = annotations(None, ("Mass", "Nodule"), "multilabel")
    of_mass = source.mask(case(film, mask), "Mass", SIZE)
    assert of_mass.tolist() == (label_map() == 2).tolist()
    of_nodule = source.mask(case(film, mask), "Nodule", SIZE)
    assert of_nodule.tolist() == (label_map() == 1).tolist()


def test_an_image_that_coco_lists_without_annotations_has_an_empty_mask(tmp_path):
    document = coco_document("a.png", label="Mass")
    document["images"].append({"id": 9, "file_name": "b.png"})
    (tmp_path / "x.json").write_text(json.dumps(document))
    source, _ = annotations(tmp_path / "x.json", ("background", "Mass"), "segmentation")
    assert not source.mask(case(tmp_path / "b.png"), "Mass", SIZE).any()


def test_a_mask_that_cannot_be_read_is_one_line_and_no_mask(tmp_path):
    film = write_image(tmp_path / "a.png")
    mask = write_mask(tmp_path / "m.png", label_map(), value=1)
    source, problems = annotations(None)
    for _ in range(2):
        assert source.mask(case(film, mask), "age", SIZE) is None
    (problem,) = problems
    assert "2 different values beside 0" in problem
