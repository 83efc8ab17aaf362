"""Annotations beside images are used where one fits, and named where they are not used."""

import pytest

from camlucida.datasets.annotation_discovery import annotations_beside, notes_on_unused, read_beside
from tests.support import annotation_files as files

LABELS = ("Nodule", "Mass")


def codes(notes):
    return [note.code for note in notes]


def beside(image):
    return read_beside([image], [image.stem], LABELS)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("Images/a.png", "Masks/a.png"),
        ("images/train/a.png", "labels/train/a_mass.png"),
        ("img/a.png", "mask/a.png"),
        ("imgs/a.png", "masks/a_mask.png"),
        ("JPEGImages/a.png", "SegmentationClass/a.png"),
        ("image/a.png", "gt/a.png"),
        ("imagesTr/a_0000.png", "labelsTr/a.png"),
        ("a.png", "masks/a.png"),
        ("films/a.png", "masks/Mass/a.png"),
    ],
)
def test_usual_folders(tmp_path, image, mask):
    path = files.write_image(tmp_path / image)
    expected = files.write_mask(tmp_path / mask)
    truth, notes = beside(path)
    assert codes(notes) == ["notes.annotations_beside"]
    (read,) = truth.masks(path.stem, str(path), files.SIZE).values()
    assert (read == files.rectangle_mask()).all()
    assert annotations_beside([path])[0] in expected.parents


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: files.write_coco(folder / "_annotations.coco.json"),
        lambda folder: files.write_voc(folder / "a.xml"),
        lambda folder: files.write_voc(folder.parent / "Annotations" / "a.xml"),
        lambda folder: files.write_yolo(folder.parent),
        lambda folder: files.write_box_table(
            folder.parent / "boxes.csv", *next(iter(files.box_rows().items()))
        ),
    ],
)
def test_documents(tmp_path, write):
    path = files.write_image(tmp_path / "set" / "images" / "a.png")
    write(path.parent)
    truth, notes = beside(path)
    assert codes(notes) == ["notes.annotations_beside"]
    assert (truth.masks("a", str(path), files.SIZE)["Mass"] == files.rectangle_mask()).all()


def test_nothing_beside(tmp_path):
    path = files.write_image(tmp_path / "images" / "a.png")
    (path.parent / "notes.txt").write_text("nothing")
    (path.parent / "run.json").write_text("{}")
    assert beside(path) == (None, [])


def test_two_that_fit_are_named_and_not_used(tmp_path):
    path = files.write_image(tmp_path / "images" / "a.png")
    files.write_coco(tmp_path / "coco.json")
    files.write_mask(tmp_path / "masks" / "a.png")
    truth, (note,) = beside(path)
    assert truth is None
    assert note.code == "notes.annotations_unused"
    assert "coco.json" in str(note)
    assert "masks; name them by --masks PATH" in str(note)


def test_one_that_does_not_fit_or_cannot_be_read_is_named(tmp_path):
    path = files.write_image(tmp_path / "images" / "a.png")
    files.write_mask(tmp_path / "masks" / "b.png")
    files.write_yolo(tmp_path, names="")
    truth, notes = beside(path)
    assert truth is None
    assert codes(notes) == ["notes.annotations_unread", "notes.annotations_unused"]
    assert "class 1 has no name" in str(notes[0])


def test_annotations_that_the_user_named_are_not_called_unused(tmp_path):
    images = [files.write_image(tmp_path / "images" / "a.png")]
    for name in ("first.json", "second.json"):
        files.write_coco(tmp_path / name)
    (note,) = notes_on_unused(images, str(tmp_path / "first.json"), "--boxes PATH")
    assert note.values["names"] == str(tmp_path / "second.json")
    (tmp_path / "second.json").unlink()
    assert notes_on_unused(images, str(tmp_path / "first.json"), "--boxes PATH") == []
