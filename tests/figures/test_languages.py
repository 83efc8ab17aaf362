"""Figures of ensemble, change, regression and segmentation in Chinese: no English is left."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from camlucida.analysis.change import centred, difference
from camlucida.analysis.change.alignment import Alignment, AlignmentQuality, Mirror
from camlucida.analysis.ensemble.combine import SCALES, combine
from camlucida.analysis.ensemble.members import WEIGHTINGS
from camlucida.core.messages import Message
from camlucida.core.regions import binary_mask, boxes
from camlucida.figures import style
from camlucida.figures.change import change_figure
from camlucida.figures.comparison import comparison_figure
from camlucida.figures.ensemble import boxes_figure, ensemble_figure
from camlucida.figures.grids import GridRow, layer_comparison, method_comparison
from camlucida.figures.regression import ValueCase, both_signs, value_figure
from camlucida.figures.segmentation import analysis_sheet
from camlucida.figures.style import drawn_with, installed_cjk_fonts
from camlucida.figures.texts import plain_texts, text_extent
from camlucida.report.locale import load_texts
from camlucida.workflows.segmentation.sheet import facts, warnings
from tests.support.explanations import explanation, figure_text

# Identifiers that have no translation: methods, layers, units, metrics, images, labels.
NAMES = (
    r"GRADCAM|gradcam|layer4|logit|film|SYNTHETIC|Pleural_Effusion|IoU|Dice|Pearson|net\d|"
    r"a\.png|lung|age|lesion|predicted"
)
MASK = np.zeros((40, 60), bool)
MASK[10:20, 30:50] = True


@pytest.fixture(autouse=True)
def chinese(monkeypatch):
    monkeypatch.setattr(style, "installed_cjk_fonts", lambda: ("WenQuanYi Micro Hei",))
    with drawn_with(texts=load_texts("zh")):
        yield


def assert_no_english(figure):
    text = figure_text(figure)
    assert re.findall(r"[A-Za-z]{2,}|\bp =", re.sub(NAMES, "", text)) == []
    assert "仅供研究使用" in text


def maps(*raws, **options):
    return {f"net{number}": explanation(raw, **options) for number, raw in enumerate(raws)}


PEAKED, SPREAD = [[0.0, 0.0], [0.0, 4.0]], [[4.0, 2.0], [1.0, 3.0]]
FAINT, SIGNED = [[0.0, 0.01], [0.0, 0.0]], [[1.0, -2.0], [0.5, 0.0]]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_an_ensemble(scale, weighting):
    options = {"target": "Pleural_Effusion", "synthetic": True}
    together = combine(maps(PEAKED, SPREAD, FAINT, **options), scale=scale, weighting=weighting)
    figure = ensemble_figure(together, {})
    assert_no_english(figure)
    assert "胸腔积液" in figure_text(figure)
    assert "概率0.820" in figure_text(figure)


def test_an_ensemble_of_one_or_of_none_with_evidence():
    assert_no_english(ensemble_figure(combine(maps(PEAKED)), {}))
    zero = maps([[0.0, 0.0]], [[0.0, 0.0]], empty=Message("empty.zero"))
    assert_no_english(ensemble_figure(combine(zero), {}))
    assert_no_english(ensemble_figure(combine(maps(SIGNED, SIGNED, relu=False)), {}))


def test_boxes():
    item = explanation(PEAKED)
    found = boxes(binary_mask(item.numpy()), item.numpy())
    figure = boxes_figure(item, {"net0": found}, found, np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert_no_english(figure)
    assert "阅片者：1" in figure_text(figure)


QUALITY = AlignmentQuality(0.5, 1.0, 0.9)
ALIGNED = Alignment(
    np.eye(2),
    np.zeros(2),
    (40, 60),
    1.0,
    1.1,
    (2.0, -3.0),
    QUALITY,
    QUALITY,
    None,
    Mirror(0.1, 0.9),
)
RAMP = np.arange(2400.0).reshape(40, 60)


@pytest.mark.parametrize("alignment", [ALIGNED, centred(RAMP, RAMP)])
def test_a_change(alignment):
    first, second = explanation(PEAKED), explanation(SPREAD)
    change = difference(first, second, alignment, first if alignment.moved else None)
    figure = change_figure(change, ("film", "film"))
    assert_no_english(figure)
    assert "概率+0.000" in figure_text(figure)


@pytest.mark.parametrize("empty", [None, Message("empty.zero")])
@pytest.mark.parametrize("mask", [None, MASK])
def test_a_case_of_a_regression(mask, empty):
    raw = SIGNED if empty is None else [[0.0, 0.0]]
    item = both_signs(explanation(raw, target="age", empty=empty))
    inside = Message("evidence.inside_of_sign", {"of_heat": 0.5, "heat": "age", "share": 0.5})
    case = ValueCase(item, "a.png", "age", 50.0, 57.0, mask, inside=inside)
    for threshold in (5.0, 10.0):
        assert_no_english(value_figure(case, threshold=threshold))


ROW = {
    **{"score": 1.0, "probability": 0.5, "mean": 1.0, "std": 1.0, "max": 1.0, "unit": "logit"},
    **{"relative_mean": 0.1, "relative_std": 0.1, "target": "predicted", "layer": "layer4"},
    **{"target_source": "predicted", "dice": 0.5, "iou": 0.4, "hits": 1, "components": 2},
    **{"false_components": 0, "chance_dice": 0.1, "circular": "partly", "truth_ratio": None},
}
NUMBERS = ("ratio", "share", "area", "reached", "centre")
RANGES = [f"{name}_{part}" for name in ("shifted", "random") for part in ("median", "low", "high")]


@pytest.mark.parametrize("circular", ["yes", "partly"])
def test_a_sheet_of_a_segmentation(circular):
    row = ROW | dict.fromkeys((*NUMBERS, *RANGES), 0.5) | {"circular": circular}
    outlines = {"掩膜": MASK}
    for item, region in (
        (explanation(SPREAD), MASK),
        (explanation([[0.0]], empty=Message("empty.zero")), ~MASK & MASK),
    ):
        figure = analysis_sheet(item, region, facts(row), outlines=outlines, warnings=warnings(row))
        assert_no_english(figure)
        assert "内 ÷ 外，predicted区域" in figure_text(figure)
    assert_no_english(analysis_sheet(explanation(SPREAD), MASK, [], outlines={}))


def test_grids_and_models_side_by_side():
    row = GridRow("掩膜", [explanation(SPREAD), None])
    assert_no_english(method_comparison([GridRow("掩膜", [explanation(SPREAD)])]))
    assert_no_english(layer_comparison([row], ["layer4", "layer4"]))
    empty = explanation([[0.0]], empty=Message("empty.zero"))
    assert_no_english(comparison_figure({"net0": [empty]}, [(MASK, MASK)]))


def test_accents_are_of_the_usual_font_and_bold(caplog):
    """Fonts with Chinese signs have no bold face, of which matplotlib would complain."""
    figure = Figure()
    text = figure.text(0, 0, "NÃO É O MODELO", weight="bold")
    plain_texts(figure)
    assert not {*installed_cjk_fonts()} & {*text.get_fontfamily()}
    chinese = figure.text(0, 0, "模型", weight="bold")
    plain_texts(figure)
    text_extent(figure, chinese)
    assert "font weight" not in caplog.text
