"""Runs that explain the true region of a segmentation: a mask's bytes belong to the item."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camlucida.io.annotations import from_rle
from camlucida.runs import Run, execute

NET = """
import torch
from torch import nn

def build():
    net = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    torch.manual_seed(0)
    with torch.no_grad():
        net[0].weight.fill_(1 / 9), net[0].bias.zero_()
        net[2].weight.fill_(1), net[2].bias.fill_(-2)
    return net
"""
CARD = """
factory = "net.py:build"
task = "segmentation"
labels = ["lesion"]
layer = "0"
[input]
size = 16
channels = 1
"""
COHORT = """
images = "images"
masks = "masks"
model = "card.toml"
[explain]
target = ["region", "truth"]
"""


def draw(path: Path, rows: slice, columns: slice) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = np.zeros((32, 32), np.uint8)
    picture[rows, columns] = 255
    Image.fromarray(picture).save(path)


@pytest.fixture
def cohort(tmp_path):
    """Image "a" has a mask beside its bright square, "b" one of another size, "c" none."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "card.toml").write_text(CARD)
    for name in "abc":
        draw(tmp_path / f"images/{name}.png", slice(8, 16), slice(8, 24))
    draw(tmp_path / "masks/a.png", slice(20, 28), slice(4, 12))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "masks/b.png")
    (tmp_path / "cohort.toml").write_text(COHORT)
    return tmp_path / "cohort.toml"


def test_each_image_is_explained_by_its_own_mask(cohort, tmp_path):
    outcome = execute(cohort, tmp_path / "run")
    assert outcome.counts == {"done": 3, "failed": 0, "pending": 0}
    result = Run.open(tmp_path / "run").explanations()
    assert list(zip(result["image"], result["target"])) == [
        ("a", "lesion region"),
        ("a", "lesion true region"),
        ("b", "lesion region"),
        ("c", "lesion region"),
    ]
    regions = [
        from_rle({"size": row["original"], "counts": row["region"]}) for _, row in result.iterrows()
    ]
    assert regions[0][12, 16]
    assert not regions[0][24, 8]
    rows, columns = np.nonzero(regions[1])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 27, 4, 11)
    missing = {entry.image: entry.missing for entry in Run.open(tmp_path / "run").entries}
    assert missing["a"] == ()
    assert [(each.target, each.method, each.code) for each in missing["b"]] == [
        ("truth", "gradcam", "target")
    ]
    assert "8×8 for an image of 32×32" in missing["b"][0].what
    assert "no true mask" in missing["c"][0].what


def test_another_mask_is_another_item(cohort, tmp_path):
    execute(cohort, tmp_path / "run")
    before = {entry.image: entry.identity for entry in Run.open(tmp_path / "run").entries}
    draw(tmp_path / "masks/a.png", slice(20, 28), slice(20, 28))
    draw(tmp_path / "masks/c.png", slice(0, 4), slice(0, 4))
    outcome = execute(cohort, tmp_path / "run", resume=True)
    assert any("2 items computed again" in str(note) for note in outcome.notes)
    run = Run.open(tmp_path / "run")
    after = {entry.image: entry.identity for entry in run.entries}
    assert {name for name in "abc" if before[name] != after[name]} == {"a", "c"}
    result = run.query(
        "SELECT image, region, original FROM explanations "
        "WHERE target_source = 'true' ORDER BY image"
    )
    assert list(result["image"]) == ["a", "c"]
    assert from_rle({"size": result["original"][0], "counts": result["region"][0]})[24, 24]


def test_masks_are_no_part_of_an_item_that_does_not_use_them(cohort, tmp_path):
    cohort.write_text(COHORT.replace(', "truth"', ""))
    execute(cohort, tmp_path / "run")
    before = [entry.identity for entry in Run.open(tmp_path / "run").entries]
    draw(tmp_path / "masks/a.png", slice(0, 4), slice(0, 4))
    execute(cohort, tmp_path / "run", resume=True)
    assert [entry.identity for entry in Run.open(tmp_path / "run").entries] == before


def test_annotations_give_each_label_its_region(cohort, tmp_path):
    """COCO JSON in place of masks: a map a label, computed again when the file changes."""
    net = NET.replace("nn.Conv2d(4, 1, 1)", "nn.Conv2d(4, 2, 1)")
    (tmp_path / "net.py").write_text(net)
    (tmp_path / "card.toml").write_text(CARD.replace('["lesion"]', '["heart", "lung"]'))
    text = COHORT.replace('"masks"', '"x.json"').replace('["region", "truth"]', '["truth"]')
    cohort.write_text(text)
    corners = {"Lung": (4, 8, 16, 24), "heart": (16, 16, 28, 28)}
    write_coco(tmp_path / "x.json", corners)
    execute(cohort, tmp_path / "run")
    result = Run.open(tmp_path / "run").explanations()
    assert sorted(result["target"]) == ["heart true region", "lung true region"]
    assert set(result["image"]) == {"a"}
    for _, row in result.iterrows():
        region = from_rle({"size": row["original"], "counts": row["region"]})
        left, top, right, bottom = corners[row["target_label"].replace("lung", "Lung")]
        rows, columns = np.nonzero(region)
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (
            *(left, top),
            *(right, bottom),
        )
    before = {entry.image: entry.identity for entry in Run.open(tmp_path / "run").entries}
    write_coco(tmp_path / "x.json", corners | {"heart": (2, 2, 20, 20)})
    execute(cohort, tmp_path / "run", resume=True)
    after = {entry.image: entry.identity for entry in Run.open(tmp_path / "run").entries}
    assert before["a"] != after["a"]
    assert before["b"] == after["b"]


def write_coco(path: Path, corners: dict[str, tuple[int, int, int, int]]) -> None:
    items = []
    for number, (left, top, right, bottom) in enumerate(corners.values()):
        outline = [left, top, right, top, right, bottom, left, bottom]
        items.append(
            {"id": number, "image_id": 0, "category_id": number, "segmentation": [outline]}
        )
    document = {
        "images": [{"id": 0, "file_name": "a.png", "height": 32, "width": 32}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(corners)],
        "annotations": items,
    }
    path.write_text(json.dumps(document), "utf-8")
