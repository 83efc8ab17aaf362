"""A run of a detector: each map comes back with its box, and lies where it lay."""

from pathlib import Path

import numpy as np
import pytest

from camlucida import explain
from camlucida.io import read_image
from camlucida.models import load_model
from camlucida.models.preprocessing import prepare
from camlucida.report.viewer.data import map_data
from camlucida.runs import Run
from tests.support.models_on_disk import write_image
from tests.support.runs_on_disk import done

NET = """from tests.support.detectors import detector

def build():
    return detector("retinanet")
"""
CARD = """factory = "net.py:build"
labels = ["none", "nodule", "effusion"]

[input]
channels = 3
range = [0, 1]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("detector")
    (folder / "films").mkdir()
    (folder / "net.py").write_text(NET)
    (folder / "card.toml").write_text(CARD)
    for i in range(2):
        write_image(folder / f"films/{i}.png", i)
    (folder / "cohort.toml").write_text('images = "films"\nmodel = "card.toml"\n')
    return done(folder)


def test_boxes_are_stored(run: Run) -> None:
    table = run.explanations()
    assert len(table) > 2
    for index in table.index:
        e = run.explanation(int(index))
        assert e.detection is not None
        assert e.target.startswith(e.detection.name)
        left, top, right, bottom = e.detection.box
        height, width = e.scan.geometry.original
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_maps_lie_where_they_lay_with_an_image_that_was_read(run: Run) -> None:
    first = run.explanations().iloc[0]
    model = load_model(run.folder.root.parent / "card.toml", device="cpu")
    scan = prepare(read_image(Path(first["path"])), model.card.input)
    (stored,) = run.explanations_of([0], scan)
    made = next(e for e in explain(model, scan) if e.target == stored.target)
    assert stored.scan.geometry.model != scan.geometry.model  # the detector pads
    assert stored.detection == made.detection
    np.testing.assert_allclose(stored.on_original(), made.on_original(), atol=1e-5)


def test_the_viewer_draws_the_box(run: Run) -> None:
    e = run.explanation(0)
    assert e.detection is not None
    left, top, right, bottom = e.detection.box
    box = map_data(e, "0")["detection"]
    assert (box["x"], box["y"], box["label"]) == (left, top, e.detection.name)
    assert (box["x"] + box["width"], box["y"] + box["height"]) == pytest.approx((right, bottom))
