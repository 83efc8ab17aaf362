"""A pipeline is forgotten and found again from the predictions that it gave."""

from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import camlucida as cl
from camlucida.cli import main
from camlucida.core.files import write_toml
from camlucida.datasets.predictions import read_predictions
from camlucida.io import read_image
from camlucida.io.image import RawImage
from camlucida.models.card import Card, read_card
from camlucida.models.preprocessing import prepare, prepared_inputs
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.workflows.preprocessing_fit import FitSettings, fit_preprocessing
from camlucida.workflows.preprocessing_fit.agreement import stored_outputs
from camlucida.workflows.preprocessing_fit.candidates import (
    SIZES,
    Candidate,
    Grid,
    distinct,
    parts_of,
    stepwise,
)
from camlucida.workflows.preprocessing_fit.cards import card_fields
from camlucida.workflows.preprocessing_fit.job import fit_stored

NET = """
import torch
from torch import nn
def build(outputs=3):
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(32, outputs),
    )
    for parameter in net.parameters():
        parameter.data *= 2
    return net
"""


@pytest.fixture
def study(tmp_path):
    """Eight films, a network and its card without preprocessing; a function that predicts."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for k in range(8):
        size = (int(rng.integers(50, 70)), int(rng.integers(40, 60)))
        noise = rng.normal(90 + 6 * k, 8 + 4 * k, size)
        levels = np.clip(noise + np.indices(size)[0] * (k % 3), 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(tmp_path / "images" / f"film{k}.png")
    (tmp_path / "net.py").write_text(NET)

    def predict(task="multiclass", outputs=3, **keys):
        card = tmp_path / "card.toml"
        card.write_text(
            f'factory = "net.py:build"\nargs = {{ outputs = {outputs} }}\ntask = "{task}"\n'
            "[input]\nsize = 32\nchannels = 1\n"
        )
        spec = InputSpec.model_validate({"size": 32, "channels": 1, **keys})
        module = cl.load_model(card, device="cpu").module
        files = sorted((tmp_path / "images").iterdir())
        with torch.no_grad():
            batch = torch.stack([prepare(read_image(file), spec).tensor for file in files])
            logits = module(batch)
        frame = pd.DataFrame({"image": [file.name for file in files]})
        if task == "regression":
            frame["truth"] = frame["prediction"] = logits[:, 0].tolist()
        elif task == "multilabel":
            for k in range(outputs):
                frame[f"prob_{k}"] = logits.sigmoid()[:, k].tolist()
                frame[f"true_{k}"] = 1
        else:
            probabilities = logits.softmax(1).numpy().round(5)
            frame["true"] = frame["pred"] = probabilities.argmax(1)
            for k in range(outputs):
                frame[f"prob_{k}"] = probabilities[:, k]
        frame.to_csv(tmp_path / "val_predictions.csv", index=False)
        return spec

    predict.folder = tmp_path
    return predict


def settings(folder, **more):
    return FitSettings(
        str(folder / "card.toml"),
        folder / "val_predictions.csv",
        folder / "images",
        device="cpu",
        **more,
    )


PIPELINES = {
    "pillow bicubic": {"resize": "bicubic", "library": "pillow", "mean": (0.5,), "std": (0.25,)},
    "percentiles": {"percentiles": (1.0, 99.0), "range": (-1.0, 1.0)},
    "short side": {"fit": "short-side", "crop": 0.875, "library": "pillow"},
    "z-score": {"intensity": "z-score"},
    # As source 003 has it: a window cut to 8 bits, Pillow's bicubic, and a centred crop.
    "mammograms": {
        **{"percentiles": (1.0, 99.0), "eight_bit": "cut", "fit": "short-side"},
        **{"resize": "bicubic", "library": "pillow", "mean": (0.449,), "std": (0.226,)},
    },
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_forgotten_pipeline_is_found(study, name):
    true = study(**PIPELINES[name])
    fit, card = fit_preprocessing(settings(study.folder), out=study.folder / "fitted.toml")
    assert fit.verdict == "same"
    assert fit.best.agreement.error < 1e-4
    files = sorted((study.folder / "images").iterdir())
    fitted = cl.load_model(card, device="cpu")
    for file in files:
        torch.testing.assert_close(fitted.read(file).tensor, prepare(read_image(file), true).tensor)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_other_tasks_and_no_truth(study, task):
    study(task=task, outputs=1 if task == "regression" else 2, intensity="min-max")
    file = study.folder / "val_predictions.csv"
    frame = pd.read_csv(file)
    frame.drop(columns=frame.filter(like="tru").columns).to_csv(file, index=False)
    fit, _ = fit_preprocessing(settings(study.folder))
    assert fit.verdict == "same"
    assert fit.best.spec.intensity == "min-max"


def test_probabilities_that_do_not_sum_to_one_are_of_a_multi_label_model(study):
    study("multilabel", mean=(0.5,), std=(0.5,))
    card = study.folder / "card.toml"
    labels = 'labels = ["Nodule", "Mass", "Hernia"]\n'
    card.write_text(card.read_text().replace('task = "multilabel"\n', labels))
    table = pd.read_csv(study.folder / "val_predictions.csv")
    names = {"prob_0": "Nodule", "prob_1": "Mass", "prob_2": "Hernia"}
    table[["image", *names]].rename(columns=names).to_csv(
        study.folder / "val_predictions.csv", index=False
    )
    fit, written = fit_preprocessing(settings(study.folder), out=study.folder / "fitted.toml")
    assert (fit.task, fit.verdict) == ("multilabel", "same")
    assert "stored.multilabel" in [note.code for note in fit.notes]
    assert read_card(written)[0].task == "multilabel"


def test_a_likely_pipeline_is_tried_before_the_search(study):
    true = study(**PIPELINES["mammograms"])
    model = cl.load_model(study.folder / "card.toml", device="cpu")
    predictions = read_predictions(study.folder / "val_predictions.csv", "multiclass")
    files = sorted((study.folder / "images").iterdir())
    fit = fit_stored(model, stored_outputs(predictions, files), likely=[true])
    assert (fit.verdict, fit.tried) == ("same", 2)
    assert fit.best.spec == true


def test_a_pipeline_of_steps_is_written_and_read_again(tmp_path):
    simple = InputSpec(size=32, channels=1, fit="short-side", percentiles=(1, 99))
    for spec in stepwise(simple):
        card = Card(factory="net.py:build", input=spec)
        write_toml(tmp_path / "fitted.toml", card_fields(card, spec))
        assert read_card(tmp_path / "fitted.toml")[0].input.pipeline() == spec.pipeline()
        # As a run of training writes it.
        write_toml(tmp_path / "model.toml", card.model_dump(mode="json", exclude_unset=True))
        assert read_card(tmp_path / "model.toml")[0].input.pipeline() == spec.pipeline()


def test_steps_that_pipelines_share_change_nothing(study):
    image = read_image(study.folder / "images/film0.png")
    base = Candidate(fixed={"channels": 1}, size={"size": 32})
    usual = Grid.around(base, 1, open_size=False, dicom=False)
    likely = [candidate.spec() for candidate in distinct(islice(usual.by_likelihood(), 60))]
    for spec, tensor in zip(likely, prepared_inputs(image, likely), strict=True):
        assert torch.equal(tensor, prepare(image, spec).tensor)


def test_a_side_is_cut_or_rounded():
    image = RawImage(np.ones((96, 72), np.float32), np.ones((96, 72), np.uint8), "a")
    crop = {"do": "crop", "size": (43, 32)}
    for side, rows in (("cut", 42), ("rounded", 43)):
        steps = [{"do": "resize", "short": 32, "other_side": side}, crop]
        tensor = prepare(image, InputSpec(channels=1, steps=steps)).tensor
        assert int(tensor[0, :, 0].count_nonzero()) == rows


def test_the_cards_own_pipeline_is_tried_first(study):
    study()
    fit, _ = fit_preprocessing(settings(study.folder))
    assert fit.stated
    assert fit.verdict == "same"
    assert len(fit.ranking) == 1
    assert any(note.code == "fit.unchanged" for note in fit.notes)


def test_classes_alone_are_said_to_tell_less(study):
    study()
    path = study.folder / "val_predictions.csv"
    pd.read_csv(path)[["image", "true", "pred"]].to_csv(path, index=False)
    fit, _ = fit_preprocessing(settings(study.folder))
    assert fit.best.agreement.same == 1
    assert any(note.code == "fit.classes_only" for note in fit.notes)


def fitted_by_command(folder, capsys):
    """Exit code of the command, whether a card was written, and what was printed."""
    with pytest.raises(SystemExit) as code:
        main(
            [
                *("fit-preprocessing", "-m", str(folder / "card.toml")),
                *("--predictions", str(folder / "val_predictions.csv")),
                *("--images", str(folder / "images"), "--seconds", "1"),
                *("--device", "cpu", "-o", str(folder / "out.toml")),
            ]
        )
    output = capsys.readouterr()
    return code.value.code, (folder / "out.toml").exists(), output.err + output.out


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_predictions_that_do_not_vary_tell_no_pipelines_apart(study, capsys, task):
    """A network of zero weights: the stored numbers are exact with any pipeline."""
    net = study.folder / "net.py"
    bias = "net[-1].bias.data = torch.tensor([0.1, -0.3, 0.7])[:outputs] * 0.1"
    zero = f"    net[-1].weight.data.zero_()\n    {bias}\n    return net\n"
    net.write_text(NET.replace("    return net\n", zero))
    study(task=task, outputs=1 if task == "regression" else 3)
    code, written, text = fitted_by_command(study.folder, capsys)
    assert (code, written) == (1, False)
    assert "do not vary over the 8 images compared, so they cannot tell pipelines apart" in text
    assert "no pipeline reproduces" not in text
    assert "reproduces the stored predictions" not in text


def test_one_class_alone_tells_no_pipelines_apart(study):
    study()
    path = study.folder / "val_predictions.csv"
    frame = pd.read_csv(path)[["image", "true", "pred"]]
    common = frame["pred"].mode()[0]
    frame[frame["pred"] == common].to_csv(path, index=False)
    fit, card = fit_preprocessing(settings(study.folder), out=study.folder / "out.toml")
    assert (fit.verdict, card) == ("constant", None)


def test_equal_predictions_of_another_network_are_reproduced_by_none(study, capsys):
    study()
    path = study.folder / "val_predictions.csv"
    frame = pd.read_csv(path)
    frame[["prob_0", "prob_1", "prob_2"]] = 0.98, 0.01, 0.01
    frame.assign(pred=0).to_csv(path, index=False)
    code, written, text = fitted_by_command(study.folder, capsys)
    assert (code, written) == (1, False)
    assert "no pipeline reproduces the stored predictions" in text


def test_no_pipeline_fits_predictions_of_other_weights(study, capsys):
    study()
    path = study.folder / "val_predictions.csv"
    frame = pd.read_csv(path)
    columns = ["prob_0", "prob_1", "prob_2"]
    frame[columns] = frame[columns].to_numpy()[::-1]
    frame["pred"] = frame[columns].to_numpy().argmax(1)
    frame.to_csv(path, index=False)
    code, written, text = fitted_by_command(study.folder, capsys)
    assert (code, written) == (1, False)
    assert "of the last epoch and the checkpoint is the best one" in text


def test_the_grid_holds_each_pipeline_once():
    base = Candidate(fixed={"channels": 1})
    scales = [{"intensity": "z-score"}, {}]
    intensities = [{"intensity": "min-max"}, {}]
    both = distinct(base.with_each(scale=scales, intensity=intensities))
    # A min–max before a z-score changes nothing: it is left out.
    assert len(both) == 3
    assert {"size": 224} in [fields for _, fields in SIZES]
    spec = InputSpec(channels=1, intensity="z-score", fit="pad", library="opencv")
    assert parts_of(spec).spec() == spec
