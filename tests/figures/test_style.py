"""Figures in Chinese: their words, labels, line breaks and fonts."""

import re

import numpy as np
import pytest

from camlucida.core.messages import ENGLISH_TEXTS, Message
from camlucida.figures import style
from camlucida.figures.cases import label_comparison
from camlucida.figures.class_grid import Example, class_grid
from camlucida.figures.grids import GridRow, comparison_grid
from camlucida.figures.overlay import caption, overlay_image
from camlucida.figures.panels import figure_png, sheet_footer, strip_heading, three_panel
from camlucida.figures.style import drawn_with, words, wrapped_lines
from camlucida.report.document import Document
from camlucida.report.locale import load_texts
from camlucida.report.render import with_english_figures
from tests.support.explanations import explanation, figure_text

ZH = load_texts("zh")
PEAKED = [[0.0, 0.0], [0.0, 4.0]]
# Identifiers that have no translation: methods, layers, units, images.
NAMES = r"GRADCAM|gradcam|layer4|logit|film|px|SYNTHETIC|Pleural_Effusion|IoU"


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setattr(style, "installed_cjk_fonts", lambda: ("WenQuanYi Micro Hei",))
    with drawn_with(texts=ZH):
        yield


def english_words(text):
    return re.findall(r"[A-Za-z]{2,}", re.sub(NAMES, "", text))


@pytest.mark.usefixtures("chinese")
def test_no_english_word_is_left_in_chinese_figures():
    item = explanation(PEAKED, target="Pleural_Effusion", synthetic=True)
    figures = [
        three_panel(item),
        label_comparison([item, item], [True, None]),
        comparison_grid([GridRow("a", [item])], ["gradcam"], shared="all"),
        class_grid({"1": [Example(item, "1", "1", 0.9)], "2": []}, 1)[0],
    ]
    for figure in figures:
        assert english_words(figure_text(figure)) == []
    for figure in figures[:2]:
        assert "胸腔积液" in figure_text(figure)
    for line in (caption(item), strip_heading(item), *sheet_footer([item, item])):
        assert english_words(line) == []


def test_labels_have_chinese_names_and_unknown_ones_stay():
    assert ZH.label("Pleural Effusion") == "胸腔积液 (Pleural Effusion)"
    assert ZH.label("no_finding") == "未见异常 (no_finding)"
    assert ZH.label("my label") == "my label"
    assert ENGLISH_TEXTS.label("Edema") == "Edema"


def test_without_a_font_figures_are_in_english_and_the_report_says_so(monkeypatch):
    monkeypatch.setattr(style, "installed_cjk_fonts", lambda: ())
    with drawn_with(texts=ZH):
        assert words("panels.overlay") == "Overlay"
    document = with_english_figures(Document(title=Message("page.contents"), sections=()))
    assert document.intro[-1].sentences[0].code == "page.figures_in_english"


def test_lines_end_between_chinese_signs_and_never_begin_with_a_stop():
    lines = wrapped_lines("各热图用各自的标尺，注于其下：颜色相同不表示强度相同。", 20)
    assert max(map(len, lines)) <= 11
    assert "".join(lines) == "各热图用各自的标尺，注于其下：颜色相同不表示强度相同。"
    assert not any(line[0] in "，。：" for line in lines)
    assert wrapped_lines("one two  three", 7) == ["one two", "three"]
    assert wrapped_lines("averyveryverylongword and", 6) == ["averyveryverylongword", "and"]


@pytest.mark.skipif(not style.installed_cjk_fonts(), reason="no Chinese font is installed")
def test_chinese_signs_are_drawn_with_a_font_that_has_them():
    item = explanation(PEAKED, target="Pleural_Effusion", size=(300, 400))
    with drawn_with(texts=ZH):
        chinese = np.asarray(overlay_image(item))
        assert len(figure_png(three_panel(item))) > 1000
    assert chinese[300:].max() > 200
