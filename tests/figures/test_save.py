"""Which files are written of an explanation, and what its record says."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from camlucida.core.errors import UsageError
from camlucida.core.files import json_default
from camlucida.core.geometry import Geometry
from camlucida.figures.records import KINDS, file_kinds
from camlucida.figures.save import SUFFIXES, image_job, top_finding
from camlucida.io import read_image
from tests.support.explanations import explanation

RAW = [[-1.0, 0.0, 2.0], [0.0, 4.0, 1.0]]


def test_by_default_film_raw_map_and_overlay_are_written(tmp_path):
    item = explanation(RAW, image="a film", size=(80, 120))
    record = item.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(record["files"].values())
    assert list(record["files"]) == ["film", "maps", "overlay"]
    with Image.open(tmp_path / record["files"]["film"]) as film:
        assert film.mode == "L"
        np.testing.assert_array_equal(np.asarray(film), item.scan.picture())
    raw = np.load(tmp_path / record["files"]["maps"])[record["map_key"]]
    np.testing.assert_array_equal(raw, item.raw)  # signed
    with Image.open(tmp_path / record["files"]["overlay"]) as overlay:
        assert overlay.format == "JPEG"
        assert overlay.width == 120
        assert overlay.height > 80


def test_a_raw_map_is_laid_over_its_film_by_its_record_alone(tmp_path):
    geometry = Geometry.identity((40, 60)).crop((0, 10), (40, 40)).resize((8, 8))
    item = explanation(RAW)
    item = replace(item, scan=replace(item.scan, geometry=geometry))
    record = json.loads(json.dumps(item.save(tmp_path), default=json_default))
    raw = np.load(tmp_path / record["files"]["maps"])[record["map_key"]]
    about = record["geometry"]
    sizes = tuple(record["image_size"]), tuple(about["model_size"])
    again = Geometry(*sizes, tuple(about["scale"]), tuple(about["offset"]))
    rows, columns = again.interpolation(record["grid"])
    cells = np.maximum(raw, 0) if record["relu"] else raw
    np.testing.assert_allclose(rows @ cells @ columns.T, item.numpy(), atol=1e-6)


@pytest.mark.parametrize("size", [(80, 120), (30, 400)])
@pytest.mark.parametrize("relu", [True, False])
def test_every_kind_can_be_written_and_read(tmp_path, relu, size):
    item = explanation(RAW, relu=relu, size=size)
    record = item.save(tmp_path, write=["all"])
    assert set(record["files"]) == {"film", "maps", *SUFFIXES}
    values = np.load(tmp_path / record["files"]["map"])
    np.testing.assert_allclose(values, item.numpy(), atol=1e-5)
    mask = np.asarray(Image.open(tmp_path / record["files"]["mask"])) > 0
    assert mask.sum() == sum(box["area"] for box in record["boxes"])
    for kind in ("overlay", "heatmap", "figure"):
        with Image.open(tmp_path / record["files"][kind]) as picture:
            assert picture.convert("L").getextrema()[1] > 200


def test_only_what_is_named_is_written(tmp_path):
    record = explanation(RAW).save(tmp_path, write=("mask", "map"))
    assert set(record["files"]) == {"film", "maps", "mask", "map"}


def test_names_of_what_can_be_written():
    assert file_kinds(None) is None
    assert file_kinds(["all"]) == set(KINDS)
    with pytest.raises(UsageError, match=r"'heatmaps'.*did you mean heatmap"):
        file_kinds(["overlay", "heatmaps"])


def test_the_film_of_a_generated_image_says_so_when_it_is_read_again(tmp_path):
    record = explanation(RAW, synthetic=True).save(tmp_path)
    assert read_image(tmp_path / record["files"]["film"]).synthetic


def test_the_top_finding_is_the_most_probable():
    likely, unlikely = explanation(RAW, target="a"), explanation(RAW, target="b")
    unlikely = replace(unlikely, probability=0.1)
    assert top_finding([unlikely, likely]) is likely
    values = [replace(item, probability=None) for item in (unlikely, likely)]
    assert top_finding(values) is values[0]


def test_maps_of_an_image_share_a_file_under_keys_of_their_own():
    items = [explanation(RAW, target=target) for target in ("a", "A", "b")]
    job = image_job(items, ".", stems=set())
    keys = [item.key.casefold() for item in job.maps]
    assert len(set(keys)) == 3
    assert job.maps_file == "film_maps.npz"
    assert [list(item.files) for item in job.maps] == [["overlay"], [], []]


def test_an_overlay_keeps_its_words_sharp(tmp_path):
    """JPEG must not smear the caption: letters stay near black and white."""
    item = explanation(RAW, size=(300, 900))
    record = item.save(tmp_path)
    written = np.asarray(Image.open(tmp_path / record["files"]["overlay"]), int)[300:]
    exact = np.asarray(item.overlay(), int)[300:]
    assert np.abs(written - exact).mean() < 3
    assert re.fullmatch(r"film_lung_gradcam_layer4_overlay\.jpg", record["files"]["overlay"])
