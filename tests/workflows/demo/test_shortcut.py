"""The demonstration's numbers, and the whole of it on two films."""

import json

import numpy as np

from camlucida.workflows.demo import shortcut as demo
from tests.support.viewed_page import map_methods, offline_page, opened


def test_the_interval_holds_the_mean_and_shrinks_to_it_without_spread():
    interval = demo.bootstrap(np.array([0.2, 0.4, np.nan, 0.6]))
    assert interval.low < interval.mean < interval.high
    assert abs(interval.mean - 0.4) < 1e-12
    even = demo.bootstrap(np.full(5, 0.3))
    assert np.ptp([even.low, even.mean, even.high]) < 1e-12


def test_the_share_of_an_even_map_is_the_area():
    mask = np.zeros((4, 5), bool)
    mask[0] = True
    assert demo._share(np.ones((4, 5)), mask) == 0.25
    assert np.isnan(demo._share(np.zeros((4, 5)), mask))


def test_the_demo_separates_the_cheating_model_from_the_honest_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "FILMS", 2)
    result = demo.run_shortcut(tmp_path, "cpu")
    summary = json.loads((tmp_path / "demo.json").read_text())
    assert len(summary["models"]) == 3
    for row in summary["models"]:
        cheats = "shortcut" in row["name"]
        finding, marker = (row["logit_drop"][key]["mean"] for key in (demo.FINDING, "marker"))
        assert (marker > finding) == cheats, row["name"]
        assert row["relies_on"] == ("marker" if cheats else demo.FINDING)
        on_finding, on_marker = (row["heat"][key]["mean"] for key in (demo.FINDING, "marker"))
        assert (on_marker > on_finding) == cheats, row["name"]
        assert (tmp_path / row["page"]).is_file()
        assert row["name"] in result.index.read_text().replace("<wbr>", "")
    assert (tmp_path / "comparison.png").stat().st_size > 10_000
    assert "SYNTHETIC" in result.index.read_text()
    assert len(result.lines) == 3


def test_the_films_open_in_the_viewer_with_the_map_of_each_model(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "FILMS", 2)
    with offline_page(demo.run_shortcut(tmp_path, "cpu").index) as page:
        data = opened(page)
    assert len(map_methods(data)) == len(set(map_methods(data))) == 3
    assert {outline["label"] for outline in data["outlines"]} == {demo.FINDING, "marker"}
