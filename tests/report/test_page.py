from camlucida.core.messages import Message
from camlucida.core.numbers import number_or_dash
from camlucida.figures.style import drawn_with
from camlucida.report.locale import load_texts
from camlucida.report.page import write_index

RUN = {
    "model": {"name": "<script>alert(1)</script>", "description": "", "sha256": "0" * 64},
    "methods": ["gradcam"],
    "layers": ["layer4"],
    "command": "camlucida explain 'a\"><img src=x>'",
    "versions": {"camlucida": "0.1.0"},
    "failures": [{"image": "b.png", "error": "b.png is truncated"}],
    "notes": ["gradcam and hirescam give the same map"],
    "synthetic": True,
}
RECORD = {
    "scaled_output": None,
    "id": "film",
    "image": "film.png",
    "image_sha256": "ab" * 32,
    "image_size": [40, 60],
    "warnings": [],
    "target": "A & B",
    "method": "gradcam",
    "layer": "layer4",
    "shown_layer": "layer4",
    "grid": [7, 7],
    "score": 1.23456,
    "score_kind": "logit",
    "probability": 0.8,
    "raw_range": [-1.0, 2.0],
    "empty": False,
    "empty_reason": None,
    "boxes": [{"x": 1, "y": 2, "width": 3, "height": 4}],
    "class_specific": True,
    "files": {"figure": "f.png", "map": "m.npy"},
}


def test_the_page_shows_everything_and_escapes_what_is_not_ours(tmp_path):
    page = write_index(
        tmp_path,
        RUN,
        [RECORD, {**RECORD, "empty": True, "empty_reason": "no cell speaks for the target"}],
        {},
    ).read_text()
    assert "<script>" not in page
    assert "<img src=x>" not in page
    assert "A &amp; B" in page
    for words in (
        "Research use only",
        "SYNTHETIC",
        "b.png is truncated",
        "gradcam and hirescam",
        "1, 2, 3, 4",
        "1.235",
        "60 × 40 px",
    ):
        assert words in page, words
    assert "No evidence: no cell speaks for the target" in page
    assert "http" not in page.replace("http-equiv", "")  # no remote resource


def test_a_number_that_is_missing_is_a_dash():
    assert number_or_dash(None) == "–"
    assert number_or_dash(0.000123456) == "0.000123"
    assert number_or_dash(float("inf")) == "∞"


def test_the_page_is_in_the_language_of_the_command(tmp_path):
    with drawn_with(texts=load_texts("zh")):
        empty = {**RECORD, "empty": True, "empty_reason": Message("empty.zero")}
        page = write_index(tmp_path, RUN, [RECORD, empty], {}).read_text("utf-8")
    assert '<html lang="zh-Hans">' in page
    for words in ("1张图像的2幅热图", "概率0.800", "没有证据：", "数值热图："):
        assert words in page
    for words in ("Weights", "Numeric maps", "No evidence", "original pixels", "raw map"):
        assert words not in page
