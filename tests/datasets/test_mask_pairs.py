"""Masks that a table names, of every kind of annotation."""

import json

import numpy as np
import pytest

from camlucida.core.errors import ImageError
from camlucida.datasets.mask_files import read_mask_pairs
from tests.support.annotation_files import (
    SIZE,
    coco_document,
    label_map,
    rectangle_mask,
    write_coco,
    write_image,
    write_mask,
)


def pairs(folder, *rows):
    (folder / "masks.csv").write_text("\n".join(["image,label,truth,prediction", *rows, ""]))
    return list(read_mask_pairs(folder / "masks.csv")[0])


@pytest.mark.parametrize("kind", ["polygon", "rle", "compressed"])
def test_annotations_as_the_true_mask(tmp_path, kind):
    truth = write_coco(tmp_path / "true.json", label="Mass", kind=kind)
    write_mask(tmp_path / "predicted.png", np.roll(rectangle_mask(), 1, 0))
    (pair,) = pairs(tmp_path, f"a.png,,{truth.name},predicted.png")
    assert pair.truth.tolist() == rectangle_mask().tolist()
    assert pair.prediction.sum() == pair.truth.sum()


def test_a_label_map_has_the_label_of_the_row(tmp_path):
    write_mask(tmp_path / "map.png", label_map(), value=1)
    (tmp_path / "classes.txt").write_text("background\nNodule\nMass\n")
    write_mask(tmp_path / "predicted.png")
    mass, nodule, other = pairs(
        tmp_path, *(f"a,{label},map.png,predicted.png" for label in ("Mass", "Nodule", "Heart"))
    )
    assert mass.truth.tolist() == (label_map() == 2).tolist()
    assert nodule.truth.tolist() == (label_map() == 1).tolist()
    assert isinstance(other, ImageError)
    assert "has no value for 'Heart'" in str(other)


def test_the_size_comes_from_the_image_where_no_mask_has_one(tmp_path):
    truth = write_coco(tmp_path / "true.json", label="Mass").name
    (missing,) = pairs(tmp_path, f"a.png,Mass,{truth},{truth}")
    assert "its size is unknown" in str(missing)
    write_image(tmp_path / "a.png")
    (pair,) = pairs(tmp_path, f"a.png,Mass,{truth},{truth}")
    assert pair.truth.shape == SIZE


def test_an_image_that_is_not_annotated_is_said(tmp_path):
    document = coco_document("a.png", label="Mass")
    document["images"].append({"id": 9, "file_name": "b.png"})
    (tmp_path / "true.json").write_text(json.dumps(document))
    write_mask(tmp_path / "p.png")
    empty, absent = pairs(tmp_path, "b.png,Mass,true.json,p.png", "c.png,Mass,true.json,p.png")
    assert not empty.truth.any()
    assert "has no annotation for 'Mass'" in str(absent)
