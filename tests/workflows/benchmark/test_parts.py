"""Measurements that a stopped benchmark has finished, and what it measures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from camlucida.attribution.methods import METHODS
from camlucida.workflows.benchmark.arms import Scored, methods
from camlucida.workflows.benchmark.parts import RECORD, Parts


def scored():
    rows = pd.DataFrame(
        {"method": ["cam", "random"], "baseline": [False, True], "value": [0.5, np.nan]}
    )
    return Scored(rows, tag=rows[:1], failures=["no map"], same={"hirescam": "cam"})


def test_a_part_comes_back_as_it_was(tmp_path):
    parts = Parts.of(tmp_path, {"seed": 0})
    assert parts.read("main") is None
    parts.write("main", scored(), 2.5)
    back, seconds = parts.read("main")
    assert seconds == 2.5
    assert (back.failures, back.same) == (["no map"], {"hirescam": "cam"})
    for table in ("rows", "meta", "verification", "tag"):
        pd.testing.assert_frame_equal(getattr(back, table), getattr(scored(), table))


def test_an_unfinished_part_is_measured_again(tmp_path):
    parts = Parts.of(tmp_path, {"seed": 0})
    parts.write("main", scored(), 2.5)
    (parts.folder / "main" / RECORD).unlink()
    assert parts.read("main") is None


def test_another_request_has_parts_of_its_own(tmp_path):
    parts, other = Parts.of(tmp_path, {"seed": 0}), Parts.of(tmp_path, {"seed": 1})
    parts.write("main", scored(), 2.5)
    assert other.read("main") is None
    other.remove()
    assert parts.read("main") is not None
    parts.remove()
    assert not any(tmp_path.iterdir())


def test_maps_of_the_pixels_are_not_ranked_with_those_of_a_grid():
    names = methods()
    assert {"gradcam", "scorecam"} <= set(names)
    assert all(METHODS[name].kind != "input" for name in names)
    assert not set(names) & {"rise", "occlusion", "random"}
