"""``camlucida import`` on the folders of five source systems; then the command that it names."""

import json
import shlex
from itertools import pairwise

import pytest

from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.models import load_model
from camlucida.workflows.preprocessing_fit import candidates
from camlucida.workflows.training_runs import fitted
from tests.support.command_line import run
from tests.support.sources import s000, s001, s002, s003, s004
from tests.support.training_runs import blank


def imported(capsys, folder):
    """What the import printed, and the words of the command that it names."""
    done = run(capsys, folder, "import", ".", "--out", "camlucida")
    assert done.code == 0, done.err
    record = json.loads((folder / "camlucida/import.json").read_text("utf-8"))
    assert f"next: {shlex.join(record['next'])}" in done.out
    return done.out, record["next"][1:]


def follow(capsys, folder, words):
    done = run(capsys, folder, *words)
    assert done.code == 0, done.err


def test_labels_in_a_table(tmp_path, capsys):
    system = s000.write(tmp_path, films=4)
    out, command = imported(capsys, tmp_path)
    assert "image size 64: read from the checkpoint (config.img_size)" in out
    assert "task multilabel: read from data/test_labels.csv (cells join several labels)" in out
    assert "images data/images: 4 images, named by data/test_labels.csv" in out
    model = load_model(tmp_path / "camlucida/card.toml")
    assert model.card.labels == s000.LABELS
    assert model.card.task == "multilabel"
    assert command[0] == "run"
    follow(capsys, system.folder, command)


def test_a_file_of_classifiers(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torchxrayvision")
    monkeypatch.setattr(s001, "SIZE", 64)
    s001.write(tmp_path)
    out, command = imported(capsys, tmp_path)
    assert "classifiers config_classifiers.toml: 2 of them" in out
    assert command[:3] == ["ensemble", "config_classifiers.toml", "films"]
    assert command[3:5] == ["--boxes", "boxes.csv"]
    cohort = read_cohort_file(tmp_path / "camlucida/cohort.toml")
    cards = [load_model(entry.card) for entry in cohort.models()]
    assert [model.name for model in cards] == ["DenseNet121 (all)", "DenseNet121 (nih)"]
    # One label and no PDF, for the time they take; the rest is the command as it is named.
    follow(capsys, tmp_path, [*command, "--label", "Mass", "--no-pdf"])
    folder = tmp_path / "camlucida/ensemble"
    record = json.loads((folder / "ensemble.json").read_text("utf-8"))
    assert (record["images"], record["failures"]) == (2, [])
    assert (folder / "index.html").is_file()


def test_values_in_a_workbook(tmp_path, capsys):
    system = s002.write(tmp_path, subjects=6, two_inputs=False)
    out, command = imported(capsys, tmp_path)
    assert "in column 'Age', named in column 'ID'" in out
    assert "annotations data/Masks" in out
    assert command[0] == "evaluate-regression"
    follow(capsys, system.folder, command)


def test_a_head_that_is_not_recognised(tmp_path, capsys):
    s002.write(tmp_path, subjects=6)
    done = run(capsys, tmp_path, "import", ".")
    if done.code:
        assert done.code == 2
        assert "--model CARD" in done.err
        assert done.err.count("\n") == 1


@pytest.fixture
def small_grid(monkeypatch):
    """Some of the usual pipelines: the whole search is tried on smaller networks."""
    kept = {
        "INTENSITIES": [{}, {"percentiles": (1.0, 99.0), "eight_bit": "cut"}],
        "DICOM_INTENSITIES": [{"dicom": "windowed"}],
        "FITS": [{"fit": "stretch"}, {"fit": "short-side"}],
        "RESIZES": [{"resize": "antialias"}, {"resize": "bicubic", "library": "pillow"}],
    }
    for name, fields in kept.items():
        options = [option for option in getattr(candidates, name) if option[1] in fields]
        assert len(options) == len(fields)
        monkeypatch.setattr(candidates, name, tuple(options))
    monkeypatch.setattr(candidates, "scales", lambda channels: ((1, {}),))
    monkeypatch.setattr(fitted, "SECONDS", 600.0)
    monkeypatch.setattr("camlucida.workflows.training_runs.pictures.save_figure", blank)


def test_seeds_with_stored_predictions(tmp_path, capsys, small_grid):
    system = s003.write(tmp_path, exams=3, size=24, runs=2, folds=True, stored="best")
    out, command = imported(capsys, tmp_path)
    assert "results_5/best_model.pth: chosen of 5" in out
    assert "3 folds without stored predictions" in out
    runs = [word for before, word in pairwise(command) if before == "--run"]
    assert runs == [path.relative_to(tmp_path).as_posix() for path in sorted(system.runs)]
    assert command[0] == "report-pack"
    # Windows, kernel and crop of the source stand nowhere: its predictions show them.
    follow(capsys, system.folder, command)


def test_a_segmentation_with_outlines(tmp_path, capsys):
    system = s004.write(tmp_path, images=2)
    out, command = imported(capsys, tmp_path)
    assert "of 2 of 2 images, of lesion" in out
    assert "label lesion: assumed, as the model has one output" in out
    assert command[0] == "explain-segmentation"
    follow(capsys, system.folder, [*command, "--image-size", "64"])
    # The cohort takes the outlines, which lie beside the images.
    cohort = read_cohort_file(tmp_path / "camlucida/cohort.toml")
    assert cohort.resolve(cohort.config.masks).name == "_annotations.coco.json"
    assert ".json" not in out.partition("not used:")[2].partition("next:")[0]
