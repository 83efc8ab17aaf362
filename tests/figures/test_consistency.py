"""What the figures of a comparison draw, read back from their axes."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from camlucida.analysis.comparison import compare
from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.figures.consistency import (
    all_series_figure,
    consistency_figure,
    panel_figure,
    read_panel,
    verdicts_figure,
)
from camlucida.figures.style import can_draw, drawn_with
from camlucida.report.locale import load_texts
from tests.analysis.comparison.test_compare import noisy, seed
from tests.figures.test_evaluation import words
from tests.support.stored_runs import world


@pytest.fixture(scope="module")
def compared():
    models = [seed(1, truth=[1, 0] * 5), noisy(2), seed(3, sha="m1")]
    runs, cases, heat = world(
        models, heat={("m1", "i0", "x"): (0.5, 0.1), ("m2", "i0", "x"): (0.6, 0.1)}
    )
    return runs, compare(runs, cases.assign(synthetic=True), heat, by="seed")


def reader(runs):
    def read(run, index):
        row = runs[run].explanations().iloc[index]
        scan = Scan(
            torch.zeros(1, 8, 8),
            np.zeros((8, 8), np.uint8),
            Geometry.identity((8, 8)),
            row["image"],
            synthetic=True,
        )
        (raw,) = runs[run].raw([index])
        empty = None if bool(raw.any()) else Message("empty.zero")
        return Explanation(
            raw, 1.0, 0.9, "x", "gradcam", "last", True, scan, empty, {"unit": "logit"}
        )

    return read


def dots(axes):
    return [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "o"]


def test_every_figure_says_what_it_is_not_for(compared):
    runs, found = compared
    for figure in (
        all_series_figure(found),
        consistency_figure(found),
        verdicts_figure(found),
        panel_figure(read_panel(found, "", reader(runs))),
    ):
        assert "Research use only · SYNTHETIC images" in words(figure)


def test_all_series_have_their_figure_and_their_heat(compared):
    _, found = compared
    right, heat = all_series_figure(found).axes
    assert right.get_title() == "AUC; dotted: chance"
    assert dots(right) == pytest.approx(found.all_series["value"].dropna())
    assert dots(heat) == pytest.approx(found.all_series["artefact_share"])


def test_pairs_have_agreement_similarity_null_and_excess(compared):
    _, found = compared
    pairs = found.pairs
    say, alike, excess = consistency_figure(found).axes
    assert dots(say) == pytest.approx(pairs["agreement"])
    assert dots(alike) == pytest.approx(pairs["similarity"][~pairs["identical"]])
    assert dots(excess) == pytest.approx(pairs["excess"][~pairs["identical"]])
    nulls = [segment[0][0] for lines in alike.collections for segment in lines.get_segments()]
    assert nulls == pytest.approx(pairs["null"][~pairs["identical"]])
    assert "the same maps" in [text.get_text() for text in excess.texts]
    assert [label.get_text() for label in say.get_yticklabels()] == [
        "seed 1 – seed 2",
        "seed 1 – seed 3",
        "seed 2 – seed 3",
    ]


def test_verdicts_are_counted(compared):
    _, found = compared
    bars, right = verdicts_figure(found).axes
    counts = found.cases["verdict"].value_counts()
    assert [bar.get_width() for bar in bars.patches] == [
        counts.get(name, 0) for name in ("artefact", "review", "consistent")
    ]
    assert right.get_title() == "share of correct decisions"


def test_without_a_ground_truth_verdicts_have_one_panel(compared):
    _, found = compared
    unknown = found.cases.assign(truth=np.nan, correct=np.nan, error=np.nan, dice=np.nan)
    figure = verdicts_figure(replace(found, cases=unknown))
    (bars,) = figure.axes
    assert bars.patches
    assert "ground truth" not in words(figure)


def test_the_panel_shows_each_distinct_series_on_one_scale(compared):
    runs, found = compared
    figure = panel_figure(read_panel(found, "", reader(runs)))
    text = words(figure)
    assert "seed 1 = seed 3" in text
    assert "x – ARTEFACT: heat on artefacts in 2 of 2 map series" in text
    assert "predicted positive (right)\nx 0.900" in text
    assert "truth: x positive" in text
    assert "strongest 1 of 1 logit" in text
    assert "of 9 cases" in text.replace("\n", " ")
    pictures = [
        axes for part in figure.subfigs for axes in part.axes if axes.images and axes.get_title()
    ]
    assert len(pictures) % 3 == 0


def test_the_panel_names_the_label_that_probability_and_truth_are_of(compared):
    runs, found = compared
    renamed = replace(found, maps=found.maps.assign(target="not x"))
    text = words(panel_figure(read_panel(renamed, "", reader(runs))))
    assert "predicted positive (right)\nx 0.900" in text
    assert "truth: x positive" in text


def test_the_panel_names_no_patient_that_stands_for_an_image(compared):
    runs, found = compared
    unknown = replace(found, cases=found.cases.assign(patient="image:" + found.cases["image"]))
    text = words(panel_figure(read_panel(unknown, "", reader(runs))))
    assert "image:" not in text
    assert "patient" not in text.partition("Research")[0].replace("by patient", "")


def test_a_panel_of_other_units_has_own_scales():
    first, second = seed(1, architecture="a"), noisy(2)
    second |= {"architecture": "b", "seed": 1}
    runs, cases, heat = world([first, second])
    found = compare(runs, cases, heat, by="architecture")
    text = words(panel_figure(read_panel(found, "", reader(runs))))
    assert "full colour = 1 logit" in text
    assert "Each map is on its own scale" in text.replace("\n", " ")


def test_nothing_to_show_without_shared_images():
    folds = [seed(1, fold=1), seed(1, fold=2, images=[f"j{k}" for k in range(9)])]
    runs, cases, heat = world(folds, runs=[0, 1])
    found = compare(runs, cases, heat, by="fold")
    assert read_panel(found, "", reader(runs)) is None
    assert all_series_figure(found).axes[0].get_title() == "heat on artefacts; dotted: their area"


@pytest.mark.skipif(not can_draw(load_texts("zh")), reason="no font with Chinese signs")
def test_every_figure_is_in_the_language_of_the_report(compared):
    runs, found = compared
    with drawn_with(texts=load_texts("zh")):
        figures = (
            all_series_figure(found),
            consistency_figure(found),
            verdicts_figure(found),
            panel_figure(read_panel(found, "", reader(runs))),
        )
    text = " ".join(map(words, figures))
    # What is left in Latin letters are names, units and statistics.
    names = {"AUC", "SYNTHETIC", "Pearson", "seed", "logit", "gradcam", "last"}
    left = set(re.findall(r"[A-Za-z]{3,}", text)) - names
    assert left == set()
    assert "判定只说明各组热图是否一致" in text
