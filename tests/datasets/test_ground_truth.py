import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message
from camlucida.datasets.ground_truth import read_ground_truth
from camlucida.io.annotations import to_rle

LABELS = ("Mass", "Pleural Effusion", "", "Hernia")
SIZE = (6, 8)
MASK = np.zeros(SIZE, bool)
MASK[1:3, 2:6] = True
OTHER = np.zeros(SIZE, bool)
OTHER[4:, :3] = True
BOX = [[2, 1, 4, 2]]


def saved(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(array)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def grey(mask, value=255):
    return (mask * value).astype(np.uint8)


def document(path, content):
    path.write_text(json.dumps(content))
    return path


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def unused(count, names):
    return Message("notes.unused_annotations", {"count": count, "names": names})


def strange(count, names):
    return Message("notes.strange_annotations", {"count": count, "names": names})


def same(result, expected):
    assert list(result) == list(expected)
    for label, mask in expected.items():
        assert result[label].dtype == np.asarray(mask).dtype
        np.testing.assert_array_equal(result[label], mask)


# ---- folders of masks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Mass/a.png", "Mass"),
        ("pleural_effusion/a.png", "Pleural Effusion"),
        ("Mass/films/a.png", "Mass"),
        ("films/Mass/a.png", "Mass"),
        ("Mass/a_mass.png", "Mass"),
        ("a_Pleural_Effusion.png", "Pleural Effusion"),
        ("films/a_PleuralEffusion.npy", "Pleural Effusion"),
        ("a.png", ""),
        ("a.tif", ""),
        ("a.bmp", ""),
        ("A.PNG", ""),
        ("a.dcm.png", ""),
        ("films/a.npy", ""),
    ],
)
def test_layouts_of_a_folder(tmp_path, name, label):
    saved(tmp_path / name, grey(MASK))
    truth = read_ground_truth(masks=tmp_path, labels=LABELS)
    stem = "A" if name == "A.PNG" else "a"
    assert truth.has(stem, f"films/{stem}.png") == (label,)
    same(truth.masks(stem, f"films/{stem}.png", SIZE), {label: MASK})
    same(truth.boxes(stem, f"films/{stem}.png", SIZE), {label: np.array(BOX, float)})
    assert truth.unused([(stem, f"films/{stem}.png")]) == []
    assert truth.has("b", "films/b.png") == ()
    assert truth.masks("b", "films/b.png", SIZE) == {}


def test_labels_come_in_the_order_of_the_model(tmp_path):
    for name, mask in (("Hernia/a.png", MASK), ("a_mass.png", OTHER), ("a.png", MASK | OTHER)):
        saved(tmp_path / name, grey(mask))
    truth = read_ground_truth(masks=tmp_path, labels=LABELS)
    same(truth.masks("a", "a.png", SIZE), {"Mass": OTHER, "Hernia": MASK, "": MASK | OTHER})


@pytest.mark.parametrize("fill", [False, True])
def test_an_empty_and_a_full_mask(tmp_path, fill):
    saved(tmp_path / "a.png", grey(np.full(SIZE, fill)))
    truth = read_ground_truth(masks=tmp_path, labels=LABELS)
    same(truth.masks("a", "a.png", SIZE), {"": np.full(SIZE, fill)})
    assert truth.boxes("a", "a.png", SIZE)[""].tolist() == ([[0, 0, 8, 6]] if fill else [])


def test_a_bad_mask_is_one_line_and_costs_one_image(tmp_path):
    saved(tmp_path / "Mass" / "a.png", grey(np.ones((256, 256))))
    saved(tmp_path / "b.png", grey(MASK))
    saved(tmp_path / "b.npy", MASK)
    saved(tmp_path / "c.npy", np.arange(48).reshape(SIZE))
    saved(tmp_path / "d.png", grey(MASK))
    truth = read_ground_truth(masks=tmp_path, labels=LABELS)
    for ask in (truth.masks, truth.boxes):
        for name, words in (
            (
                "a",
                r"^mask .*/Mass/a.png of 'Mass' is 256×256 for an image of 6×8 \(bring it to the",
            ),
            ("b", r"^2 masks of one label: mask .*b.npy, mask .*b.png \(keep one of them\)"),
            ("c", r"^mask .*c.npy holds 47 different values beside 0 \(save one mask a label"),
        ):
            with pytest.raises(ImageError, match=words):
                ask(name, f"{name}.png", SIZE)
    same(truth.masks("d", "d.png", SIZE), {"": MASK})


def test_wrong_folders(tmp_path):
    with pytest.raises(UsageError, match=r"no annotations in .*no file"):
        read_ground_truth(masks=tmp_path, labels=LABELS)
    with pytest.raises(UsageError, match=r"no annotations .*none \(correct the path\)"):
        read_ground_truth(masks=tmp_path / "none", labels=LABELS)
    with pytest.raises(UsageError, match="masks and polygons are both given"):
        read_ground_truth(masks=tmp_path, polygons=tmp_path, labels=LABELS)


def test_masks_are_read_when_they_are_asked_for(tmp_path):
    path = saved(tmp_path / "a.png", grey(MASK))
    truth = read_ground_truth(masks=tmp_path, labels=LABELS)
    path.unlink()
    assert truth.has("a", "a.png") == ("",)
    with pytest.raises(ImageError, match="no such file"):
        truth.masks("a", "a.png", SIZE)


def test_what_is_not_used_is_noted(tmp_path):
    masks = tmp_path / "masks"
    for name in (
        "a.png",
        "Mass/z.png",
        "Nodule/a.png",
        "b_Granuloma.png",
        "y.png",
        "old/x.png",
        ".hidden.png",
    ):
        saved(masks / name, grey(MASK))
    (masks / "a.jpg").touch()
    (masks / ".DS_Store").touch()
    truth = read_ground_truth(masks=masks, labels=LABELS)
    assert truth.unused([("a", "a.png"), ("b", "b.png")]) == [
        Message(
            "notes.files_not_used",
            {"count": 1, "where": str(masks), "kind": "masks", "names": "a.jpg"},
        ),
        unused(3, "z, old/x, y"),
        strange(2, "Granuloma, Nodule"),
    ]


def test_a_name_shorter_than_the_id_is_not_taken(tmp_path):
    saved(tmp_path / "view.png", grey(MASK))
    saved(tmp_path / "s1" / "view.png", grey(OTHER))
    truth = read_ground_truth(masks=tmp_path, labels=LABELS)
    same(truth.masks("view", "data/s2/view.png", SIZE), {"": MASK})
    same(truth.masks("view", "data/s1/view.png", SIZE), {"": OTHER})
    same(truth.masks("s1/view", "view.png", SIZE), {"": OTHER})
    assert (
        truth.masks("s2/view", "data/s2/view.png", SIZE) == {}
    )  # view.png would fit s3/view as well
    assert truth.unused([("s2/view", "data/s2/view.png")]) == [unused(2, "s1/view, view")]


# ---- run-length codes and polygons --------------------------------------------------------------

CHEXPERT = ("view1_frontal", "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg")


def test_run_length_codes(tmp_path):
    codes = {
        "Mass": to_rle(MASK),
        "pleural_effusion": to_rle(OTHER),
        "Hernia": to_rle(~MASK & False),
        "Nodule": {},
    }
    path = document(
        tmp_path / "gt.json", {"patient64541_study1_view1_frontal": codes, "other": {"Mass": {}}}
    )
    truth = read_ground_truth(rle=path, labels=LABELS)
    same(
        truth.masks(*CHEXPERT, SIZE),
        {"Mass": MASK, "Pleural Effusion": OTHER, "Hernia": np.zeros(SIZE, bool)},
    )
    same(
        truth.masks("patient64541/study1/view1_frontal", "view1_frontal.jpg", SIZE),
        truth.masks(*CHEXPERT, SIZE),
    )
    assert truth.boxes(*CHEXPERT, SIZE)["Hernia"].shape == (0, 4)
    assert truth.unused([CHEXPERT]) == [
        unused(1, "other"),
        strange(1, "Nodule"),
    ]


def test_polygons(tmp_path):
    square = [[2, 1], [5, 1], [5, 2], [2, 2]]
    content = {
        "img_size": [6, 8],
        "Mass": [square, [[0, 4], [2, 4], [2, 5], [0, 5]]],
        "Hernia": [],
        "Nodule": [square],
    }
    truth = read_ground_truth(
        polygons=document(tmp_path / "gt.json", {"a.jpg": content}), labels=LABELS
    )
    assert truth.has("a", "a.png") == ("Mass", "Hernia")
    same(truth.masks("a", "a.png", SIZE), {"Mass": MASK | OTHER, "Hernia": np.zeros(SIZE, bool)})
    assert truth.boxes("a", "a.png", SIZE)["Mass"].tolist() == [[2, 1, 4, 2], [0, 4, 3, 2]]


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (
            "rle",
            {"Mass": to_rle(np.ones((256, 256), bool))},
            "mask of 'Mass' in a is 256×256 for an image of 6×8",
        ),
        (
            "rle",
            {"Mass": {"size": [6, 8], "counts": [3]}},
            "mask of 'Mass' in a: run-length code covers 3 pixels",
        ),
        ("rle", {"Mass": [1, 2]}, "mask of 'Mass' in a: not a run-length code"),
        ("polygons", {"Mass": [[[0, 0], [1, 1]]]}, "no img_size"),
        (
            "polygons",
            {"Mass": [[[0, 0], [1, 1]]], "img_size": [3, 8]},
            "outline of 'Mass' in a is 3×8 for an image of 6×8",
        ),
        (
            "polygons",
            {"Mass": [[[0, 0], [80, 1]]], "img_size": [6, 8]},
            "to x 80, y 1, outside the image of 6×8",
        ),
        (
            "polygons",
            {"Mass": [[[0, 0, 0], [1]]], "img_size": [6, 8]},
            "outline of 'Mass' in a: ValueError",
        ),
        (
            "polygons",
            {"Mass": [[[0, "x"]]], "img_size": [6, 8]},
            "outline of 'Mass' in a: ValueError",
        ),
        ("polygons", {"Mass": 3, "img_size": [6, 8]}, "outline of 'Mass' in a: TypeError"),
        (
            "polygons",
            {"Mass": [[[0, 0], [1, float("nan")]]], "img_size": [6, 8]},
            "polygon of shape|outside",
        ),
    ],
)
def test_a_bad_code_or_polygon_is_one_line(tmp_path, kind, content, words):
    truth = read_ground_truth(
        **{kind: document(tmp_path / "gt.json", {"a": content})}, labels=LABELS
    )
    with pytest.raises(ImageError, match=words) as caught:
        truth.masks("a", "a.png", SIZE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": {"Mass"', "cut short"),
        ("[]", "holds no annotations by image and label"),
        ('{"a": []}', "as CheXlocalize does"),
        (b"\xff", "as JSON"),
    ],
)
def test_wrong_documents(tmp_path, content, words):
    path = tmp_path / "gt.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for kind in ("rle", "polygons"):
        with pytest.raises(UsageError, match=words):
            read_ground_truth(**{kind: path}, labels=LABELS)
        with pytest.raises(UsageError, match=r"cannot open .*No such file"):
            read_ground_truth(**{kind: Path("none.json")}, labels=LABELS)


# ---- boxes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("image,label,x,y,width,height", "a.png,mass,2,1,4,2"),
        ("id,Finding,X,Y,W,H", "a,Mass,2.0,1.0,4.0,2.0"),
        ("path;class_name;x_min;y_min;x_max;y_max", "/data/films/a.dcm;MASS;2;1;6;3"),
        ("filename,labels,x1,y1,x2,y2", "films/a.png,Mass,2,1,6,3"),
        ("Image Index,Finding Label,Bbox [x,y,w,h],,,", "a.png,Mass,2,1,4,2,,,"),
    ],
)
def test_tables_of_boxes(tmp_path, head, row):
    truth = read_ground_truth(boxes=table(tmp_path / "boxes.csv", head, row), labels=LABELS)
    image = ("a", "/data/films/a.png")
    assert truth.has(*image) == ("Mass",)
    same(truth.boxes(*image, SIZE), {"Mass": np.array(BOX, float)})
    same(truth.masks(*image, SIZE), {"Mass": MASK})
    assert truth.unused([image]) == []


def test_boxes_of_several_labels_and_of_none(tmp_path):
    rows = (
        "a,Hernia,0,4,3,2",
        "a,Mass,2,1,4,2",
        "a,Hernia,2,1,4,2",
        "a,Nodule,0,0,1,1",
        "b,Mass,,,,",
        "c,Mass,0,0,1,1",
    )
    path = table(tmp_path / "boxes.csv", "image,label,x,y,w,h", *rows)
    truth = read_ground_truth(boxes=path, labels=LABELS)
    same(truth.masks("a", "a.png", SIZE), {"Mass": MASK, "Hernia": MASK | OTHER})
    assert truth.boxes("a", "a.png", SIZE)["Hernia"].tolist() == [[0, 4, 3, 2], [2, 1, 4, 2]]
    assert truth.has("b", "b.png") == ()
    assert truth.unused([("a", "a.png"), ("b", "b.png")]) == [
        Message("notes.rows_without_box", {"count": 1, "where": str(path)}),
        unused(1, "c"),
        strange(1, "Nodule"),
    ]
    unnamed = read_ground_truth(
        boxes=table(tmp_path / "boxes.csv", "image,x,y,w,h", "a,2,1,4,2"), labels=LABELS
    )
    same(unnamed.masks("a", "a.png", SIZE), {"": MASK})


def test_boxes_beside_masks_count_as_boxes(tmp_path):
    saved(tmp_path / "masks" / "Mass" / "a.png", grey(MASK | OTHER))
    path = table(
        tmp_path / "boxes.csv", "image,label,x,y,w,h", "a,Mass,2,1,4,2", "a,Hernia,2,1,4,2"
    )
    truth = read_ground_truth(masks=tmp_path / "masks", boxes=path, labels=LABELS)
    same(truth.masks("a", "a.png", SIZE), {"Mass": MASK | OTHER, "Hernia": MASK})
    same(
        truth.boxes("a", "a.png", SIZE),
        {"Mass": np.array(BOX, float), "Hernia": np.array(BOX, float)},
    )


def test_boxes_a_pixel_over_the_edge_are_cut(tmp_path):
    truth = read_ground_truth(
        boxes=table(tmp_path / "boxes.csv", "image,x,y,w,h", "a,-0.5,-1,9.5,3"), labels=LABELS
    )
    assert truth.boxes("a", "a.png", SIZE)[""].tolist() == [[0, 0, 8, 2]]
    assert truth.masks("a", "a.png", SIZE)[""].sum() == 16


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (
            "700,500,100,80",
            r"box of 'Mass' in a reaches from x 700, y 500 to x 800, y 580, "
            r"outside the image of 6×8 \(give orig",
        ),
        ("-3,0,5,5", "outside the image"),
        ("0,0,0,5", "without width or height"),
        ("5,5,-3,2", "without width or height"),
        ("8.5,0,0.4,3", "without width or height"),
    ],
)
def test_a_bad_box_is_one_line(tmp_path, box, words):
    path = table(tmp_path / "boxes.csv", "image,label,x,y,w,h", f"a,Mass,{box}", "b,Mass,2,1,4,2")
    truth = read_ground_truth(boxes=path, labels=LABELS)
    for ask in (truth.masks, truth.boxes):
        with pytest.raises(ImageError, match=words) as caught:
            ask("a", "a.png", SIZE)
        assert str(caught.value).startswith(f"{path}: box of 'Mass' in a")
    same(truth.masks("b", "b.png", SIZE), {"Mass": MASK})


def test_a_box_between_pixel_centres_has_no_mask(tmp_path):
    truth = read_ground_truth(
        boxes=table(tmp_path / "boxes.csv", "image,x,y,w,h", "a,0.6,0,0.2,3"), labels=LABELS
    )
    with pytest.raises(ImageError, match="holds no pixel"):
        truth.masks("a", "a.png", SIZE)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ("image,label,x,y,w", "a,Mass,1,1,1"),
            r"not a table of boxes: its columns are image, label, x, y, w \(name the columns",
        ),
        (("name,x,y,w,h", "a,1,1,1,1"), "not a table of boxes"),
        (("image,x,y,w,h", "a,1,1,,1"), "row 1: a box without all four numbers"),
        (("image;x;y;w;h", "a;1,500;1;1;1"), "row 1: '1,500' in column 'x'"),
    ],
)
def test_wrong_tables_of_boxes(tmp_path, lines, words):
    with pytest.raises(UsageError, match=words):
        read_ground_truth(boxes=table(tmp_path / "boxes.csv", *lines), labels=LABELS)


def test_no_truth_at_all():
    truth = read_ground_truth(labels=LABELS)
    assert truth.has("a", "a.png") == ()
    assert truth.masks("a", "a.png", SIZE) == {}
    assert truth.boxes("a", "a.png", SIZE) == {}
    assert truth.unused([("a", "a.png")]) == []
