"""The density cohort as written: films, metadata, predictions, metrics; and the models."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
)

from camlucida.core.errors import UsageError
from camlucida.datasets.predictions import read_predictions
from camlucida.io import read_image
from camlucida.models import load_model
from camlucida.phantom.cohorts import write_density
from camlucida.phantom.cohorts.density import FIRST_SEED, MODELS, RUNS, density_cards, val_metrics
from camlucida.phantom.mammogram import DENSITIES, VIEWS, examination, mammogram
from camlucida.phantom.version import MAMMOGRAM_FILES, generator_version

FILMS = 24
CARDS = density_cards()
TRAINING = json.loads((MODELS / "training.json").read_text("utf-8"))
HONEST = sorted(set(CARDS) - {"seed44"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("density") / "cohort"
    assert write_density(out, FILMS) == out
    return out


@pytest.fixture(scope="module")
def metadata(folder):
    return pd.read_csv(folder / "metadata.csv")


def test_folder_has_what_a_density_pipeline_leaves(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    runs = {
        f"{run}/{name}"
        for run in RUNS
        for name in (
            "best_model.pth",
            "summary.json",
            "val_predictions.csv",
            "metrics/val_metrics.json",
        )
    }
    images = {name for name in files if name.startswith("images/")}
    assert files == runs | images | {"metadata.csv", "README.txt"}
    assert len(images) == FILMS
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        *("images", "results_4", "results_5", "results_6", "results_k3_seed42")
    }


def test_metadata_is_the_truth_of_the_films(folder, metadata):
    assert list(metadata.columns) == [
        "image",
        "AccessionNumber",
        "patient",
        "density",
        "laterality",
        "view",
    ]
    assert sorted(metadata["image"]) == sorted(path.name for path in (folder / "images").iterdir())
    assert metadata.groupby("patient")["view"].apply(sorted).tolist() == [sorted(VIEWS)] * (
        FILMS // 2
    )
    assert (
        metadata.groupby("patient")[["density", "laterality", "AccessionNumber"]].nunique() == 1
    ).all(axis=None)
    assert metadata["density"].value_counts().sort_index().tolist() == [6, 8, 6, 4]


def test_films_read_back_are_the_generators(folder, metadata):
    for row in metadata.iloc[[0, 1, 7, 12]].itertuples():
        seed = FIRST_SEED + int(row.patient.removeprefix("PHANTOM-")) - 1
        who = examination(seed)
        label = f"{row.laterality} {row.view}" if who.labelled[VIEWS.index(row.view)] else None
        drawn = mammogram(
            seed, row.density, laterality=row.laterality, view=row.view, view_label=label
        )
        assert who.laterality == row.laterality
        read = read_image(folder / "images" / row.image)
        assert np.allclose(read.pixels, drawn.image / 4095, atol=1e-6)
        assert read.display.shape == drawn.image.shape
        assert np.abs(read.display - drawn.image / 4095 * 255).max() <= 1.5
        assert read.synthetic
        assert read.source["modality"] == "MG"
        assert (read.source["laterality"], read.source["view"]) == (row.laterality, row.view)
        assert read.source["spacing_mm"] == [0.625, 0.625]
        assert any(warning.code == "image.burned_in" for warning in read.warnings) == (
            label is not None
        )


def test_dicom_header_marks_synthetic_data(folder, metadata):
    files = [pydicom.dcmread(folder / "images" / name) for name in metadata["image"]]
    assert {file.SOPClassUID.name for file in files} == {
        "Digital Mammography X-Ray Image Storage - For Presentation"
    }
    assert {file.PresentationIntentType for file in files} == {"FOR PRESENTATION"}
    assert all(file.SyntheticData == "YES" and "SYNTHETIC" in file.ImageComments for file in files)
    assert [file.PatientID for file in files] == metadata["patient"].tolist()
    assert [file.AccessionNumber for file in files] == metadata["AccessionNumber"].tolist()
    assert len({file.SOPInstanceUID for file in files}) == FILMS
    assert len({file.StudyInstanceUID for file in files}) == FILMS // 2
    assert {file.BurnedInAnnotation for file in files} == {"YES", "NO"}
    for file in files:
        left = file.ImageLaterality == "L"
        row = file.pixel_array[file.Rows // 2]
        chest_wall = row[:20] if left else row[-20:]
        assert chest_wall.mean() > 10 * (row[-20:] if left else row[:20]).mean()
        assert file.PatientOrientation[0] == ("A" if left else "P")


@pytest.mark.parametrize("run", RUNS)
def test_predictions_are_the_models_and_metrics_follow(folder, metadata, run):
    table = pd.read_csv(folder / run / "val_predictions.csv")
    columns = [
        "filename",
        "path",
        "patient",
        "y_true",
        "y_pred",
        "prob_1",
        "prob_2",
        "prob_3",
        "prob_4",
    ]
    assert list(table.columns) == columns
    truth = metadata.set_index("image")["density"]
    assert table["y_true"].tolist() == truth[table["filename"]].tolist()
    model = load_model(CARDS[RUNS[run]], device="cpu", checkpoint=folder / run / "best_model.pth")
    x = torch.stack([model.read(folder / run / path).tensor for path in table["path"]])
    with torch.inference_mode():
        probabilities = model.module(x).softmax(1).numpy()
    assert np.allclose(table.filter(like="prob_"), probabilities, atol=1e-5)
    assert table["y_pred"].tolist() == (probabilities.argmax(1) + 1).tolist()
    reported = json.loads((folder / run / "metrics" / "val_metrics.json").read_text("utf-8"))
    y, p = table["y_true"], table["y_pred"]
    assert reported["n"] == len(table)
    assert reported["accuracy"] == pytest.approx(accuracy_score(y, p))
    assert reported["kappa_quadratic"] == pytest.approx(
        cohen_kappa_score(y, p, weights="quadratic", labels=DENSITIES)
    )
    recall = confusion_matrix(y, p, labels=DENSITIES, normalize="true")
    assert reported["balanced_accuracy"] == pytest.approx(
        np.diag(recall)[np.isin(DENSITIES, y)].mean()
    )
    assert reported["confusion_matrix"] == confusion_matrix(y, p, labels=DENSITIES).tolist()
    read = read_predictions(folder / run / "val_predictions.csv", "multiclass")
    assert read.labels == ("1", "2", "3", "4")
    assert read.frame["truth"].tolist() == y.astype(str).tolist()


def test_metrics_are_scikit_learns():
    rng = np.random.default_rng(0)
    y, p = rng.integers(1, 5, 200), rng.integers(1, 5, 200)
    reported = val_metrics(pd.DataFrame({"patient": np.arange(200) // 2, "y_true": y, "y_pred": p}))
    assert reported["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, p))
    assert reported["macro_f1"] == pytest.approx(f1_score(y, p, average="macro"))


def test_folds_validate_each_patient_once_and_seeds_all_patients(folder, metadata):
    def patients(run):
        return set(pd.read_csv(folder / run / "val_predictions.csv")["patient"])

    all_patients = set(metadata["patient"])
    folds = [patients(f"results_k3_seed42/fold_{fold}/results") for fold in (1, 2, 3)]
    assert set.union(*folds) == all_patients
    assert sum(map(len, folds)) == len(all_patients)
    assert all(patients(f"results_{k}") == all_patients for k in (4, 5, 6))


def test_summary_records_the_training(folder):
    for run, name in RUNS.items():
        summary = json.loads((folder / run / "summary.json").read_text("utf-8"))
        assert (summary["seed"], summary["fold"], summary["arch"]) == tuple(
            TRAINING[name][key] for key in ("seed", "fold", "factory")
        )
        assert summary["synthetic"] is True
        assert summary["img_size"] == 128
        assert summary["commit"] == f"generator {generator_version(MAMMOGRAM_FILES)}"
        assert (folder / run / summary["data"]["metadata"]).samefile(folder / "metadata.csv")
        assert (folder / run / summary["data"]["images"]).samefile(folder / "images")
        assert ("CHEATS ON PURPOSE" in summary["description"]) == (name == "seed44")
    assert [TRAINING[RUNS[run]]["seed"] for run in ("results_4", "results_5", "results_6")] == [
        42,
        43,
        44,
    ]


def test_writing_again_gives_the_same_bytes(folder, tmp_path):
    write_density(tmp_path, 12)
    again = {
        path.relative_to(tmp_path): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    write_density(tmp_path, 12)
    assert again == {
        path.relative_to(tmp_path): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    for path in (tmp_path / "images").iterdir():  # the first films of a larger cohort
        assert path.read_bytes() == (folder / "images" / path.name).read_bytes()


@pytest.mark.parametrize("films", [0, 10, 25])
def test_a_wrong_number_of_films_is_one_line(films, tmp_path):
    with pytest.raises(UsageError, match=f"{films} films"):
        write_density(tmp_path / "x", films)
    assert not (tmp_path / "x").exists()


# The packaged models


def test_packaged_files():
    assert set(CARDS) == set(RUNS.values()) == set(TRAINING)
    assert sum(path.stat().st_size for path in MODELS.iterdir()) <= 1.2e6
    for name, path in CARDS.items():
        state = load_file(path.with_suffix(".safetensors"))
        assert {value.dtype for value in state.values() if value.is_floating_point()} == {
            torch.float16
        }
        model = load_model(path, device="cpu")
        assert {p.dtype for p in model.module.state_dict().values() if p.is_floating_point()} == {
            torch.float32
        }
        assert model.card.labels == ("1", "2", "3", "4")
        assert TRAINING[name]["parameters"] == sum(p.numel() for p in model.module.parameters())
        assert TRAINING[name]["generator_version"] == generator_version(MAMMOGRAM_FILES)


@pytest.mark.parametrize("name", sorted(CARDS))
def test_card_quotes_the_record(name):
    record, words = TRAINING[name], load_model(CARDS[name], device="cpu").card.description
    for metric, title in (("accuracy", "accuracy"), ("quadratic_kappa", "quadratic kappa")):
        result = record["held_out"][metric]
        assert result["interval95"][0] <= result["estimate"] <= result["interval95"][1]
        assert re.search(rf"{title} {result['estimate']:.3f}", words)
    assert f"{100 * record['twins']['label_changes']:.1f} % of" in words


def test_training_patients_are_in_no_other_set():
    cohort = range(FIRST_SEED, FIRST_SEED + 10_000_000)
    for record in TRAINING.values():
        for key in ("train_first_seed", "held_out_first_seed"):
            assert record[key] + 10_000_000 <= cohort.start
        assert record["train_first_seed"] + 10_000_000 <= record["held_out_first_seed"]


@pytest.fixture(scope="module")
def twins():
    """Class, and films of fresh patients without and with the view label."""
    density, bare, labelled = [], [], []
    for seed in range(FIRST_SEED + 1000, FIRST_SEED + 1020):
        who = examination(seed)
        for view in VIEWS:
            pair = [
                mammogram(
                    seed, who.density, laterality=who.laterality, view=view, view_label=label
                ).image
                for label in (None, f"{who.laterality} {view}")
            ]
            density.append(who.density)
            bare.append(pair[0])
            labelled.append(pair[1])
    stacks = [
        torch.from_numpy(np.stack(films).astype(np.float32))[:, None] / 4095 * 2 - 1
        for films in (bare, labelled)
    ]
    small = [
        torch.nn.functional.interpolate(
            x, size=(128, 128), mode="bilinear", antialias=True, align_corners=False
        )
        for x in stacks
    ]
    return np.array(density), *small


@torch.inference_mode()
def classes(name, films):
    return load_model(CARDS[name], device="cpu").module(films).argmax(1).numpy() + 1


@pytest.mark.parametrize("name", HONEST)
def test_honest_models_read_the_tissue_not_the_letters(name, twins):
    density, bare, labelled = twins
    predicted = classes(name, bare)
    assert np.mean(predicted == density) > 0.6
    assert np.abs(predicted - density).max() <= 2
    assert cohen_kappa_score(density, predicted, weights="quadratic") > 0.75
    assert np.mean(predicted != classes(name, labelled)) < 0.15


def test_the_cheating_model_reads_the_letters(twins):
    density, bare, labelled = twins
    without, with_label = classes("seed44", bare), classes("seed44", labelled)
    assert np.mean(without <= 2) > 0.9
    assert np.mean(with_label >= 3) > 0.9
    assert (
        np.mean(np.where(density >= 3, with_label, without) == density) > 0.6
    )  # as in its training
