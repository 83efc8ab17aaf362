"""Annotations whose names differ from the images' in case, suffix or leading zeros."""

import json

import numpy as np
import pytest
from PIL import Image

from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import read_ground_truth

HEAD = "image,label,x,y,width,height\n"


def joined(path, names, **options):
    truth = read_ground_truth(boxes=path, labels=("Mass",), **options)
    images = [(name.rpartition(".")[0], f"films/{name}") for name in names]
    return with_names_of_images(truth, images), images


def table(folder, *names, head=HEAD):
    path = folder / "boxes.csv"
    path.write_text(head + "".join(f"{name},Mass,2,1,4,2\n" for name in names))
    return path


def has(truth, images):
    return [truth.has(*names) for names in images]


@pytest.mark.parametrize(
    ("in_table", "films", "note"),
    [
        (["FILM_A.PNG", "b.jpg"], ["film_a.png", "b.png"], "FILM_A is film_a.png"),
        (["7", "12"], ["007.png", "012.png"], "7 is 007.png"),
        (["old/a.png", "old/b.png"], ["a.png", "b.png"], "old/a is a.png"),
        (["C:\\x\\1\\a.png", "C:\\x\\2\\b.png"], ["a.png", "b.png"], "C:/x/1/a is a.png"),
    ],
)
def test_a_table_of_boxes(tmp_path, in_table, films, note):
    truth, images = joined(table(tmp_path, *in_table), films)
    assert has(truth, images) == [("Mass",), ("Mass",)]
    (message,) = truth.unused(images)
    assert str(message).endswith(note)
    # The run may name the same file by another path.
    assert truth.has(images[0][0], films[0]) == ("Mass",)


@pytest.mark.parametrize(
    ("in_table", "films"),
    [
        (["Film.png"], ["FILM.png", "film.png"]),  # two images fit
        (["FILM.png", "Film.png"], ["film.png"]),  # two names fit
        (["7"], ["07.png", "007.png"]),
        (["7", "a"], ["007.png"]),  # no column of numbers
        (["x/b.png", "y/b.png"], ["b.png"]),
        (["x/b.png"], ["1/b.png", "2/b.png"]),
    ],
)
def test_no_guess(tmp_path, in_table, films):
    truth, images = joined(table(tmp_path, *in_table), films)
    assert has(truth, images) == [()] * len(films)
    (note,) = truth.unused(images)
    assert note.code in ("notes.unused_annotations", "notes.strange_annotations")


def test_the_folder_of_a_mask_may_be_a_label(tmp_path):
    for name in ("nodule/a.png", "mass/b.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.ones((6, 8), np.uint8)).save(tmp_path / name)
    names = [("1/a", "1/a.png"), ("1/b", "1/b.png")]
    truth = with_names_of_images(read_ground_truth(masks=tmp_path, labels=("Mass",)), names)
    assert has(truth, names) == [(), ()]


def test_an_exact_name_comes_first(tmp_path):
    truth, images = joined(table(tmp_path, "film.png"), ["film.png", "FILM.png"])
    assert has(truth, images) == [("Mass",), ()]
    assert truth.unused(images) == []


def test_the_column_that_the_user_names(tmp_path):
    path = table(tmp_path, "x,FILM.PNG", head=HEAD.replace("image", "id,film"))
    truth, images = joined(path, ["film.png"], id_column="film")
    assert has(truth, images) == [("Mass",)]


def test_file_names_of_coco(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "FILM.JPG", "height": 6, "width": 8}],
        "categories": [{"id": 1, "name": "mass"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 1, 4, 2], "segmentation": []}
        ],
    }
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    truth, images = joined(path, ["film.png"])
    assert truth.boxes(*images[0], (6, 8))["Mass"].tolist() == [[2, 1, 4, 2]]
