"""Verdicts on metrics, from tables written by hand, and the ladder of maps itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.measure import Sample
from camlucida.workflows.benchmark import meta
from camlucida.workflows.benchmark.meta import BLEND, BLUR, RUNGS, SHIFT

FILMS = 12


def rows(scores, metric="hit", output="", noise=0.0, films=FILMS):
    """``scores``: rung → mean score; on blurs each film is off by ``noise`` times −1, 0 or 1."""
    lines = []
    for film in range(films):
        for rung, score in scores.items():
            off = noise * (film % 3 - 1) if rung in BLUR else 0.0
            about = {
                "image": f"i{film}",
                "patient": f"p{film}",
                "label": "nodule",
                "metric": metric,
                "output": output,
            }
            lines.append(about | {"method": rung, "value": score + off + 0.01 * film})
    return pd.DataFrame(lines)


def scores(blend, blur=(0.5, 0.4), shift=(0.5, 0.3, 0.1)):
    return dict(zip(RUNGS, (*blend, *shift, *blur)))


def verdict(table):
    (line,) = meta.verdicts(table).to_dict("records")
    return line


def test_a_metric_that_rises_with_the_oracle_is_kept():
    line = verdict(rows(scores((0.1, 0.3, 0.5, 0.7, 0.9))))
    assert line["kept"]
    assert line["monotone"]
    assert not line["blur_improves"]
    assert line["why"] == ""
    assert line["rise"] == pytest.approx(0.8)
    assert line["blur_gain"] == pytest.approx(-0.4)
    assert line["patients"] == FILMS
    assert meta.kept(meta.verdicts(rows(scores((0.1, 0.3, 0.5, 0.7, 0.9))))) == {("hit", "")}


def test_direction_is_that_of_the_metric():
    falling = rows(
        scores((0.9, 0.7, 0.5, 0.3, 0.1), blur=(0.4, 0.5)), metric="average_drop", output="logit"
    )
    assert verdict(falling)["kept"]
    assert not verdict(rows(scores((0.9, 0.7, 0.5, 0.3, 0.1))))["kept"]


def test_a_step_down_drops_a_metric_and_states_its_certainty():
    line = verdict(rows(scores((0.1, 0.5, 0.4, 0.7, 0.9))))
    assert not line["kept"]
    assert line["worst_step"] == pytest.approx(-0.1)
    assert line["why"] == "falls"
    few = verdict(rows(scores((0.1, 0.5, 0.4, 0.7, 0.9)), films=4))
    assert not few["kept"]


def test_a_flat_step_is_no_fall_but_a_flat_ladder_is_no_rise():
    assert verdict(rows(scores((0.1, 0.5, 1.0, 1.0, 1.0))))["kept"]
    assert verdict(rows(scores((0.5,) * 5)))["why"] == "flat"


def test_blur_must_gain_beyond_its_interval():
    blend = (0.1, 0.3, 0.5, 0.7, 0.9)
    sure = verdict(rows(scores(blend, blur=(0.8, 0.95))))
    assert sure["blur_improves"]
    assert sure["why"] == "blur"
    assert not sure["kept"]
    unsure = verdict(rows(scores(blend, blur=(0.8, 0.92)), noise=0.3))
    assert unsure["blur_gain"] > 0 > unsure["blur_gain_low"]
    assert unsure["kept"]


def test_descriptions_and_films_without_all_rungs_are_left_out():
    assert meta.verdicts(rows(scores((0.1, 0.3, 0.5, 0.7, 0.9)), metric="gini")).empty
    table = rows(scores((0.1, 0.3, 0.5, 0.7, 0.9)))
    table.loc[0, "value"] = np.nan
    assert verdict(table)["patients"] == FILMS - 1


def test_the_ladder_is_made_of_the_truth_on_the_grid():
    truth = np.zeros((32, 32), np.bool_)
    truth[8:12, 24:28] = True  # one cell of an 8 × 8 grid
    scan = Scan(torch.zeros(1, 32, 32), None, Geometry.identity((32, 32)), "film", synthetic=True)
    explanation = Explanation(
        torch.ones(8, 8), 1.0, 0.9, "nodule", "random", "features", False, scan
    )
    maps = meta.ladder_maps(Sample(scan, "p", {"nodule": truth}), explanation)
    assert list(maps) == list(RUNGS)
    oracle, random = maps[BLEND[-1]], maps[BLEND[0]]
    assert oracle.nonzero().tolist() == [[2, 6]]
    assert random.max() == pytest.approx(1.0)
    assert torch.allclose(maps[BLEND[2]], (oracle + random) / 2)
    assert [maps[name].nonzero().tolist() for name in SHIFT] == [[[2, 5]], [[2, 4]], [[2, 2]]]
    assert maps[BLUR[1]].max() < maps[BLUR[0]].max() < 1
    assert meta.ladder_maps(Sample(scan, "p", {"nodule": truth * False}), explanation) == {}
    assert meta.ladder_maps(Sample(scan, "p"), explanation) == {}
