"""config_classifiers.toml: as Ensemble-CAM has it, with cards, and with mistakes."""

import tomllib

import pytest

from camlucida.core.errors import UsageError
from camlucida.datasets.classifiers import read_cam_method, read_classifiers
from camlucida.models.card import Card

SOURCE = """
[classifiers.densenet121]
name = "DenseNet121"
description = "Fast, accurate multi-dataset model (224x224)"
model_type = "densenet"
input_size = 224
default_weight = "densenet121-res224-nih"
weights = ["densenet121-res224-all", "densenet121-res224-nih"]
num_pathologies = 18

[classifiers.resnet50]
model_type = "resnet"
input_size = 512
weights = ["resnet50-res512-all"]

[classifiers.jfhealthcare]
name = "JF Healthcare DenseNet"
model_type = "jfhealthcare"
input_size = 512
weights = []
"""


def written(folder, text):
    path = folder / "config_classifiers.toml"
    path.write_text(text)
    return path


def test_the_source_systems_file(tmp_path):
    dense, res, jf = read_classifiers(written(tmp_path, SOURCE))
    assert (dense.key, dense.title, dense.factory, dense.weight) == (
        "densenet121",
        "DenseNet121",
        "densenet121-res224-nih",
        1,
    )
    assert (res.title, res.factory, jf.factory) == (
        "resnet50",
        "resnet50-res512-all",
        "jfhealthcare",
    )
    card = tomllib.loads(dense.write_card(tmp_path / "cards").read_text())
    assert card["factory"] == "torchxrayvision:densenet121-res224-nih"
    assert card["input"] == {"size": 224}
    assert Card.model_validate(card) == dense.card()
    assert "checkpoint" not in card


def test_cards_checkpoints_and_weights(tmp_path):
    text = """
[classifiers.own]
model_type = "card"
weights = "models/card.toml"
default_weight = 0.25
[classifiers.local]
model_type = "densenet"
weights = ["models/a.pt"]
default_weight = "densenet121-res224-nih"
[classifiers.plain]
model_type = "resnet"
weights = "b.pth"
"""
    own, local, plain = read_classifiers(written(tmp_path, text), {"plain": 0})
    assert own.card() == own.write_card(tmp_path) == tmp_path / "models/card.toml"
    assert (own.weight, local.weight, plain.weight) == (0.25, 1, 0)
    assert (local.factory, local.file) == ("densenet121-res224-nih", tmp_path / "models/a.pt")
    assert (plain.factory, plain.file) == ("resnet50-res512-all", tmp_path / "b.pth")
    assert local.card().checkpoint == str(tmp_path / "models/a.pt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[classifier.a]\nmodel_type = "card"', "did you mean classifiers"),
        ('[classifiers.a]\nmodel_typ = "card"', "did you mean model_type"),
        ('[classifiers.a]\nmodel_type = "densnet"', "did you mean densenet"),
        ('[classifiers.a]\nmodel_type = "card"', "has no weights"),
        ("[classifiers]", "should be a table each"),
        ("[classifiers]\na = 3", "a = 3: should be a table"),
        (
            '[classifiers.a]\nmodel_type = "resnet"\nweights = "densenet121-res224-all"',
            "not of model_type 'resnet'",
        ),
        (
            '[classifiers.a]\nmodel_type = "card"\nweights = "c"\ndefault_weight = -1',
            "default_weight = -1",
        ),
        (
            '[classifiers.a]\nmodel_type = "card"\nweights = "c"\ndefault_weight = true',
            "default_weight = True",
        ),
        (
            '[classifiers.a]\nmodel_type = "card"\nweights = "c"\ndefault_weight = 0',
            "every classifier has weight 0",
        ),
        (
            '[classifiers.a]\nmodel_type = "densenet"\nweights = ["x", "y"]\ndefault_weight = "z"',
            "not one of its weights",
        ),
        ('[classifiers.a]\nmodel_type = "densenet"\ninput_size = 2.5', "whole number of pixels"),
        ('[classifiers.ensemble]\nmodel_type = "resnet"', "cannot have the key 'ensemble'"),
        ("x =", "not valid TOML"),
        ("[classifiers.a]\n[classifiers.a]\n", "a key of its own"),
        ("[classifiers.a]\nname = 'x'\nname = 'y'\n", "a key of its own"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, text, words):
    with pytest.raises(UsageError, match=words) as error:
        read_classifiers(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_weight_for_nobody_and_a_file_that_is_not_there(tmp_path):
    path = written(tmp_path, SOURCE)
    with pytest.raises(UsageError, match="did you mean resnet50"):
        read_classifiers(path, {"resnet": 1})
    with pytest.raises(UsageError, match="0 to leave it out"):
        read_classifiers(path, {"resnet50": -1})
    with pytest.raises(UsageError, match=r"did you mean config_classifiers\.toml"):
        read_classifiers(tmp_path / "config_classifier.toml")


def test_the_method_of_the_file(tmp_path):
    assert read_cam_method(written(tmp_path, SOURCE)) is None
    assert read_cam_method(written(tmp_path, f'cam_method = "gradcam++"\n{SOURCE}')) == "gradcam++"
    in_tables = SOURCE.replace("input_size", 'cam_method = "XGradCAM"\ninput_size')
    assert read_cam_method(written(tmp_path, in_tables)) == "XGradCAM"
    with pytest.raises(UsageError, match="more than one cam_method: XGradCAM, layercam"):
        read_cam_method(written(tmp_path, f'cam_method = "layercam"\n{in_tables}'))
