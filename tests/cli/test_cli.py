"""The command line as a user meets it: files, exit codes, one-line errors."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from camlucida.cli import main
from camlucida.models import load_model
from tests.support import command_line
from tests.support.models_on_disk import write_image, write_model


def run(*arguments):
    """Exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code or 0


@pytest.fixture
def card(tmp_path):
    return write_model(tmp_path)


def test_help_needs_no_torch():
    code = """
import sys
from camlucida.cli import main
try:
    main(["--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
    for command in ("explain", "layers", "methods", "demo"):
        assert command in done.stdout


def test_a_process_of_its_own_looks_for_garbage_less_often(monkeypatch):
    """What calls the command line as a function keeps its settings."""
    set_to = []
    monkeypatch.setattr("gc.set_threshold", set_to.append)
    monkeypatch.setattr(sys, "argv", ["camlucida", "--version"])
    for arguments, expected in ((["--version"], []), (None, [10_000])):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert set_to == expected


def test_explain_writes_the_files_it_lists(tmp_path, card, capsys):
    image, out = write_image(tmp_path / "film.png"), tmp_path / "out"
    assert (
        run(
            "explain",
            image,
            "--model",
            card,
            "--out",
            out,
            "--method",
            "gradcam",
            "--method",
            "hirescam",
            "--write",
            "all",
        )
        == 0
    )
    records = json.loads((out / "explanations.json").read_text())
    assert len(records) == 6  # top 3 of a multi-label model, two methods
    assert [r["method"] for r in records[:2]] == ["gradcam", "hirescam"]
    assert records[0]["probability"] >= records[2]["probability"] >= records[4]["probability"]
    for record in records:
        assert {
            "image",
            "image_sha256",
            "target",
            "score",
            "probability",
            "method",
            "layer",
            "grid",
            "raw_range",
            "empty",
            "files",
        } <= set(record)
        assert record["grid"] == [8, 8]
        assert record["layer"] == "features"
        for name in record["files"].values():
            assert (out / name).is_file()
        original = np.load(out / record["files"]["map"])
        raw = np.load(out / record["files"]["maps"])[record["map_key"]]
        assert original.shape == (48, 64)
        assert raw.shape == (8, 8)
        np.testing.assert_allclose([raw.min(), raw.max()], record["raw_range"], rtol=1e-6)
        mask = np.asarray(Image.open(out / record["files"]["mask"])) > 0
        assert mask.sum() == sum(box["area"] for box in record["boxes"])
    run_record = json.loads((out / "run.json").read_text())
    assert len(run_record["model"]["sha256"]) == 64
    assert run_record["versions"]["camlucida"]
    page = (out / "index.html").read_text()
    assert "Research use only" in page
    assert all(record["files"]["figure"] in page for record in records)
    assert not list(out.glob(".*"))  # no temporary is left
    assert "6 explanations" in capsys.readouterr().out


def test_methods_may_have_blanks_and_an_image_after_them(tmp_path, card, capsys):
    image, out = write_image(tmp_path / "film.png"), tmp_path / "out"
    words = ["--method", "gradcam", "hirescam", "missing.png", image, "--target", "Mass"]
    assert run("explain", "--model", card, "--out", out, *words) == 1
    assert "no such file: missing.png" in capsys.readouterr().err
    records = json.loads((out / "explanations.json").read_text())
    assert {record["method"] for record in records} == {"gradcam", "hirescam"}


def test_one_bad_image_costs_that_image_alone(tmp_path, card, capsys):
    write_image(tmp_path / "in/a.png")
    (tmp_path / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n truncated")
    out = tmp_path / "out"
    assert (
        run(
            "explain",
            tmp_path / "in",
            tmp_path / "in/c.png",
            "--model",
            card,
            "--out",
            out,
            "--target",
            "Mass",
        )
        == 1
    )
    records = json.loads((out / "explanations.json").read_text())
    assert [record["id"] for record in records] == ["a"]
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert any("broken.png" in line for line in errors)
    assert any("c.png" in line for line in errors)
    assert len(json.loads((out / "run.json").read_text())["failures"]) == 2


def test_other_spellings_are_recorded_under_the_names(tmp_path, card):
    image, out = write_image(tmp_path / "film.png"), tmp_path / "out"
    words = ["--target", "-1", "--method", "Grad-CAM++", "--method", "hires-cam"]
    words += ["--layer", "module.features"]
    assert run("explain", image, "--model", card, "--out", out, *words) == 0
    records = json.loads((out / "explanations.json").read_text())
    assert [record["method"] for record in records] == ["gradcam_pp", "hirescam"]
    assert {record["layer"] for record in records} == {"features"}
    assert {record["target"] for record in records} == {load_model(card).card.labels[-1]}


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--target", "Effusion"], "unknown label 'Effusion' (did you mean Pleural Effusion?)"),
        (["--target", "7"], "target 7 is outside the model's 3 outputs"),
        (["--target", "region"], "is for segmentation"),
        (["--method", "gradcm"], "unknown method 'gradcm' (did you mean gradcam"),
        (["--layer", "feature"], "the model has no layer 'feature' (did you mean features"),
        (["--layer", "head"], "layer 'head' has no spatial grid"),
        (["--colormap", "infernal"], "unknown colormap 'infernal'"),
        (["--checkpoint", "none.pth"], "none.pth"),
        (["--device", "cuda:77"], "cuda:77"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(tmp_path, card, capsys, extra, words):
    image = write_image(tmp_path / "film.png")
    assert run("explain", image, "--model", card, "--out", tmp_path / "out", *extra) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert words in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_missing_card_and_an_empty_folder(tmp_path, card, capsys):
    assert run("explain", write_image(tmp_path / "a.png"), "--model", tmp_path / "crad.toml") == 2
    assert "did you mean card.toml" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run("explain", tmp_path / "empty", "--model", card, "--out", tmp_path / "out") == 2
    assert str(tmp_path / "empty") in capsys.readouterr().err


def test_standard_output_holds_json_alone(tmp_path, card, capsys):
    image = write_image(tmp_path / "film.png")
    assert (
        run(
            "explain",
            image,
            "--model",
            card,
            "--out",
            tmp_path / "out",
            "--target",
            "top1",
            "--json",
        )
        == 0
    )
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_files_of_the_same_name_do_not_overwrite_each_other(tmp_path, card):
    first, second = write_image(tmp_path / "1/film.png", 1), write_image(tmp_path / "2/film.png", 2)
    out = tmp_path / "out"
    assert run("explain", first, second, "--model", card, "--out", out, "--target", "top1") == 0
    records = json.loads((out / "explanations.json").read_text())
    assert [record["id"] for record in records] == ["film", "film_2"]
    assert len({name for record in records for name in record["files"].values()}) == 6


def test_methods_that_are_one_and_the_same_are_reported_as_one(tmp_path, card, capsys):
    image = write_image(tmp_path / "film.png")
    assert (
        run(
            "explain",
            image,
            "--model",
            card,
            "--out",
            tmp_path / "out",
            "--method=gradcam",
            "--method=layercam",
            "--method=hirescam",
            "--method=xgradcam",
        )
        == 0
    )
    assert (
        "gradcam, hirescam and xgradcam give the same map at features, before any ReLU, by "
        "construction" in capsys.readouterr().err
    )
    assert "gradcam, hirescam and xgradcam" in (tmp_path / "out/index.html").read_text()


def test_a_threshold_that_no_label_reaches_is_noted(tmp_path, card, capsys):
    image = write_image(tmp_path / "film.png")
    assert (
        run("explain", image, "--model", card, "--out", tmp_path / "out", "--target", "above:0.999")
        == 0
    )
    assert "film: no target applies (above:0.999)" in capsys.readouterr().err


def test_regression_shows_both_signs(tmp_path):
    card = write_model(tmp_path, "regression", ("age",))
    out = tmp_path / "out"
    assert run("explain", write_image(tmp_path / "film.png"), "--model", card, "--out", out) == 0
    records = json.loads((out / "explanations.json").read_text())
    assert [record["target"] for record in records] == ["age ↑", "age ↓"]
    assert records[0]["score"] == -records[1]["score"]
    assert records[0]["probability"] is None


def test_layers_lists_what_fires_and_marks_auto(card, capsys):
    assert run("layers", "--model", card) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0][1:3] == ["layer", "type"]
    assert [line[1] for line in lines if line[0] == "→"] == ["features"]
    assert ["", "features.0", "Conv2d", "1×4×16×16", "16×16", "2", "1"] in lines
    assert "head" not in [line[1] for line in lines]
    assert run("layers", "--model", card, "--all", "--json") == 0
    assert "head" in [item["path"] for item in json.loads(capsys.readouterr().out)]


def test_methods_lists_every_method_with_its_paper(capsys):
    from camlucida.attribution.methods import METHODS

    assert run("methods", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in listed] == list(METHODS)
    assert all(item["paper"] and item["summary"] and item["cost"] for item in listed)


def test_a_mask_of_the_user_is_a_segmentation_target(tmp_path, capsys):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 1, 3, 1, 1))\n"
    )
    card = tmp_path / "card.toml"
    card.write_text(
        'factory = "net.py:build"\ntask = "segmentation"\nlabels = ["lesion"]\n'
        "[input]\nsize = 32\nchannels = 1\n"
    )
    image = write_image(tmp_path / "film.png")
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "out"
    assert (
        run(
            "explain",
            image,
            "--model",
            card,
            "--out",
            out,
            "--target",
            f"mask:{tmp_path / 'mask.png'}",
            "--layer",
            "1",
        )
        == 0
    )
    assert json.loads((out / "explanations.json").read_text())[0]["target"] == "lesion (given mask)"
    assert run("explain", image, "--model", card, "--out", out, "--target", "mask:none.png") == 2
    assert "mask:none.png" in capsys.readouterr().err


TOKENS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.mix = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(2 * 64, 6)
        self.blocks = nn.Sequential(*(nn.LayerNorm(6) for _ in range(4)))
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        patches = self.stem(x).unfold(2, 8, 6).unfold(3, 8, 6)
        tokens = self.mix(patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2))
        return self.head(self.blocks(tokens).tanh().mean(1))


def build():
    torch.manual_seed(0)
    return Net()
"""


def test_the_grid_of_tokens_is_stated_by_option_and_card(tmp_path, capsys):
    """Without it, the fallback is said on the terminal, on the page and in the record."""
    (tmp_path / "net.py").write_text(TOKENS)
    card = tmp_path / "card.toml"
    text = (
        'factory = "net.py:build"\nlabels = ["a", "b"]\ntask = "multiclass"\n{}[input]\nsize = 32'
    )
    card.write_text(text.format("") + "\nchannels = 1\n")
    image, out = write_image(tmp_path / "film.png"), tmp_path / "out"
    assert run("explain", image, "--model", card, "--out", out) == 0
    words = "the last layer whose grid could be traced"
    assert words in capsys.readouterr().err
    assert words in (out / "index.html").read_text()
    (record,) = json.loads((out / "explanations.json").read_text())
    assert record["layer"] == "stem"
    assert [warning["code"] for warning in record["warnings"]] == ["layer.stem"]

    assert run("explain", image, "--model", card, "--out", out, "--grid", "5x5") == 0
    (record,) = json.loads((out / "explanations.json").read_text())
    assert (record["layer"], record["grid"]) == ("blocks", [5, 5])
    assert run("explain", image, "--model", card, "--out", out, "--grid", "5 by 5") == 2

    card.write_text(text.format("grid = [5, 5]\nprefix = 0\n") + "\nchannels = 1\n")
    assert run("explain", image, "--model", card, "--out", out) == 0
    (record,) = json.loads((out / "explanations.json").read_text())
    assert (record["layer"], record["grid"]) == ("blocks", [5, 5])
    assert run("layers", "--model", card) == 0
    assert "→\tblocks\tSequential\t1×25×6\t5×5\t6.4\t1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "nowhere", "--model", "card.toml"),
        ("explain", "a/*.png", "b", "--model", "card.toml"),
        ("report-pack", "--run", "nowhere", "--assets-dir", "out"),
    ],
)
def test_a_request_of_which_nothing_exists_is_a_wrong_request(tmp_path, capsys, words):
    done = command_line.run(capsys, tmp_path, *words)
    assert (done.code, done.out) == (2, "")
    assert "nowhere" in done.err or "b" in done.err
    assert list(tmp_path.iterdir()) == []
