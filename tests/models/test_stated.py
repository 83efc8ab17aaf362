"""What a checkpoint and the files beside it state, and where."""

import argparse
import json

import pytest
import torch

from camlucida.io.pickles import Stub
from camlucida.models.stated import stated_facts

VALUES = [
    ("img_size", 256, "size", (256, 256)),
    ("image_size", [256, 320], "size", (256, 320)),
    ("input_size", (3, 240, 240), "size", (240, 240)),
    ("mean", [123.675, 116.28, 103.53], "mean", (0.485, 0.456, 0.406)),
    ("std", [0.5], "std", (0.5,)),
    ("class_names", ["a", "b"], "labels", ("a", "b")),
    ("id2label", {"0": "a", "1": "b"}, "labels", ("a", "b")),
    ("class_to_idx", {"b": 1, "a": 0}, "labels", ("a", "b")),
    ("classes", 4, "outputs", 4),
    ("classes", ["a", "b"], "labels", ("a", "b")),
    ("arch", "resnet50", "architecture", "resnet50"),
    ("model_name", "efficientnet_b0", "architecture", "efficientnet_b0"),
    ("encoder_name", "resnet34", "encoder", "resnet34"),
    ("in_chans", 1, "channels", 1),
    ("task", "multi-label", "task", "multilabel"),
]


@pytest.mark.parametrize(("name", "value", "kind", "expected"), VALUES)
@pytest.mark.parametrize("around", ["top", "args", "hyper_parameters", "omegaconf"])
def test_values(tmp_path, name, value, kind, expected, around):
    options = {name: value}
    content = {
        "top": options,
        "args": {"args": argparse.Namespace(**options).__dict__},
        "hyper_parameters": {"hyper_parameters": Stub("x.AttributeDict", items=options)},
        "omegaconf": {"cfg": Stub("omegaconf.dictconfig.DictConfig", state={"_content": options})},
    }[around]
    stated = stated_facts(tmp_path / "best.pth", content)
    assert stated.value(kind) == pytest.approx(expected, abs=1e-3) if kind == "mean" else expected
    assert stated.facts[kind].source.code == "stated.in_checkpoint"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("img_size", True),
        ("img_size", 3),
        ("img_size", "large"),
        ("img_size", [1, 2, 3, 4]),
        ("mean", [0.5, 0.5]),
        ("std", [0.0, 0.1, 0.1]),
        ("class_names", ["a", "a"]),
        ("class_names", ["a", "\x1b[31m"]),
        ("class_to_idx", {"a": 1, "b": 2}),
        ("arch", {"name": 1}),
        ("task", "anything"),
        ("mean", torch.zeros(10)),
    ],
)
def test_what_cannot_be_is_not_taken(tmp_path, name, value):
    assert not stated_facts(tmp_path / "best.pth", {name: value}).facts


FILES = {
    "config.json": json.dumps({"data": {"image_size": 96}}),
    "summary.json": json.dumps({"img_size": 96}),
    "hparams.yaml": "img_size: 96\nmodel: !!python/object:evil.Thing {a: 1}\n",
    "config.yaml": "data:\n  image_size: [96, 96]\n",
    "config.toml": "[data]\nimage_size = 96\n",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("above", [False, True])
def test_files_beside(tmp_path, name, above):
    (tmp_path / name).write_text(FILES[name])
    path = tmp_path / "checkpoints" / "best.pth" if above else tmp_path / "best.pth"
    stated = stated_facts(path, {})
    assert stated.value("size") == (96, 96)
    assert name in str(stated.facts["size"].source)


def test_the_checkpoint_comes_first_and_another_value_is_said(tmp_path):
    (tmp_path / "config.json").write_text('{"img_size": 224}')
    stated = stated_facts(tmp_path / "best.pth", {"args": {"img_size": 256}})
    assert [str(note) for note in stated.notes(["size"])] == [
        "image size 256: read from the checkpoint (args.img_size)",
        "config.json (img_size) states another value (224), which is not used",
    ]


@pytest.mark.parametrize("text", ["{", "[1, 2]", "a: &a [*a]", "\x00", "a" * 2**21])
def test_damaged_files_beside_are_left_out(tmp_path, text):
    for name in ("config.json", "config.yaml", "config.toml"):
        (tmp_path / name).write_text(text)
    assert not stated_facts(tmp_path / "best.pth", {}).facts
