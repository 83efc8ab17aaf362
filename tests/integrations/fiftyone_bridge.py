"""A run as a dataset of FiftyOne: test_fiftyone.py runs these where its packages come first."""

import sys
from pathlib import Path

import fiftyone
import numpy as np
import pytest
from fiftyone import ViewField

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.datasets.patients import patient_of
from camlucida.integrations.fiftyone import dataset_of_run, samples_of_run
from camlucida.runs import Run


@pytest.fixture
def samples(small_run, tmp_path):
    return list(samples_of_run(small_run, tmp_path / "media"))


def test_a_sample_has_what_the_run_knows_of_its_image(samples, small_run):
    assert len(samples) == small_run.counts["done"]
    first = samples[0]
    assert Path(first.filepath).name == "0.png"
    assert (first["case"], first["patient"], first["group_sex"]) == ("0", "p0", "f")
    assert [each.label for each in first["ground_truth"].classifications] == ["Mass"]
    table = small_run.predictions()
    expected = table[table["image"] == "0"].set_index("label")["probability"].to_dict()
    made = {each.label: each.confidence for each in first["predictions"].classifications}
    assert made == pytest.approx(expected)


def test_an_unknown_patient_is_blank(small_run, tmp_path, monkeypatch):
    table = small_run.predictions()
    table["patient"] = [patient_of("", image) for image in table["image"]]
    monkeypatch.setattr(Run, "predictions", lambda run: table)
    first = next(samples_of_run(small_run, tmp_path / "media"))
    assert not first.has_field("patient")
    assert first["group_sex"] == "f"


def test_heatmaps_are_the_maps_in_shares_of_their_limit(samples, small_run):
    rows = small_run.explanations()
    for index in rows.index[rows["image"] == "0"]:
        explanation = small_run.explanation(int(index))
        name = f"{explanation.method}_{explanation.target}".replace(" ", "_")
        heatmap = samples[0][name]
        np.testing.assert_allclose(
            heatmap.map, explanation.numpy() / explanation.limit, rtol=1e-5, atol=1e-6
        )
        assert heatmap.limit == pytest.approx(explanation.limit)
        assert list(heatmap.range) == [0, 1]


def test_images_that_the_app_cannot_show_become_png(small_run, tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.integrations.fiftyone.SHOWN", set())
    first = next(samples_of_run(small_run, tmp_path / "media"))
    assert Path(first.filepath) == tmp_path / "media/0.png"
    assert Path(first.filepath).read_bytes()[:4] == b"\x89PNG"


def test_a_dataset_is_stored_and_queried(small_run, tmp_path):
    dataset = dataset_of_run(small_run, "films", tmp_path / "media")
    assert dataset.info["use"] == "research use only"
    dataset.reload()
    assert (len(dataset), dataset.persistent) == (small_run.counts["done"], True)
    truth = dataset.count_values("ground_truth.classifications.label")
    assert truth["Mass"] >= 1
    field = next(each for each in dataset.get_field_schema() if each.startswith("gradcam"))
    stored = dataset.exists(field).first()[field]
    assert stored.map.shape[0] > 1
    assert stored.limit > 0
    likely = dataset.filter_labels("predictions", ViewField("confidence") > 0.5)
    table = small_run.predictions()
    expected = table.loc[table["probability"] > 0.5, "label"].value_counts().to_dict()
    assert likely.count_values("predictions.classifications.label") == expected


def test_a_name_that_is_taken_is_refused(small_run, tmp_path):
    fiftyone.Dataset("taken")
    with pytest.raises(UsageError, match="already has a dataset taken"):
        dataset_of_run(small_run, "taken", tmp_path / "media")


def test_without_the_package_one_line_says_so(small_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(UsageError, match="needs FiftyOne"):
        dataset_of_run(small_run, "run", tmp_path)


def test_without_its_database_one_line_says_so(small_run, tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise RuntimeError("MongoDB could not be\ninstalled")

    monkeypatch.setattr(fiftyone, "dataset_exists", refuse)
    with pytest.raises(CamlucidaError, match=r"MongoDB could not be installed \(it needs MongoDB"):
        dataset_of_run(small_run, "run", tmp_path)
