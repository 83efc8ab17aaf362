"""Tables of run lengths in the variants of public data sets, against masks drawn here."""

import numpy as np
import pytest

from camlucida.core.errors import ImageError, UsageError
from camlucida.io.annotations import is_rle_table, read_annotations
from camlucida.io.annotations.annotation import AnnotatedImage

SIZE = (30, 44)


def ellipse(size=SIZE, centre=(14, 20), radii=(9, 12)):
    rows, columns = np.indices(size)
    squares = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2
    return squares <= 1


def code(mask, order="columns", relative=False, first=1):
    """Starts and lengths, written as each data set describes them."""
    flat = (mask.T if order == "columns" else mask).reshape(-1)
    text, end, at = [], 0, 0
    while at < len(flat):
        if not flat[at]:
            at += 1
            continue
        start = at
        while at < len(flat) and flat[at]:
            at += 1
        text += [start - end if relative else start + first, at - start]
        end = at
    return " ".join(map(str, text))


def write(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def masks_of(path, size=SIZE, names=None):
    drawn = read_annotations(path, ("Mass",), names)[0].drawn
    return {(image, label): each.mask(AnnotatedImage(size)) for image, label, each in drawn}


@pytest.mark.parametrize(
    ("header", "settings"),
    [
        ("ImageId, EncodedPixels", {"relative": True}),  # SIIM
        ("ImageId,EncodedPixels", {}),  # Severstal, Airbus, data science bowl
        ("img,rle_mask", {"order": "rows"}),  # Carvana
        ("id,segmentation", {"order": "rows"}),  # UW-Madison
        ("image_id,rle", {"order": "rows", "relative": True}),
        ("id,encoding", {"first": 0}),
    ],
)
def test_starts_and_direction_follow_from_the_runs(tmp_path, header, settings):
    header = header.replace("img", "image")
    mask = ellipse()
    if settings.get("first") == 0:
        mask = ellipse(centre=(0, 0))  # a start of 0 tells that pixels count from 0
    path = write(tmp_path / "train.csv", header, f"a.png,{code(mask, **settings)}", "b.png,")
    masks = masks_of(path)
    np.testing.assert_array_equal(masks["a.png", ""], mask)
    assert not masks["b.png", ""].any()


def test_rows_of_one_image_are_one_mask_and_minus_one_is_empty(tmp_path):
    parts = [ellipse(centre=(9, 9), radii=(5, 4)), ellipse(centre=(18, 32), radii=(6, 8))]
    rows = [f"a,{code(part, relative=True)}" for part in parts]
    path = write(tmp_path / "train.csv", "ImageId,EncodedPixels", *rows, "b,-1")
    masks = masks_of(path)
    np.testing.assert_array_equal(masks["a", ""], parts[0] | parts[1])
    assert not masks["b", ""].any()


def test_labels_in_the_name_of_the_image_or_beside_it(tmp_path):
    runs = code(ellipse())
    path = write(tmp_path / "a.csv", "ImageId_ClassId,EncodedPixels", f"a_b.jpg_1,{runs}")
    assert list(masks_of(path, names={1: "Mass"})) == [("a_b.jpg", "Mass")]
    path = write(tmp_path / "b.csv", "ImageId,ClassId,EncodedPixels", f"a.jpg,2,{runs}")
    assert list(masks_of(path)) == [("a.jpg", "2")]


def test_a_column_of_codes_for_each_label_at_the_size_of_the_table(tmp_path):
    lung, heart = ellipse((60, 88), (28, 40), (18, 24)), ellipse((60, 88), (40, 50), (9, 20))
    row = f"a.png,0.9,{code(lung, 'rows')},{code(heart, 'rows')},60,88"
    path = write(tmp_path / "chexmask.csv", "image_id,Dice,Left Lung,Heart,Height,Width", row)
    masks = masks_of(path)
    assert list(masks) == [("a.png", "Left Lung"), ("a.png", "Heart")]
    # Each cell is two by two pixels of the table's mask.
    np.testing.assert_array_equal(masks["a.png", "Heart"], heart[1::2, 1::2])


def test_a_square_image_does_not_tell_the_direction(tmp_path):
    mask = ellipse((32, 32), (14, 18), (6, 11))
    path = write(tmp_path / "a.csv", "id,rle", f"a,{code(mask, 'rows')}")
    with pytest.raises(ImageError, match="end with _columns or _rows"):
        masks_of(path, (32, 32))
    path = write(tmp_path / "b.csv", "id,rle_rows", f"a,{code(mask, 'rows')}")
    np.testing.assert_array_equal(masks_of(path, (32, 32))["a", ""], mask)
    # The convention of the data sets with this name of column.
    path = write(tmp_path / "c.csv", "id,EncodedPixels", f"a,{code(mask)}")
    np.testing.assert_array_equal(masks_of(path, (32, 32))["a", ""], mask)


def test_another_size_or_direction_than_stated_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", "id,EncodedPixels", f"a,{code(ellipse())}")
    with pytest.raises(ImageError, match="add columns height and width"):
        masks_of(path, (60, 88))  # all runs fit into the larger image
    with pytest.raises(ImageError, match="reaches pixel"):
        masks_of(path, (15, 22))
    path = write(tmp_path / "b.csv", "id,EncodedPixels", f"a,{code(ellipse(), 'rows')}")
    with pytest.raises(ImageError, match="call the column rle_rows"):
        masks_of(path)


def test_what_is_no_code(tmp_path):
    assert not is_rle_table(write(tmp_path / "a.csv", "id,age", "a,40", "b,41"), ["id"])
    assert not is_rle_table(write(tmp_path / "b.csv", "id,rle", "a,1 2 3"), ["id"])
    with pytest.raises(UsageError, match="row 1: a run without length"):
        masks_of(write(tmp_path / "c.csv", "id,rle", "a,1 0"))


def test_the_note_tells_how_starts_are_counted(tmp_path):
    for name, text, expected in [
        ("a", code(ellipse()), "notes.runs_absolute"),
        ("b", code(ellipse(), relative=True), "notes.runs_relative"),
        ("c", "5 3", "notes.runs_assumed"),
    ]:
        path = write(tmp_path / f"{name}.csv", "id,EncodedPixels", f"a,{text}")
        assert [note.code for note in read_annotations(path)[0].notes] == [expected]
