"""One page of a case: every number beside its chance level, from what the run stores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.core.messages import english
from camlucida.runs import Run
from camlucida.workflows import case_card as card
from tests.support.runs_on_disk import run_of, segmentation_run

TABLE = "image,patient,A,B\n0,p,1,0\n1,q,0,1\n2,q,1,0\n3,r,0,1\n"
EXPLAIN = '[explain]\ntarget = ["A", "B"]\nmethod = ["gradcam", "layercam"]\n'
CASE = pd.Series({"layer": "last", "method": "gradcam", "label": "A"})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return run_of(tmp_path_factory.mktemp("card") / "run", "multilabel", ("A", "B"), TABLE, EXPLAIN)


@pytest.mark.usefixtures("fine_figures")
def test_a_page_of_a_case_by_all_methods(run, tmp_path, monkeypatch):
    shown = []
    original = card.case_card
    monkeypatch.setattr(
        card, "case_card", lambda maps, *rest: shown.append((maps, *rest)) or original(maps, *rest)
    )
    files = card.write_case_card(run, "1", "b", tmp_path)
    assert [path.name for path in files] == ["1_B_card.png", "1_B_card.pdf"]
    assert all(path.stat().st_size > 5000 for path in files)
    ((maps, title, notes, outlines, _),) = shown
    assert [each.explanation.method for each in maps] == ["gradcam", "layercam"]
    assert {each.explanation.target for each in maps} == {"B"}
    assert title == "1: B (card)"
    assert "sanity check: not run" in maps[0].lines
    assert any("camlucida evaluate" in note for note in notes)
    assert not outlines


def test_an_image_of_several_labels_asks_for_one(run, tmp_path):
    with pytest.raises(UsageError, match="--label and one of A, B"):
        card.write_case_card(run, "1", "", tmp_path)
    with pytest.raises(UsageError, match="no case of image 'none'"):
        card.write_case_card(run, "none", "A", tmp_path)


def test_a_mask_is_outlined_and_its_share_stands_beside_its_area(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(card, "case_card", lambda *given: shown.append(given))
    monkeypatch.setattr(card, "save_figure", lambda *_: [])
    card.write_case_card(segmentation_run(tmp_path / "regions"), "part", "", tmp_path)
    ((maps, _, _, outlines, _),) = shown
    assert list(outlines) == ["mask"]
    assert any("inside the mask" in line and "(chance 12%)" in line for line in maps[0].lines)


def row(method, value, metric="road", chance=0.0):
    return {
        "layer": "last",
        "method": method,
        "metric": metric,
        "output": "probability",
        "value": value,
        "chance": chance,
    }


def test_a_score_stands_beside_chance_edges_and_centre():
    scores = pd.DataFrame([row("gradcam", 0.4), row("sobel", 0.1), row("center", 0.2)])
    (line,) = card._scores(CASE, scores)
    text = english(line)
    assert text == "ROAD combined (probability) 0.4 (chance 0); edges 0.1; centre 0.2"
    (bare,) = card._scores(CASE, pd.DataFrame([row("gradcam", 0.4, chance=np.nan)]))
    assert english(bare) == "ROAD combined (probability) 0.4"
    assert list(card._scores(CASE, pd.DataFrame([row("gradcam", np.nan)]))) == []


@pytest.mark.parametrize("verdict", ["depends", "unclear", "unchanged"])
def test_the_sanity_verdict_is_that_of_the_method_and_label(verdict):
    gates = pd.DataFrame(
        {
            "method": ["layercam", "gradcam", "gradcam"],
            "layer": "last",
            "labels": [("A",), ("B",), ("A", "C")],
            "verdict": ["depends", "depends", verdict],
        }
    )
    assert card._sanity(CASE, gates).code == f"case_card.{verdict}"
    assert card._sanity(CASE, gates[:2]).code == "case_card.untested"
