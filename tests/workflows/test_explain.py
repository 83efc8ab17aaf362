"""A job as a whole: names that never collide, and what one failure costs."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from camlucida.cli import main
from camlucida.figures import image_files
from camlucida.models.load import load_model
from camlucida.report.viewer.encode import encode_samples
from tests.support.models_on_disk import write_image, write_model

FLAT = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 4, 3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2))
"""

DENSE = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 3, 1))
"""


def run(*arguments) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def explain(
    tmp_path: Path, images: list[Path], *arguments, card: Path | None = None
) -> tuple[int, list[dict], dict]:
    """Exit code, ``explanations.json`` and ``run.json``."""
    card, out = card or write_model(tmp_path), tmp_path / "out"
    code = run("explain", *images, "--model", card, "--out", out, *arguments)
    return code, *(
        json.loads((out / name).read_text()) for name in ("explanations.json", "run.json")
    )


@pytest.fixture
def flat(tmp_path) -> Path:
    """A model whose head is not a pooling one: ``cam`` is undefined."""
    (tmp_path / "net.py").write_text(FLAT)
    card = tmp_path / "flat.toml"
    card.write_text(
        'factory = "net.py:build"\ntask = "multiclass"\n[input]\nsize = 32\nchannels = 1\n'
    )
    return card


# --- names ------------------------------------------------------------------------------------


def test_a_generated_id_is_never_that_of_another_image(tmp_path):
    for name in ("a.png", "a_2.png", "sub/a.png", "sub/A.png"):
        write_image(tmp_path / "films" / name)
    code, records, _ = explain(tmp_path, [tmp_path / "films"], "--target=Mass", "--write=all")
    assert code == 0
    assert (
        len({record["id"].casefold() for record in records})
        == len({record["image"] for record in records})
        == 4
    )
    assert len({name.casefold() for record in records for name in record["files"].values()}) == 28


def test_labels_with_the_same_file_name_do_not_replace_each_other(tmp_path):
    card = write_model(tmp_path, labels=("T<1", "T=1", "b"))
    image = write_image(tmp_path / "film.png")
    _, records, _ = explain(tmp_path, [image], "--target=all", "--write=all", card=card)
    assert {record["target"] for record in records} == {"T<1", "T=1", "b"}
    assert len({name for record in records for name in record["files"].values()}) == 17
    assert all(
        (tmp_path / "out" / name).is_file()
        for record in records
        for name in record["files"].values()
    )


@pytest.mark.parametrize("name", ["x" * 240, "胸" * 80], ids=["ascii", "wide"])
def test_a_name_as_long_as_the_system_allows(tmp_path, name):
    image = write_image(tmp_path / f"{name}.png")
    code, (record,), _ = explain(tmp_path, [image], "--target=Mass", "--write=all")
    assert (code, record["id"]) == (0, name)
    assert all((tmp_path / "out" / file).is_file() for file in record["files"].values())


def test_a_target_requested_twice_is_explained_once(tmp_path):
    image = write_image(tmp_path / "film.png")
    targets = [f"--target={word}" for word in ("Nodule", "0", "nodule", "Mass")]
    layers = [f"--layer={name}" for name in ("auto", "features", "features[1]")]
    _, records, _ = explain(tmp_path, [image], *targets, *layers)
    assert [(record["target"], record["layer"]) for record in records] == [
        ("Nodule", "features"),
        ("Nodule", "features.1"),
        ("Mass", "features"),
        ("Mass", "features.1"),
    ]


# --- what one failure costs -------------------------------------------------------------------


def test_an_undefined_method_costs_that_method_alone(tmp_path, flat):
    images = [write_image(tmp_path / f"{i}.png", i) for i in range(2)]
    requested = [
        "--method=cam",
        "--method=gradcam",
        "--layer=1",
        "--layer=0",
        "--target=0",
        "--target=1",
    ]
    code, records, about = explain(tmp_path, images, *requested, card=flat)
    assert code == 0
    assert [(r["id"], r["target"], r["method"], r["layer"]) for r in records] == [
        (image, target, "gradcam", layer) for image in "01" for target in "01" for layer in "10"
    ]
    notes = [note["values"] for note in about["notes"] if note["code"] == "explain.left_out"]
    assert [(note["method"], note["layer"]) for note in notes] == [("cam", "1"), ("cam", "0")]
    assert all((note["images"], note["explained"]) == (2, 2) for note in notes)


def test_all_methods_leave_out_those_that_do_not_fit(tmp_path, flat, monkeypatch, capsys):
    monkeypatch.setattr("camlucida.attribution.methods.rise.MASKS", 4)
    image = write_image(tmp_path / "a.png")
    code, records, about = explain(tmp_path, [image], "--method", "all", "--target", 0, card=flat)
    assert code == 0
    left_out = [note["values"] for note in about["notes"] if note["code"] == "explain.left_out"]
    names = {values["method"] for values in left_out}
    assert {"cam", "attention_rollout", "gradient_rollout", "legrad"} <= names
    made = {record["method"] for record in records}
    assert {"gradcam", "scorecam", "guided_backprop"} <= made
    assert not made & names
    assert "all leaves out sscam" in capsys.readouterr().err


def test_layers_are_fused_beside_their_own_maps(tmp_path):
    image = write_image(tmp_path / "a.png")
    layers = "features.0", "features.1"
    options = ["--target", "Mass", "--layer", layers[0], "--layer", layers[1]]
    options += ["--method", "layercam", "--fuse", "mean", "--smooth", "aug"]
    code, records, _ = explain(tmp_path, [image], *options)
    assert code == 0
    *of_layers, fused = records
    assert {record["method"] for record in records} == {"layercam:aug"}
    assert [record["fused"] for record in of_layers] == [None, None]
    assert fused["layer"] == f"mean({', '.join(record['layer'] for record in of_layers)})"
    assert fused["fused"]["how"] == "mean"
    assert fused["unit"] == "none"


def test_an_image_that_no_method_can_explain_fails(tmp_path, flat):
    code, records, about = explain(
        tmp_path, [write_image(tmp_path / "a.png")], "--method", "cam", card=flat
    )
    assert (code, records) == (1, [])
    assert [note["code"] for note in about["notes"]] == ["weights.random"]
    assert "a.png: " in about["failures"][0]["what"]


def _refuse(monkeypatch, number: int, calls: int) -> None:
    """Writing a picture fails from the ``calls``-th file on, with this error, twice."""
    write, count = image_files.write_bytes, iter(range(1000))

    def refused(path, data):
        if calls <= next(count) < calls + 2:
            raise OSError(number, "refused")
        write(path, data)

    monkeypatch.setattr(image_files, "write_bytes", refused)


def test_an_image_that_cannot_be_saved_costs_that_image_alone(tmp_path, monkeypatch):
    _refuse(monkeypatch, errno.EFBIG, 4)  # in the second image's files
    images = [write_image(tmp_path / f"{i}.png", i) for i in range(4)]
    code, records, about = explain(tmp_path, images, "--target", "Mass")
    assert code == 1
    assert [record["id"] for record in records] == ["0", "3"]
    assert [Path(failure["image"]).name for failure in about["failures"]] == ["1.png", "2.png"]
    assert "refused" in about["failures"][0]["what"]


@pytest.mark.parametrize("batch", [1, 8])
def test_a_full_disk_stops_the_run_and_keeps_the_records(tmp_path, monkeypatch, capsys, batch):
    _refuse(monkeypatch, errno.ENOSPC, 4)
    images = [write_image(tmp_path / f"{i}.png", i) for i in range(4)]
    code, records, about = explain(tmp_path, images, "--target", "Mass", "--batch-size", batch)
    assert code == 1
    assert [record["id"] for record in records] == ["0"]
    (note,) = [note for note in about["notes"] if note["code"] == "explain.stopped"]
    assert note["values"]["explained"] == 1
    assert about["failures"][0]["code"] == "write"
    assert "1 of 4 images explained" in capsys.readouterr().out


def test_a_request_that_fails_late_costs_that_image_alone(tmp_path):
    """The net refuses one image; those before and after it keep their records."""
    card = write_model(tmp_path)
    (tmp_path / "net.py").write_text(
        (tmp_path / "net.py")
        .read_text()
        .replace(
            "def forward(self, x):",
            "def forward(self, x):\n        assert not (x > 0.99).all(), 'white'",
        )
    )
    images = [write_image(tmp_path / f"{i}.png", i) for i in range(3)]
    Image.new("L", (8, 8), 255).save(images[1])
    code, records, about = explain(
        tmp_path, images, "--target", "Mass", "--batch-size", 1, card=card
    )
    assert (code, [record["id"] for record in records]) == (1, ["0", "2"])
    assert "white" in about["failures"][0]["what"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("channels = 1", "channels = 3", "cannot run on inputs"),
        ("'Mass']", "'Mass', 'd']", "3 outputs and 4 labels"),
        ('"multilabel"', '"segmentation"', "the task is segmentation"),
        ('"multilabel"', '"binary"', "has 3 labels"),
    ],
)
@pytest.mark.parametrize("images", [1, 3])
def test_a_card_that_fits_no_image_is_a_wrong_request(tmp_path, capsys, old, new, words, images):
    card = write_model(tmp_path)
    text = card.read_text()
    assert old in text
    card.write_text(text.replace(old, new))
    films = [write_image(tmp_path / f"{i}.png", i) for i in range(images)]
    assert run("explain", *films, "--model", card, "--out", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()


def test_layers_of_a_card_that_does_not_fit_is_one_line(tmp_path, capsys):
    card = write_model(tmp_path)
    card.write_text(card.read_text().replace("channels = 1", "channels = 3"))
    assert run("layers", "--model", card) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "cannot run on inputs of shape (1, 3, 32, 32)" in line


def test_a_mask_names_the_label_that_it_is_for(tmp_path):
    (tmp_path / "net.py").write_text(DENSE)
    card = tmp_path / "card.toml"
    card.write_text(
        'factory = "net.py:build"\ntask = "segmentation"\nlabels = ["none", "a", "b"]\n'
        "[input]\nsize = 32\nchannels = 1\n"
    )
    image, mask = (write_image(tmp_path / name, 0, (8, 8)) for name in ("film.png", "mask.png"))
    Image.new("L", (8, 8), 255).save(mask)
    words = [f"--target=mask:{mask}{label}" for label in (":b", ":none", "")]
    _, records, _ = explain(tmp_path, [image], *words, card=card)
    assert [record["target"] for record in records][:2] == ["b (given mask)", "none (given mask)"]
    assert "none" not in [record["target"] for record in records][2:]


# --- what the system refuses is one line ------------------------------------------------------


LONG = "y" * 300


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--out", LONG, "File name too long"),
        ("--model", f"{LONG}.toml", "cannot read the model card (File name too long)"),
        ("--checkpoint", f"{LONG}.pth", "cannot read the checkpoint (File name too long)"),
        ("--out", "/proc", "--out /proc"),  # there, and read-only
    ],
)
def test_a_path_that_the_system_refuses(tmp_path, capsys, option, value, words):
    options = {"--model": write_model(tmp_path), "--out": tmp_path / "out", option: value}
    arguments = [part for pair in options.items() for part in pair]
    assert run("explain", write_image(tmp_path / "a.png"), *arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line


def test_an_image_path_that_the_system_refuses_costs_that_image_alone(tmp_path, capsys):
    code, records, _ = explain(
        tmp_path, [write_image(tmp_path / "a.png"), tmp_path / f"{LONG}.png"], "--target", "Mass"
    )
    assert (code, len(records)) == (1, 1)
    assert "cannot read the path (File name too long)" in capsys.readouterr().err


def test_whatever_else_the_system_refuses_is_one_line_too(tmp_path, monkeypatch, capsys):
    def refused(*_args):
        raise PermissionError(errno.EACCES, "Permission denied", "explanations.json")

    monkeypatch.setattr("camlucida.workflows.explain.write_json", refused)
    image, card = write_image(tmp_path / "a.png"), write_model(tmp_path)
    assert run("explain", image, "--model", card, "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err.strip() == "error: explanations.json: Permission denied"


def test_standard_error_is_empty_when_all_is_well(tmp_path):
    """No blank line of a progress bar without a terminal, no warning of a font without a sign."""
    image, card = tmp_path / "胸.png", write_model(tmp_path)
    Image.linear_gradient("L").save(image)  # without anything like a letter
    torch.save(load_model(card).module.state_dict(), tmp_path / "best.pth")
    command = [
        sys.executable,
        "-c",
        "from camlucida.cli import main; main()",
        "explain",
        image,
        "--model",
        card,
        "--checkpoint",
        tmp_path / "best.pth",
        "--out",
        tmp_path / "out",
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    assert done.stderr == ""


# --- grey levels ------------------------------------------------------------------------------


def test_the_page_has_all_grey_levels_of_a_film_of_16_bits(tmp_path):
    stored = (30_000 + np.arange(64 * 64).reshape(64, 64) // 4).astype(np.uint16)
    Image.fromarray(stored).save(tmp_path / "deep.png")
    code, _, _ = explain(tmp_path, [tmp_path / "deep.png"], "--target=Mass")
    assert code == 0
    page = (tmp_path / "out/index.html").read_text()
    assert encode_samples(stored) in page  # in 8 bits all of them have four greys
