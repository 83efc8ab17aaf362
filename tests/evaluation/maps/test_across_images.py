"""Metrics of the maps of many images, of altered images and of random weights, in an evaluation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.attribution.batches import scans_of
from camlucida.attribution.explained_model import explained_model
from camlucida.attribution.targets import Label
from camlucida.evaluation.maps import consistency
from camlucida.evaluation.maps.altered_maps import input_gradient
from camlucida.evaluation.maps.api import evaluate
from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.measure import MetricSettings, Sample, measure
from camlucida.evaluation.maps.summary import summarise
from tests.support.nets import Cnn, images, seeded

SIZE = 24
FILMS = 5


def mask(row, column):
    truth = np.zeros((SIZE, SIZE), bool)
    truth[row : row + 7, column : column + 7] = True
    return truth


def samples(count=FILMS, truth=True):
    scans = scans_of((images(count, 3, SIZE, SIZE, seed=3),))
    masks = {"1": mask(6, 8), "2": mask(14, 2)} if truth else {}
    return [Sample(scan, f"P{i}", masks) for i, scan in enumerate(scans)]


def measured(names, films=None, **more):
    settings = {
        "targets": ("1", "2"),
        "layers": ("features",),
        "methods": ("gradcam",),
        "metrics": choose([names]),
        "baselines": ("center",),
    }
    chosen = MetricSettings(**settings | more)
    return measure(seeded(Cnn()), films or samples(), chosen, strict=True)


@pytest.fixture
def sure(monkeypatch):
    """Every probability is a decision for the label."""
    monkeypatch.setattr(consistency, "DECISION_THRESHOLD", 0.0)


def test_a_centred_map_is_consistent_and_its_score_is_0(sure):
    tables = measured("c_score")
    rows = tables.rows.set_index(["method", "label", "image"])["value"]
    assert len(rows) == 2 * 2 * FILMS
    assert rows["center"].tolist() == [0.0] * 2 * FILMS
    assert rows["gradcam"].abs().max() > 0
    assert set(summarise(tables.rows)["metric"]) == {"c_score"}
    assert tables.notes == []


def test_without_truth_the_reason_is_counted():
    tables = measured("c_score", samples(truth=False))
    assert tables.rows.empty
    (note,) = tables.notes
    assert note.code == "no_value_notes.counted"
    assert note.values["count"] == 2 * FILMS
    assert note.values["reason"].code == "no_consistency.not_recognised"


def test_labels_of_a_table_are_truth_enough(sure):
    films = [replace(film, positives=("1",)) for film in samples(truth=False)]
    tables = measured("c_score", films, targets=("1",))
    # Of one label alone there is nothing to take off.
    assert tables.rows["value"].isna().all()
    assert [note.values["reason"].code for note in tables.notes] == ["no_consistency.few"]


def test_only_so_many_maps_of_a_label_are_compared(sure, monkeypatch):
    monkeypatch.setattr(consistency, "MOST", 3)
    tables = measured("c_score", baselines=())
    assert len(tables.rows) == 2 * 3
    assert {note.values["reason"].code: note.values["count"] for note in tables.notes} == {
        "no_consistency.beyond": 2 * (FILMS - 3)
    }


def test_random_weights_are_put_back():
    net = seeded(Cnn())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    settings = MetricSettings(
        targets=("1",), layers=("features",), metrics=choose(["emprt"]), baselines=("center",)
    )
    rows = measure(net, samples(2), settings, strict=True).rows
    assert rows["method"].tolist() == ["gradcam"] * 2
    assert rows["chance"].tolist() == [0.0] * 2
    assert np.isfinite(rows["value"]).all()
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_prediction_of_a_copy_is_its_own():
    rows = measured("psc", samples(2)).rows
    assert rows["value"].between(-1, 1).all()
    assert rows["method"].unique().tolist() == ["gradcam"]


def test_the_gradient_is_that_of_the_score():
    net = seeded(Cnn()).double()
    explained = explained_model(net)
    image = images(1, 3, SIZE, SIZE, seed=3)[0].double()
    gradient = input_gradient(explained, image, Label(1, "1"))
    step = 1e-5 * gradient.sign()
    with torch.no_grad():
        rise = (net((image + step)[None]) - net((image - step)[None]))[0, 1] / 2e-5
    assert float(rise) == pytest.approx(float(gradient.abs().sum()), rel=1e-3)


def test_a_score_without_gradient_leaves_noise():
    class Cut(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Cnn()

        def forward(self, x):
            return self.net(x).detach()

    image = images(1, 3, SIZE, SIZE)[0]
    assert input_gradient(explained_model(Cut()), image, Label(1, "1")) is None


def test_information_curves_stand_in_the_rows_and_their_reasons_in_the_notes():
    tables = measured("aic,sic", samples(2))
    assert set(tables.rows["metric"]) == {"aic", "sic"}
    assert set(tables.rows["output"]) == {"probability"}
    values = tables.rows.set_index("metric")["value"]
    counted = {}
    for note in tables.notes:
        counted[note.values["metric"]] = (
            counted.get(note.values["metric"], 0) + note.values["count"]
        )
    missing = tables.rows[tables.rows["value"].isna()].drop_duplicates(["metric", "image", "label"])
    assert sum(counted.values()) == len(missing) > 0
    assert values.dropna().between(0, 1).all()


def test_from_python():
    rows = evaluate(
        seeded(Cnn()),
        images(2, 3, SIZE, SIZE, seed=3),
        target=["1"],
        layer="features",
        metrics=["sic", "psc", "emprt"],
        baselines=(),
    )
    assert set(rows["metric"]) == {"sic", "psc", "emprt"}
    (note,) = rows.attrs["notes"]
    assert "2 explained labels have no value" in note


class TwoInputs(nn.Module):
    """The sum of the logits of two networks, one an input."""

    def __init__(self):
        super().__init__()
        self.first, self.second = seeded(Cnn()), seeded(Cnn())

    def forward(self, x, y):
        return self.first(x) + self.second(y)


def test_maps_of_several_inputs_are_consistent_as_those_of_one(sure):
    films = images(FILMS, 3, SIZE, SIZE, seed=3)
    masks = [{"1": mask(6, 8), "2": mask(14, 2)}] * FILMS
    options = {"metrics": ["c_score", "emprt"], "baselines": "center", "masks": masks}
    rows = evaluate(TwoInputs(), (films, films), ["1", "2"], layer="first.features", **options)
    assert set(rows["layer"]) == {"first.features"}
    assert (rows["metric"] == "emprt").sum() == 2 * FILMS
    scores = rows[rows["metric"] == "c_score"].set_index(["method", "label", "image"])["value"]
    assert len(scores) == 2 * 2 * FILMS
    alone = evaluate(
        seeded(Cnn()), films, ["1", "2"], layer="features", task="multiclass", **options
    )
    alone = alone[alone["metric"] == "c_score"].set_index(["method", "label", "image"])["value"]
    assert (scores["center"] == 0).all()
    # Weights are probabilities, which are sharper for twice the logits.
    assert scores["gradcam"].corr(alone["gradcam"]) > 0.99


def test_a_metric_without_value_is_a_note_of_several_inputs():
    films = images(2, 3, SIZE, SIZE, seed=3)
    options = {"metrics": "c_score", "baselines": (), "layer": "first.features"}
    rows = evaluate(TwoInputs(), (films, films), ["1"], **options)
    (note,) = rows.attrs["notes"]
    assert "2 explained labels have no value" in note
