"""Every format of annotations gives the same rectangle, pixel for pixel."""

import json

import numpy as np
import pytest
from PIL import Image

from camlucida.core.errors import ImageError, UsageError
from camlucida.datasets.ground_truth import read_ground_truth
from tests.support import annotation_files as files

LABELS = ("Nodule", "Mass")


def truth_of(path, option="masks", names=None):
    return read_ground_truth(**{option: path}, labels=LABELS, names=names)


def check(truth, image="a", path="films/a.png", size=files.SIZE, scale=1):
    masks = truth.masks(image, str(path), size)
    rectangle = tuple(scale * side for side in files.RECTANGLE)
    np.testing.assert_array_equal(masks["Mass"], files.rectangle_mask(size, rectangle))
    boxes = truth.boxes(image, str(path), size)["Mass"]
    np.testing.assert_allclose(boxes, [rectangle], atol=1e-3)


def codes(truth, path="films/a.png"):
    return [note.code for note in truth.unused([("a", str(path))])]


# ---- COCO ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["masks", "boxes"])
@pytest.mark.parametrize("kind", ["polygon", "rle", "compressed", "box"])
def test_coco(tmp_path, kind, option):
    path = files.write_coco(tmp_path / "coco.json", kind=kind)
    truth = truth_of(path, option)
    check(truth)
    assert codes(truth) == []


def test_coco_of_a_larger_image_is_scaled_and_noted(tmp_path):
    path = files.write_coco(tmp_path / "coco.json")
    truth = truth_of(path)
    check(truth, size=(48, 80), scale=2)
    assert "notes.scaled_annotations" in codes(truth)


@pytest.mark.parametrize("size", [(24, 41 * 2), (40, 24)])
def test_coco_of_another_shape_is_refused(tmp_path, size):
    truth = truth_of(files.write_coco(tmp_path / "coco.json"))
    with pytest.raises(ImageError, match=f"24×40 for an image of {size[0]}×{size[1]}") as caught:
        truth.masks("a", "a.png", size)
    assert ("EXIF" in str(caught.value)) == (size == (40, 24))


def test_a_roboflow_folder_and_its_renamed_images(tmp_path):
    name = "a_png.rf.0123456789abcdef0123456789abcdef.jpg"
    files.write_image(tmp_path / "train" / name)
    files.write_coco(tmp_path / "train" / "_annotations.coco.json", name=name, extra="a.png")
    truth = truth_of(tmp_path)
    check(truth, name[:-4], tmp_path / "train" / name)
    check(truth)  # the image by its name before the export
    assert codes(truth) == ["notes.renamed_images"]
    assert codes(truth, tmp_path / "train" / name) == []


def test_two_exports_of_one_image_are_not_joined_by_its_name(tmp_path):
    for fold, letter in (("train", "a"), ("valid", "b")):
        name = f"a_png.rf.{letter * 32}.jpg"
        files.write_coco(tmp_path / fold / "_annotations.coco.json", name=name)
    document = files.coco_document(name="a_png.rf." + "a" * 32 + ".jpg")
    document["images"].append({**document["images"][0], "id": 6})
    document["images"][1]["file_name"] = "a_png.rf." + "b" * 32 + ".jpg"
    path = tmp_path / "both.json"
    path.write_text(json.dumps(document))
    assert truth_of(path).masks("a", "a.png", files.SIZE) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annotations": [{"image_id": 9, "category_id": 3}]}, "an unlisted image"),
        ({"annotations": [{"image_id": 5, "category_id": 9}]}, "an unlisted category"),
        ({"annotations": [{}]}, "not a whole COCO file: KeyError"),
        ({"images": [{"id": 5}]}, "not a whole COCO file: KeyError"),
    ],
)
def test_a_damaged_coco_file_is_one_line(tmp_path, change, words):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(files.coco_document() | change))
    with pytest.raises(UsageError, match=words):
        truth_of(path)


# ---- YOLO, VOC ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["box", "segment"])
@pytest.mark.parametrize("names", ["data.yaml", "classes.txt", "obj.names"])
def test_yolo(tmp_path, kind, names):
    root = files.write_yolo(tmp_path / "set", kind, names)
    check(truth_of(root))
    check(truth_of(root / "labels"))
    check(truth_of(root / "labels" / "a.txt"))


def test_an_empty_file_of_yolo_has_empty_masks(tmp_path):
    root = files.write_yolo(tmp_path / "set")
    (root / "labels" / "b.txt").write_text("")
    masks = truth_of(root).masks("b", "b.png", (4, 6))
    assert [mask.any() for mask in masks.values()] == [False, False]


def test_yolo_without_names(tmp_path):
    root = files.write_yolo(tmp_path / "set", names="")
    with pytest.raises(UsageError, match=r"class 1 has no name .*--mask-label 1=NAME"):
        truth_of(root)
    check(truth_of(root, names={1: "mass"}))


def test_yolo_predictions_are_no_truth(tmp_path):
    root = files.write_yolo(tmp_path / "set")
    (root / "labels" / "a.txt").write_text(files.yolo_line("box") + " 0.9\n")
    with pytest.raises(UsageError, match="holds predictions"):
        truth_of(root)


@pytest.mark.parametrize("polygon", [False, True])
@pytest.mark.parametrize("filename", [None, "IMG_1.png"])
def test_voc(tmp_path, polygon, filename):
    path = files.write_voc(tmp_path / "Annotations" / "a.xml", filename, polygon=polygon)
    for source in (path, path.parent):
        truth = truth_of(source)
        check(truth)
        assert codes(truth) == (["notes.voc_renamed"] if filename else [])


def test_xml_with_entities_is_not_read(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>')
    with pytest.raises(UsageError, match="no annotations in"):
        truth_of(path)


# ---- tables of boxes ----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["masks", "boxes"])
@pytest.mark.parametrize(("header", "cells"), files.box_rows().items())
def test_headers_of_tables(tmp_path, header, cells, option):
    truth = truth_of(files.write_box_table(tmp_path / "boxes.csv", header, cells), option)
    check(truth)
    assert codes(truth) == (["notes.shares"] if "." in str(cells[0]) else [])


def test_a_table_with_the_size_of_its_images(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,24,Mass,8,4,28,16\n")
    truth = truth_of(path, "boxes")
    check(truth)
    check(truth, size=(48, 80), scale=2)
    with pytest.raises(ImageError, match="24×40 for an image of 24×80"):
        truth.boxes("a", "a.png", (24, 80))


# ---- masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "masks/a.png",
        "masks/a_mask.png",
        "masks/a-mask.png",
        "mask/a_segmentation.tif",
        "SegmentationClass/a.png",
        "gt/a_gt.bmp",
        "labelsTr/a.png",
        "Mass/a_mask.png",
        "a_mass_mask.png",
    ],
)
def test_names_of_masks(tmp_path, name):
    files.write_mask(tmp_path / name)
    truth = truth_of(tmp_path)
    (mask,) = truth.masks("a", "films/a.png", files.SIZE).values()
    np.testing.assert_array_equal(mask, files.rectangle_mask())


def test_images_beside_masks_are_no_masks(tmp_path):
    files.write_image(tmp_path / "images" / "a.png")
    files.write_mask(tmp_path / "masks" / "a.png")
    (mask,) = truth_of(tmp_path).masks("a", "films/a.png", files.SIZE).values()
    np.testing.assert_array_equal(mask, files.rectangle_mask())


def test_nnunet(tmp_path):
    image = files.write_image(tmp_path / "imagesTr" / "case_0000.png")
    files.write_mask(tmp_path / "labelsTr" / "case.png", files.label_map(), 1)
    names = {"labels": {"background": 0, "nodule": 1, "mass": 2}}
    (tmp_path / "dataset.json").write_text(json.dumps(names))
    check(truth_of(tmp_path / "labelsTr"), "case_0000", image)


def test_a_label_map(tmp_path):
    path = files.write_mask(tmp_path / "a.png", files.label_map(), 1)
    truth = truth_of(path)
    with pytest.raises(ImageError, match=r"2 different values beside 0 .*--mask-label 1=NAME"):
        truth.masks("a", "a.png", files.SIZE)
    named = truth_of(path, names={1: "Nodule", 2: "Mass"})
    check(named)
    assert named.masks("a", "a.png", files.SIZE)["Nodule"].sum() == 6
    with pytest.raises(ImageError, match="values without a name: 2"):
        truth_of(path, names={1: "Nodule"}).masks("a", "a.png", files.SIZE)


def test_a_label_map_named_by_a_file(tmp_path):
    files.write_mask(tmp_path / "masks" / "a.png", files.label_map(), 1)
    (tmp_path / "masks" / "labels.json").write_text('{"1": "nodule", "2": "mass"}')
    truth = truth_of(tmp_path / "masks")
    check(truth)
    assert codes(truth) == ["notes.class_names"]


def test_a_label_map_with_a_palette(tmp_path):
    values = files.label_map()
    values[-1] = 255  # the border of VOC's masks
    path = files.write_palette(tmp_path / "SegmentationClass" / "a.png", values)
    check(truth_of(path.parent, names={1: "Nodule", 2: "Mass"}))


def test_a_mask_at_another_size(tmp_path):
    files.write_mask(tmp_path / "a_mass.png", files.rectangle_mask((48, 80), (16, 8, 40, 24)))
    truth = truth_of(tmp_path)
    check(truth)
    assert codes(truth) == ["notes.scaled_annotations"]
    with pytest.raises(ImageError, match=r"48×80 for an image of 80×48 .*EXIF"):
        truth.masks("a", "a.png", (80, 48))


def test_a_mask_is_turned_as_its_exif_says(tmp_path):
    turned = Image.fromarray(np.rot90(files.rectangle_mask()).astype(np.uint8) * 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a_mass.png", exif=exif)
    check(truth_of(tmp_path))


@pytest.mark.parametrize(
    ("flip", "affine"),
    [
        ((1, 1), np.eye(4)),
        ((1, 1), np.diag([-0.5, -0.5, 1, 1])),
        ((1, -1), np.diag([-0.5, 0.5, 1, 1])),
        ((-1, -1), np.diag([0.5, 0.5, 1, 1])),
    ],
)
def test_nifti(tmp_path, flip, affine):
    values = files.label_map().T[:: flip[0], :: flip[1], None]
    path = files.write_nifti(tmp_path / "masks" / "a.nii.gz", values, affine)
    check(truth_of(path.parent, names={1: "Nodule", 2: "Mass"}))


def test_a_nifti_volume_is_refused(tmp_path):
    volume = np.zeros((40, 24, 3), np.uint8)
    path = files.write_nifti(tmp_path / "a.nii", volume, np.eye(4))
    with pytest.raises(ImageError, match=r"a volume of \(40, 24, 3\)"):
        truth_of(path).masks("a", "a.png", files.SIZE)


# ---- DICOM --------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", [files.write_dicom_seg, files.write_rtstruct])
def test_dicom_objects(tmp_path, writer):
    image = files.write_dicom_image(tmp_path / "films" / "a.dcm")
    other = files.write_dicom_image(tmp_path / "films" / "b.dcm", seed=1)
    path = writer(tmp_path / "objects" / "object.dcm", image)
    for source in (path, path.parent):
        truth = truth_of(source)
        check(truth, path=image)
        assert truth.masks("b", str(other), files.SIZE) == {}
        assert codes(truth, image) == []
        (note,) = truth.unused([("b", str(other))])
        assert "1.2.8" not in str(note)


def test_contours_out_of_their_plane_are_refused(tmp_path):
    image = files.write_dicom_image(tmp_path / "a.dcm")
    truth = truth_of(files.write_rtstruct(tmp_path / "object.dcm", image, offset=3.0))
    with pytest.raises(ImageError, match="does not lie in the plane of its image"):
        truth.masks("a", str(image), files.SIZE)


# ---- which of them ------------------------------------------------------------------------------


def test_two_kinds_in_a_folder_are_ambiguous(tmp_path):
    coco = files.write_coco(tmp_path / "coco.json")
    files.write_mask(tmp_path / "masks" / "a.png")
    with pytest.raises(UsageError, match=r"annotations of 2 kinds .*--masks .*coco.json"):
        truth_of(tmp_path)
    check(truth_of(coco))


def test_a_file_of_another_kind_is_named(tmp_path):
    files.write_coco(tmp_path / "coco.json")
    (tmp_path / "readme.txt").write_text("made by hand")
    (tmp_path / "split.json").write_text('{"train": ["a"]}')
    truth = truth_of(tmp_path)
    check(truth)
    (note,) = truth.unused([("a", "a.png")])
    assert str(note).endswith("not used, as not of COCO JSON: readme.txt, split.json")
