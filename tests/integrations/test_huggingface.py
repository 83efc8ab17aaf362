"""A model card for the Hub: what huggingface_hub reads is what the passport has."""

import shutil
import sys
from dataclasses import replace

import pytest

from camlucida.core.messages import Message
from camlucida.integrations.huggingface import model_card
from camlucida.report.document import Table
from camlucida.report.passport.page import not_measured, passport_document
from camlucida.workflows.passport import passports
from tests.cli.test_cli import run


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("huggingface_hub", reason="a card needs pip install '.[hf]'")


def test_the_card_has_the_values_of_the_passport(hub, small_run, tmp_path):
    (passport,) = passports(small_run, tmp_path)
    card = hub.ModelCard(model_card(passport), ignore_metadata_errors=False)
    performance = [check for check in passport.checks if check.kind == "performance"]
    results = card.data.eval_results
    assert [each.metric_type for each in results] == [check.name for check in performance]
    for each, check in zip(results, performance, strict=True):
        assert each.metric_value == pytest.approx(check.value.estimate, abs=5e-5)
        assert each.task_type == "image-classification"
    assert "research-use-only" in card.data.tags
    assert "Research use only" in card.text
    assert passport.content in card.text
    assert card.text.count("\n| ") == 1 + len(passport.checks)
    missing = card.text.replace("\\", "")
    for kind in passport.missing:
        assert f"- {not_measured(kind)}" in missing


def test_images_are_counted_where_patients_are_unknown(hub, small_run, tmp_path):
    (passport,) = passports(small_run, tmp_path)
    assert "| Reference | Patients | Verdict |\n|---|---|---|---|---|---|\n" in model_card(passport)
    unknown = replace(passport, counts=passport.counts | {"patients": None})
    assert "| Reference | Images | Verdict |" in model_card(unknown)
    assert "intervals by image" in model_card(unknown)
    for made, counted in ((passport, "patients"), (unknown, "images")):
        (table,) = (
            each
            for each in passport_document(made, "0").sections[0].blocks
            if isinstance(each, Table)
        )
        assert Message(f"passport.head_{counted}") in table.head


def test_the_option_writes_it(hub, small_run, tmp_path, monkeypatch):
    shutil.copytree(small_run.folder.root, tmp_path / "r")
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    assert run("passport", str(tmp_path / "r"), "--model-card") == 0
    names = sorted(path.name for path in (tmp_path / "r/passport").iterdir())
    assert names == [
        "card_README.md",
        "card_measurements.png",
        "card_passport.html",
        "card_passport.json",
    ]
    card = (tmp_path / "r/passport/card_README.md").read_text("utf-8")
    assert "](card_measurements.png)" in card
