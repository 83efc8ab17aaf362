"""``camlucida passport`` as it is typed: files, one page of paper, refusals."""

import json
import shutil
import sys

import pytest
from pypdf import PdfReader

from tests.cli.test_cli import run


@pytest.fixture
def folder(small_run, tmp_path):
    shutil.copytree(small_run.folder.root, tmp_path / "r")
    return tmp_path / "r"


def test_a_passport_of_a_run(folder, capsys):
    pytest.importorskip("weasyprint", reason="a PDF needs pip install '.[report]'")
    assert run("passport", str(folder)) == 0
    written = sorted(path.name for path in (folder / "passport").iterdir())
    assert written == [f"card_passport.{suffix}" for suffix in ("html", "json", "pdf")]
    assert capsys.readouterr().err.count("card_passport") == 3
    assert len(PdfReader(folder / "passport/card_passport.pdf").pages) == 1
    record = json.loads((folder / "passport/card_passport.json").read_text("utf-8"))
    assert record["research_use_only"] is True
    page = (folder / "passport/card_passport.html").read_text("utf-8").replace("<wbr>", "")
    assert record["content_sha256"] in page


def test_without_a_printer_there_is_no_pdf(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    assert run("passport", str(folder), "--out", str(tmp_path / "out"), "--model", "card") == 0
    assert "note: no PDF: the report as PDF needs WeasyPrint" in capsys.readouterr().err
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".html", ".json"]


def test_an_unknown_model_is_refused(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("passport", str(folder), "--model", "crad", "--out", str(out)) == 2
    assert "the run has no model 'crad' (did you mean card?)" in capsys.readouterr().err
    assert not out.exists()
