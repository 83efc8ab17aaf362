"""The whole benchmark in small: packaged models, one or two films each, two methods."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from camlucida import cli
from camlucida.core.errors import UsageError
from camlucida.evaluation.maps.choice import choose
from camlucida.figures.style import drawn_with
from camlucida.phantom import trial_cards
from camlucida.phantom.version import TRIAL_FILES, generator_version
from camlucida.report.locale import load_texts
from camlucida.workflows.benchmark import arms, page, run
from camlucida.workflows.benchmark.arms import Size
from tests.cli.test_pages_in_chinese import sentences, undeclared

CARDS = {
    name: card
    for name, card in trial_cards().items()
    if name in ("main_densenet_1", "shortcut100_densenet")
}
METRICS = (
    "average_precision_lift,average_precision,hit,iou_area_matched,class_specificity,"
    "average_drop,region_share,gini"
)
FILES = (
    "rows.parquet",
    "summary.csv",
    "leaderboard.csv",
    "meta.csv",
    "verified.csv",
    "arms.csv",
    "benchmark.json",
)

needs_models = pytest.mark.skipif(
    "main_densenet_1" not in CARDS, reason="main_densenet_1 is not in this copy"
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A run with one real film (noise stands in for it) and a method of the user's own."""
    folder = tmp_path_factory.mktemp("benchmark")
    (folder / "films").mkdir()
    noise = np.random.default_rng(0).integers(60, 190, (40, 50), np.uint8)
    Image.fromarray(np.kron(noise, np.ones((8, 8), np.uint8))).save(folder / "films" / "chest.png")
    (folder / "own_for_run_test.py").write_text(
        "def mean(activations, gradients):\n    return activations.mean(1)\n"
    )
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arms, "trial_cards", lambda: CARDS)
        patch.setattr(arms, "methods", lambda: ("gradcam", "eigencam"))
        patch.setattr(arms, "DEFAULT", choose([METRICS]))
        patch.setattr(arms, "TESTED", choose([METRICS]))
        patch.setattr(run, "_missing", lambda models: [])
        patch.chdir(folder)
        benchmark = run.run_benchmark(
            folder / "out",
            custom=["own_for_run_test:mean"],
            films=folder / "films",
            device="cpu",
            size=Size(2, 2, 1, 1),
            report=lines.append,
        )
    return folder / "out", benchmark, lines


@needs_models
def test_all_files_are_written(result):
    out, benchmark, lines = result
    assert {*FILES, "benchmark.html", "benchmark.md", "benchmark_metrics.png"} <= {
        path.name for path in out.iterdir()
    }
    about = json.loads((out / "benchmark.json").read_text())
    assert about["generator_version"] == generator_version(TRIAL_FILES)
    assert {model["name"] for model in about["models"]} == {*CARDS, "untrained_densenet"}
    assert all(len(model["sha256"]) == 64 for model in about["models"])
    assert about["failures"] == []
    assert lines[0].startswith("cost:")
    assert lines[1].startswith("[1/")
    assert set(benchmark.rows["arm"]) >= {"main", "untrained"}
    assert len(pd.read_parquet(out / "rows.parquet")) == len(benchmark.rows)


@needs_models
def test_only_verified_labels_are_scored(result):
    _, benchmark, _ = result
    verification = benchmark.verification.set_index(["arm", "image", "label"])["passed"]
    scored = benchmark.rows[benchmark.rows["arm"].isin(["main", "semi"])]
    assert verification.loc[list(zip(scored["arm"], scored["image"], scored["label"]))].all()
    assert set(scored.loc[scored["arm"] == "main", "method"]) >= {
        "gradcam",
        "eigencam",
        "own_for_run_test:mean",
        "oracle",
    }


@needs_models
def test_the_page_states_its_purpose(result):
    out, _, _ = result
    for name in ("benchmark.html", "benchmark.md"):
        text = (out / name).read_text().replace("<wbr>", "")
        for words in (
            "SYNTHETIC",
            "own_for_run_test:mean",
            "Limitations",
            "Verified use of the evidence",
            "BAM",
        ):
            assert words in text
    html = (out / "benchmark.html").read_text().replace("<wbr>", "")
    assert "nan" not in html.replace("benchmark", "")
    assert "<code>gradcam</code>" in html


@needs_models
def test_the_page_in_chinese_holds_no_english_sentence(result, tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.figures.style.installed_cjk_fonts", lambda: ("WenQuanYi",))
    monkeypatch.setattr(page, "_figures", lambda benchmark: {})
    with drawn_with(texts=load_texts("zh")):
        text = page.write_report(tmp_path, result[1]).read_text("utf-8")
    assert (sentences(text), undeclared(text)) == ([], [])
    assert "证据使用的证实" in text


@needs_models
def test_a_finished_run_leaves_no_parts(result):
    assert not (result[0] / "parts").exists()


@needs_models
def test_a_wrong_method_shows_before_the_long_run(tmp_path: Path, monkeypatch):
    (tmp_path / "own_wrong_for_test.py").write_text(
        "def flat(activations, gradients):\n    return activations.mean((1, 2, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(arms, "trial_cards", lambda: CARDS)
    lines: list[str] = []
    with pytest.raises(UsageError, match=r"own_wrong_for_test:flat returned shape \(1,\)"):
        run.run_benchmark(
            tmp_path / "out",
            custom=["own_wrong_for_test:flat"],
            device="cpu",
            report=lines.append,
        )
    assert lines == []


def test_missing_models_or_images_are_an_error(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(arms, "trial_cards", dict)
    with pytest.raises(UsageError, match="no trained model of the benchmark"):
        run.run_benchmark(tmp_path)
    with pytest.raises(UsageError, match="there is no such folder"):
        run.run_benchmark(tmp_path, films=tmp_path / "none")
    with pytest.raises(UsageError, match="no image can be read"):
        run.run_benchmark(tmp_path, films=tmp_path)


def test_the_command_refuses_a_wrong_method(tmp_path: Path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(
            ["benchmark", "--method", "no_such_module_here:cam", "--out", str(tmp_path / "out")]
        )
    assert stop.value.code == 2
    assert "there is no module 'no_such_module_here'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
