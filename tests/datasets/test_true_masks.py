"""True masks of segmentations: by label, of plain files, and beside the images."""

import json
from pathlib import Path

import numpy as np
import pytest

from camlucida.datasets.cohort import CohortImage, read_cohort
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.datasets.column_truth import truth_of_columns
from camlucida.datasets.true_masks import TrueMasks
from camlucida.io import write_synthetic_png
from camlucida.io.annotations import read_mask
from tests.support.annotation_files import SIZE as MAP_SIZE
from tests.support.annotation_files import (
    coco_document,
    label_map,
    rectangle_mask,
    write_image,
    write_mask,
)

SIZE = (6, 8)


def coco(path: Path, boxes: dict[str, list[int]]) -> Path:
    """A file with one rectangle a label, as a polygon, in ``a.png``."""
    categories = [{"id": number, "name": name} for number, name in enumerate(boxes)]
    items = []
    for number, (x, y, width, height) in enumerate(boxes.values()):
        right, bottom = x + width, y + height
        outline = [x, y, right, y, right, bottom, x, bottom]
        items.append(
            {"id": number, "image_id": 1, "category_id": number, "segmentation": [outline]}
        )
    image = {"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}
    document = {"images": [image], "annotations": items, "categories": categories}
    path.write_text(json.dumps(document), "utf-8")
    return path


def masks_of(path: Path, labels: tuple[str, ...], mask: Path | None = None):
    source = TrueMasks(path, labels)
    masks = source.of_image("a", Path("a.png"), mask, SIZE)
    return {label: int(each.sum()) for label, each in masks.items()}, source


def test_each_label_has_its_mask(tmp_path):
    path = coco(tmp_path / "x.json", {"Heart": [0, 0, 2, 3], "lung": [4, 1, 3, 4], "rib": [0] * 4})
    masks, source = masks_of(path, ("heart", "Lung"))
    assert masks == {"heart": 6, "Lung": 12}
    assert source.of_image("b", Path("b.png"), None, SIZE) == {}


def test_the_only_label_is_that_of_the_model_and_noted(tmp_path):
    path = coco(tmp_path / "x.json", {"lesion": [1, 1, 2, 2]})
    masks, source = masks_of(path, ("foreground",))
    assert masks == {"foreground": 4}
    assert [note.code for note in source.notes] == ["notes.only_label"]
    assert masks_of(path, ("background", "mass"))[0] == {"mass": 4}


@pytest.mark.parametrize("labels", [("foreground",), ("left", "right")])
def test_labels_that_do_not_fit_are_noted_and_not_guessed(tmp_path, labels):
    path = coco(tmp_path / "x.json", {"heart": [0, 0, 2, 3], "lung": [4, 1, 3, 4]})
    masks, source = masks_of(path, labels)
    assert masks == {}
    assert [note.code for note in source.notes] == ["notes.no_label_matches"]


def test_a_mask_column_may_name_annotations(tmp_path):
    path = coco(tmp_path / "x.json", {"lung": [4, 1, 3, 4]})
    source = TrueMasks(None, ("heart", "lung"))
    masks = source.of_image("a", Path("a.png"), path, SIZE)
    assert {label: int(mask.sum()) for label, mask in masks.items()} == {"lung": 12}


def test_the_digest_follows_the_files(tmp_path):
    first = TrueMasks(coco(tmp_path / "x.json", {"lung": [4, 1, 3, 4]}), ("lung",)).digest
    again = TrueMasks(coco(tmp_path / "x.json", {"lung": [4, 1, 3, 4]}), ("lung",)).digest
    moved = TrueMasks(coco(tmp_path / "x.json", {"lung": [3, 1, 3, 4]}), ("lung",)).digest
    assert first == again != moved


def test_a_mask_by_its_name_is_no_image(tmp_path):
    mask = np.zeros(SIZE, np.uint8)
    mask[2:4, 2:5] = 255
    for name, pixels in (("a", np.zeros(SIZE, np.uint8)), ("a_mask", mask), ("b_seg", mask)):
        write_synthetic_png(tmp_path / f"{name}.png", pixels)
    (tmp_path / "cohort.toml").write_text(f'images = "{tmp_path}"\nmodel = "x.toml"\n', "utf-8")
    cohort = read_cohort(read_cohort_file(tmp_path / "cohort.toml"), ("lung",))
    assert [image.id for image in cohort.images] == ["a", "b_seg"]  # no b.png is there
    file = cohort.images[0].mask
    assert file is not None
    assert read_mask(file, "mask", SIZE).sum() == 6
    assert cohort.notes[0].code == "notes.masks_among_images"
    assert cohort.notes[0].values["names"] == "a_mask.png"


# ---- kinds of mask files beside images ---------------------------------------------------------


def test_a_label_map_in_masks_beside_images_has_its_labels(tmp_path):
    image = write_image(tmp_path / "Images/a.png")
    mask = write_mask(tmp_path / "Masks/a.png", label_map(), value=1)
    (tmp_path / "classes.txt").write_text("background\nNodule\nMass\n")
    source = TrueMasks(None, ("mass", "Nodule"))
    masks = source.of_image("a", image, mask, MAP_SIZE)
    assert masks["mass"].tolist() == (label_map() == 2).tolist()
    assert masks["Nodule"].tolist() == (label_map() == 1).tolist()
    join = truth_of_columns([CohortImage(image, "a", "p", None, None, mask=mask)], ("mass",))
    assert join.mask("a", str(image), "mass", MAP_SIZE).sum() == (label_map() == 2).sum()


def test_a_binary_mask_beside_names_of_classes_stays_one(tmp_path):
    mask = write_mask(tmp_path / "Masks/a.png")
    (tmp_path / "classes.txt").write_text("background\nNodule\nMass\n")
    masks = TrueMasks(None, ("Nodule",)).of_image("a", tmp_path / "a.png", mask, MAP_SIZE)
    assert list(masks) == [""]


@pytest.mark.parametrize(
    ("name", "labels"),
    [("Masks/Mass/a.png", ("Mass",)), ("Masks/a_mask.png", ("",)), ("masks/a.tif", ("",))],
)
def test_other_files_in_masks_beside_images(tmp_path, name, labels):
    write_image(tmp_path / "Images/a.png")
    write_mask(tmp_path / name)
    cohort = 'images = "Images"\nmodel = "m"\n'
    (tmp_path / "cohort.toml").write_text(cohort)
    members = read_cohort(read_cohort_file(tmp_path / "cohort.toml"), ("Mass", "Nodule"))
    assert members.masks == tmp_path / name.split("/")[0]
    assert "notes.annotations_beside" in [note.code for note in members.notes]
    (image,) = members.images
    masks = image.true_masks.of_image(image.id, image.path, image.mask, MAP_SIZE)
    assert tuple(masks) == labels
    assert masks[labels[0]].tolist() == rectangle_mask().tolist()


def test_an_image_that_coco_lists_without_annotations_has_empty_masks(tmp_path):
    document = coco_document("a.png", label="Mass")
    document["images"].append({"id": 9, "file_name": "b.png"})
    (tmp_path / "x.json").write_text(json.dumps(document))
    source = TrueMasks(tmp_path / "x.json", ("Mass",))
    masks = source.of_image("b", Path("b.png"), None, MAP_SIZE)
    assert list(masks) == ["Mass"]
    assert not masks["Mass"].any()
    assert source.of_image("c", Path("c.png"), None, MAP_SIZE) == {}


@pytest.mark.parametrize(("image", "name"), [("FILM_a", "film_A.png"), ("007", "7.png")])
def test_masks_under_another_spelling_of_the_name(tmp_path, image, name):
    path = coco(tmp_path / "x.json", {"Heart": [0, 0, 2, 3]})
    document = json.loads(path.read_text("utf-8"))
    document["images"][0]["file_name"] = name
    path.write_text(json.dumps(document), "utf-8")
    source = TrueMasks(path, ("Heart",), [(image, f"films/{image}.png")])
    masks = source.of_image(image, Path(f"films/{image}.png"), None, SIZE)
    assert int(masks["Heart"].sum()) == 6
    assert [note.code.rpartition("_")[0] for note in source.notes] == ["notes.annotations_by"]


def test_run_lengths_of_a_table_are_the_masks_of_a_cohort(tmp_path):
    """The label map's cohort, with other letters in the table and no mask for the second film."""
    for name in ("Film_A.png", "b.png"):
        write_image(tmp_path / "images" / name, SIZE)
    (tmp_path / "rle.csv").write_text("ImageId,EncodedPixels\nfilm_a.png,7 3 13 3\n", "utf-8")
    text = 'name = "c"\nimages = "images"\nmasks = "rle.csv"\nmodel = "x.toml"\n'
    (tmp_path / "cohort.toml").write_text(text, "utf-8")
    cohort = read_cohort(read_cohort_file(tmp_path / "cohort.toml"), ["lung"])
    first = cohort.images[0]
    assert first.true_masks is not None
    masks = first.true_masks.of_image(first.id, first.path, None, SIZE)
    assert masks[""][:3, 1:3].all()
    assert masks[""].sum() == 6
    missing = [note for note in cohort.notes if note.code == "notes.no_mask"]
    assert [note.values["names"] for note in missing] == ["b"]
