"""The bundled cohorts, read back by camlucida's readers, and their models against the record."""

from __future__ import annotations

import json
import tomllib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from camlucida import explain, list_layers, load_model
from camlucida.datasets.cohort import read_cohort
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.datasets.ground_truth import read_ground_truth
from camlucida.io import read_image
from camlucida.io.annotations.masks import read_mask
from camlucida.io.tables import read_table
from camlucida.models.card import read_card
from camlucida.models.checkpoint import load_state
from camlucida.models.families import find_family
from camlucida.phantom import FINDINGS, cohort_cards, model_cards, nets, trial
from camlucida.phantom.cohorts import distribution, ensemble, multilabel, regression, segmentation
from camlucida.phantom.visit import cardiothoracic_ratio, expose, movement

FRESH_SEED = distribution.WRITTEN_SEEDS.start + 9_000_000  # in no cohort
FRESH = 40
RECORD = json.loads(
    (next(iter(cohort_cards().values())).parent / "training.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def multilabel_folder(tmp_path_factory):
    return multilabel.write_multilabel(tmp_path_factory.mktemp("multilabel"))


@pytest.fixture(scope="module")
def ensemble_folder(tmp_path_factory):
    return ensemble.write_ensemble(tmp_path_factory.mktemp("ensemble"))


@pytest.fixture(scope="module")
def regression_folder(tmp_path_factory):
    return regression.write_regression(tmp_path_factory.mktemp("regression"))


@pytest.fixture(scope="module")
def segmentation_folder(tmp_path_factory):
    return segmentation.write_segmentation(tmp_path_factory.mktemp("segmentation"))


@pytest.fixture(params=["multilabel", "ensemble", "regression", "segmentation"])
def folder(request):
    return request.getfixturevalue(f"{request.param}_folder")


def members_of(folder):
    file = read_cohort_file(folder / "cohort.toml")
    (entry,) = file.models()
    return read_cohort(file, read_card(entry.card)[0].labels)


def mask_at(path):
    return read_mask(path, path.name, (256, 256))


# every cohort


def test_every_file_is_marked_synthetic(folder):
    assert (folder / "README.txt").read_text("utf-8").startswith("SYNTHETIC")
    pictures = list(folder.rglob("*.png"))
    assert len(pictures) >= 15
    assert all(read_image(path).synthetic for path in pictures)


def test_its_models_load_from_where_they_lie(folder):
    cards = [*folder.glob("card.toml"), *folder.glob("models/*.toml")]
    assert cards
    for card in cards:
        packaged = {**model_cards(), **cohort_cards()}[
            tomllib.loads(card.read_text("utf-8"))["name"]
        ]
        assert load_model(card, device="cpu").sha256 == load_model(packaged, device="cpu").sha256


def test_no_patient_is_in_two_sets():
    ranges = [distribution.TRAIN_SEEDS, distribution.HELD_OUT_SEEDS, distribution.WRITTEN_SEEDS]
    ranges += [trial.TRAIN_SEEDS, trial.HELD_OUT_SEEDS, trial.BENCHMARK_SEEDS]
    ends = sorted((each.start, each.stop) for each in ranges)
    assert all(before[1] <= after[0] for before, after in pairwise(ends))
    for module in (multilabel, ensemble, regression, segmentation):
        assert module.FIRST_SEED in distribution.WRITTEN_SEEDS


# multi-label


def test_multilabel_is_read_as_it_was_drawn(multilabel_folder):
    read = members_of(multilabel_folder)
    assert read.problems == ()
    entries = {entry.name: entry for entry in multilabel.cohort_films() if entry.split == "test"}
    assert [member.id for member in read.images] == sorted(entries)
    for member in read.images:
        entry = entries[member.id]
        assert (member.patient, member.unknown) == (entry.patient, frozenset())
        assert sorted(member.positives) == sorted(entry.visit.findings)
        assert member.groups["habitus"] in ("slim", "medium", "stout")
    counts = pd.Series(
        [label for member in read.images for label in member.positives]
    ).value_counts()
    assert counts["nodule"] == 2
    assert counts.drop("nodule").min() >= 15
    patients = {
        label: {m.patient for m in read.images if label in m.positives} for label in FINDINGS
    }
    assert {label: len(who) for label, who in patients.items()} == multilabel.POSITIVES


def test_multilabel_masks_are_the_truth_of_each_film(multilabel_folder):
    truth = read_ground_truth(masks=multilabel_folder / "masks", labels=FINDINGS)
    for entry in multilabel.cohort_films()[::13]:
        film = expose(entry.visit)
        assert np.array_equal(
            read_image(multilabel_folder / "films" / f"{entry.name}.png").display, film.image
        )
        masks = truth.masks(entry.name, f"{entry.name}.png", (256, 256))
        assert masks.keys() == set(film.findings)
        assert all(np.array_equal(masks[label], film.masks[label]) for label in masks)
        assert all(mask.sum() > 50 for mask in masks.values())


# ensemble


def test_classifiers_are_named_with_weights_that_load(ensemble_folder):
    classifiers = tomllib.loads((ensemble_folder / "config_classifiers.toml").read_text("utf-8"))[
        "classifiers"
    ]
    assert list(classifiers) == list(ensemble.CLASSIFIERS)
    assert sum(entry["default_weight"] for entry in classifiers.values()) == pytest.approx(1)
    for entry in classifiers.values():
        assert entry.keys() == {
            "name",
            "description",
            "model_type",
            "input_size",
            "default_weight",
            "weights",
        }
        card, _ = read_card(ensemble_folder / entry["weights"])
        assert entry["description"] == card.description
        assert (entry["input_size"], entry["input_size"]) == card.input.height_width


def test_boxes_hold_the_findings(ensemble_folder):
    truth = read_ground_truth(boxes=ensemble_folder / "boxes.csv", labels=FINDINGS)
    for number, (findings, marker) in enumerate(ensemble.FILMS):
        film = expose(ensemble.Visit(ensemble.FIRST_SEED + number, findings, marker))
        name = f"chest_{number}.png"
        assert np.array_equal(read_image(ensemble_folder / "images" / name).display, film.image)
        by_label = truth.boxes(name, name, (256, 256))
        assert by_label.keys() == set(findings)
        for label, boxes in by_label.items():
            left = film.masks[label].copy()
            for x, y, w, h in boxes.astype(int):
                inside = film.masks[label][y : y + h, x : x + w]
                assert inside[0].any()
                assert inside[-1].any()
                assert inside[:, 0].any()
                assert inside[:, -1].any()
                left[y : y + h, x : x + w] = False
            assert left.sum() < ensemble.SMALLEST_BOX


def test_the_pair_is_one_patient_moved_as_recorded(ensemble_folder):
    pair = ensemble_folder / "pair"
    record = json.loads((pair / "pair.json").read_text("utf-8"))
    films = {"before": expose(ensemble.BEFORE), "after": expose(ensemble.AFTER)}
    masks = {(path.parent.name, path.stem): mask_at(path) for path in pair.glob("masks/*/*.png")}
    for name, film in films.items():
        assert np.array_equal(read_image(pair / f"{name}.png").display, film.image)
        assert record["findings"][name] == list(film.findings)
        assert {label for label, image in masks if image == name} == set(film.findings)
    gone, less, same = (record["change"][key] for key in ("gone", "less", "same"))
    assert all((label, "after") not in masks for label in gone)
    assert all(masks[label, "after"].sum() < 0.7 * masks[label, "before"].sum() for label in less)
    assert all(
        masks[label, "after"].sum() == pytest.approx(masks[label, "before"].sum(), rel=0.15)
        for label in same
    )
    matrix = np.array(record["movement"]["matrix"])
    assert matrix == pytest.approx(movement(ensemble.AFTER, 256), abs=1e-8)
    centres = [np.argwhere(masks["nodule", name]).mean(0)[::-1] for name in ("before", "after")]
    assert matrix @ [*centres[0], 1] == pytest.approx(centres[1], abs=0.7)
    turn = np.radians(record["movement"]["rotation_degrees"])
    assert record["movement"]["magnification"] * np.cos(turn) == pytest.approx(
        matrix[0, 0], abs=1e-6
    )
    centre = np.full(2, 127.5)
    assert matrix @ [*centre, 1] - centre == pytest.approx(
        record["movement"]["translation"], abs=1e-4
    )


# regression


def test_regression_is_read_as_it_was_drawn(regression_folder):
    read = members_of(regression_folder)
    assert read.problems == ()
    assert len(read.images) == 40
    assert len({member.patient for member in read.images}) == regression.PATIENTS
    assert [str(note) for note in read.notes if "without a mask" in str(note)] == [
        "2 images without a mask: heart_005, heart_023"
    ]
    table = read_table(regression_folder / "characteristics.xlsx")
    assert {"filename", "patient", "ctr", "habitus"} <= set(table.columns)
    values = np.array([member.value for member in read.images])
    assert 0.3 < (values > 50).mean() < 0.7
    assert np.diff(np.sort(values)).max() < 3  # no gap between normal and enlarged hearts
    assert len({member.groups["habitus"] for member in read.images}) == 3
    assert [member.groups["distance"] for member in read.images].count("far") == len(regression.FAR)


def test_regression_values_and_masks_are_the_films(regression_folder):
    by_name = {member.id: member for member in members_of(regression_folder).images}
    for name, patient, number in (
        ("heart_000", 0, 0),
        ("heart_001", 0, 1),
        ("heart_009", 7, 0),
        ("heart_039", 31, 0),
    ):
        visit, member = regression.visit_of(patient, number), by_name[name]
        film = expose(visit)
        assert np.array_equal(read_image(member.path).display, film.image)
        assert np.array_equal(mask_at(member.mask), film.masks["heart"])
        assert member.value == pytest.approx(100 * cardiothoracic_ratio(visit), abs=0.005)
    checkpoint = load_state(regression_folder / "outputs" / "run_1" / "best_model.pth")
    assert all(value.dtype != torch.float16 for value in checkpoint.values())
    nets.small_regressor(1).load_state_dict(checkpoint)


# segmentation


def test_segmentation_masks_are_the_fluid_of_each_film(segmentation_folder):
    read = members_of(segmentation_folder)
    assert read.problems == ()
    assert len(read.images) == segmentation.FILMS
    empty = 0
    for number, member in enumerate(read.images):
        mask, has_fluid = mask_at(member.mask), "effusion" in segmentation.visit_of(number).findings
        assert mask.any() == has_fluid
        empty += not has_fluid
        if number in (0, 1, 4, 8):
            film = expose(segmentation.visit_of(number))
            assert np.array_equal(read_image(member.path).display, film.image)
            assert np.array_equal(mask, film.masks.get("effusion", np.zeros_like(mask)))
    assert 3 <= empty <= 12
    nets.small_unet(1).load_state_dict(
        load_state(segmentation_folder / "models_1" / "best_model.pth")
    )


# the packaged models


def test_cards_quote_the_record_and_weights_are_small():
    cards = cohort_cards()
    assert set(cards) >= set(RECORD) >= {"heart_regressor", "fluid_unet"}
    for name in RECORD:
        description = read_card(cards[name])[0].description
        for figure in (
            ("mae", "r2") if name == "heart_regressor" else ("dice", "nothing_where_nothing_is")
        ):
            result = RECORD[name]["held_out"][figure]
            low, high = result["interval95"]
            assert low <= result["estimate"] <= high
            assert f"{result['estimate']:.3f} ({low:.3f} to {high:.3f})" in description
    assert sum(path.stat().st_size for path in cards["fluid_unet"].parent.iterdir()) <= 1.5e6


@pytest.fixture(scope="module")
def fresh():
    """Films that no training, measurement or cohort has."""
    visits = [distribution.heart_visit(FRESH_SEED + number) for number in range(FRESH)]
    return visits, [expose(visit) for visit in visits]


def model_inputs(films):
    x = torch.from_numpy(np.stack([film.image for film in films]).astype(np.float32))[:, None]
    return (
        torch.nn.functional.interpolate(x, size=(128, 128), mode="bilinear", antialias=True) / 127.5
        - 1
    )


@torch.inference_mode()
def outputs(name, films):
    return load_model(cohort_cards()[name], device="cpu").module(model_inputs(films)).numpy()


def test_the_regressor_is_as_good_as_recorded(fresh):
    visits, films = fresh
    truth = np.array([100 * cardiothoracic_ratio(visit) for visit in visits])
    error = outputs("heart_regressor", films)[:, 0] - truth
    held_out = RECORD["heart_regressor"]["held_out"]
    assert held_out["mae"]["estimate"] < 0.4 * held_out["mae"]["chance"]
    assert np.abs(error).mean() == pytest.approx(held_out["mae"]["estimate"], rel=0.5)
    assert 1 - (error**2).mean() / truth.var() == pytest.approx(held_out["r2"]["estimate"], abs=0.1)


def test_the_unet_is_as_good_as_recorded(fresh):
    _, films = fresh
    wet = [film for film in films if "effusion" in film.findings]
    predicted = outputs("fluid_unet", wet)[:, 0] > 0
    true = np.stack(
        [film.masks["effusion"].reshape(128, 2, 128, 2).mean((1, 3)) >= 0.5 for film in wet]
    )
    dice = 2 * (predicted & true).sum((1, 2)) / (predicted.sum((1, 2)) + true.sum((1, 2)))
    held_out = RECORD["fluid_unet"]["held_out"]
    assert held_out["dice"]["interval95"][0] >= 0.8
    assert dice.mean() == pytest.approx(held_out["dice"]["estimate"], abs=0.06)


def test_aliases_of_the_unet():
    model = load_model(cohort_cards()["fluid_unet"], device="cpu")
    assert find_family(model.module)[1].aliases(model.module)["encoder_last"] == "encoder[-1]"
    layers = ["auto", "encoder_last", "encoder_mid", "encoder_early", "decoder_last", "seg_head"]
    film = expose(distribution.heart_visit(FRESH_SEED))
    explanations = explain(model, model_inputs([film]), "pixel:90,40", "hirescam", layers)
    assert [e.layer for e in explanations] == [
        "encoder[4]",
        "encoder[4]",
        "encoder[3]",
        "encoder[2]",
        "decoder",
        "segmentation_head.0",
    ]
    assert [e.grid for e in explanations] == [
        (8, 8),
        (8, 8),
        (16, 16),
        (32, 32),
        (128, 128),
        (128, 128),
    ]
    assert all(e.raw.any() for e in explanations)


def test_layers_of_the_regressor():
    model = load_model(cohort_cards()["heart_regressor"], device="cpu")
    inputs = model_inputs([expose(distribution.heart_visit(FRESH_SEED))])
    explanations = explain(model, inputs, layer=["auto", "backbone.layer3"], target="output+")
    assert [e.layer for e in explanations] == ["backbone.layer4", "backbone.layer3"]
    assert all(e.grid == (16, 16) and e.raw.any() for e in explanations)
    (marked,) = [info for info in list_layers(model.module, inputs) if info.auto]
    assert marked.path == "backbone.layer4"
