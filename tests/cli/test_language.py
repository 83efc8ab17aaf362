"""``--language`` on every command that writes a page or figures."""

import pytest
import typer

from camlucida.cli import main
from camlucida.cli.common import app
from camlucida.figures.style import drawn_with, style
from camlucida.report.document import Document
from camlucida.report.locale import load_texts
from camlucida.report.writers.html import write_page

WRITING = (
    *("explain", "report", "compare", "ensemble", "change", "evaluate", "evaluate-predictions"),
    *("report-pack", "evaluate-regression", "explain-segmentation", "evaluate-chexlocalize"),
    *("benchmark", "case", "passport"),
)


@pytest.mark.parametrize("name", WRITING)
def test_every_command_that_writes_a_page_takes_a_language(name):
    command = typer.main.get_command(app).commands[name]
    assert "--language" in {word for option in command.params for word in option.opts}


def test_an_unknown_language_is_refused_before_any_work(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(tmp_path), "--language", "zz"])
    assert ended.value.code == 2
    assert "unknown language 'zz'" in capsys.readouterr().err


def test_the_language_ends_with_the_command(tmp_path):
    with pytest.raises(SystemExit):
        main(["compare", str(tmp_path / "none"), "--language", "zh"])
    assert style().page_texts.language == "en"


@pytest.mark.parametrize(
    ("language", "tag", "notice"),
    [("en", "en", "Research use"), ("pt", "pt-BR", "pesquisa"), ("zh", "zh-Hans", "仅供研究使用")],
)
def test_a_page_is_in_the_language_of_the_command(language, tag, notice, tmp_path):
    with drawn_with(texts=load_texts(language)):
        path = write_page(Document("resnet18", ()), tmp_path / "index.html")
    page = path.read_text("utf-8")
    assert f'<html lang="{tag}">' in page
    assert notice in page


def test_a_page_without_a_font_says_that_its_figures_are_in_english(tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.figures.style.installed_cjk_fonts", tuple)
    with drawn_with(texts=load_texts("zh")):
        page = write_page(Document("resnet18", ()), tmp_path / "index.html").read_text("utf-8")
        assert style().texts.language == "en"
    assert "图中文字为英文" in page
