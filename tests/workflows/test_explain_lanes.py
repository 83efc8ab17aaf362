"""Batches that are explained beside each other give what one after the other gives."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from camlucida.models import load_model
from camlucida.workflows import explain_lanes
from camlucida.workflows.explain import explain_to_folder
from camlucida.workflows.explain_lanes import Lanes
from tests.support.models_on_disk import write_image, write_model


@pytest.fixture
def model(tmp_path):
    return load_model(write_model(tmp_path), device="cpu")


@pytest.fixture
def two_cores(monkeypatch):
    """Two threads of arithmetic, and lanes for any number of images."""
    monkeypatch.setattr(explain_lanes, "FEW", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def explained(model, films, out, **options):
    """The outcome, and the records without what differs between folders."""
    outcome = explain_to_folder(model, films, out, batch_size=4, **options)
    records = json.loads((out / "explanations.json").read_text())
    assert [record["id"] for record in records] == [record["id"] for record in outcome.records]
    return outcome, records


def test_lanes_explain_what_one_thread_explains(tmp_path, model, two_cores, monkeypatch):
    films = [write_image(tmp_path / "films" / f"{seed}.png", seed) for seed in range(9)]
    (tmp_path / "films/3.png").write_bytes(b"no image")
    used = []
    submit = Lanes.submit
    monkeypatch.setattr(
        Lanes, "submit", lambda self, scans: used.append(len(scans)) or submit(self, scans)
    )
    outcome, records = explained(model, films, tmp_path / "lanes")
    assert used == [2, 1, 2, 2, 1]  # half of a batch in each lane, one film unreadable
    monkeypatch.setattr(explain_lanes, "FEW", 9)
    alone, expected = explained(model, films, tmp_path / "alone")
    assert outcome.explained == alone.explained == 8
    assert [failure.image for failure in outcome.failures] == [str(films[3])]
    assert [(r["id"], r["target"]) for r in records] == [(r["id"], r["target"]) for r in expected]
    for record in records:
        files = [tmp_path / folder / record["files"]["maps"] for folder in ("lanes", "alone")]
        ours, theirs = (np.load(file)[record["map_key"]] for file in files)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert torch.get_num_threads() == 2
    assert all(parameter.requires_grad for parameter in model.module.parameters())


def test_a_batch_that_fails_in_a_lane_is_divided(tmp_path, model, two_cores, monkeypatch):
    films = [write_image(tmp_path / "films" / f"{seed}.png", seed) for seed in range(6)]
    refused = []
    explain = explain_lanes.explain

    def failing(model, scans, *rest, **options):
        if any(scan.id == "2" for scan in scans):
            refused.append(len(scans))
            raise explain_lanes.CamlucidaError("a bad film")
        return explain(model, scans, *rest, **options)

    monkeypatch.setattr(explain_lanes, "explain", failing)
    outcome, records = explained(model, films, tmp_path / "out")
    assert refused == [2]
    assert outcome.explained == 6
    assert list(dict.fromkeys(record["id"] for record in records)) == list("012345")


@pytest.mark.parametrize("methods", [["scorecam"], ["gradcam", "gradcam:aug"], ["all"], ["none"]])
def test_methods_of_many_passes_have_the_cores_to_themselves(model, two_cores, methods):
    with Lanes(model, None, methods, ["auto"], 8, images=100) as lanes:
        assert (lanes.ahead, lanes.part) == (0, 8)
        assert torch.get_num_threads() == 2


def test_lanes_divide_cores_and_batch(model, two_cores):
    torch.set_num_threads(5)
    with Lanes(model, None, ["gradcam"], ["auto"], 8, images=100) as lanes:
        assert (lanes.ahead, lanes.part, torch.get_num_threads()) == (4, 2, 1)
    with Lanes(model, None, ["gradcam"], ["auto"], 2, images=100) as lanes:
        assert (lanes.ahead, lanes.part, torch.get_num_threads()) == (2, 1, 2)
    with Lanes(model, None, ["gradcam"], ["auto"], 1, images=100) as lanes:
        assert (lanes.ahead, lanes.part) == (0, 1)


def test_autocast_of_the_calling_thread_is_of_no_other_thread(model, two_cores):
    with torch.autocast("cpu"), Lanes(model, None, ["gradcam"], ["auto"], 8, images=100) as lanes:
        assert lanes.ahead == 0


class Dropping(torch.nn.Module):
    """Draws random numbers in evaluation, too."""

    def forward(self, x):
        return F.dropout(x, 0.5, training=True)


def test_lanes_are_closed_after_the_first_batch_where_random_numbers_are_drawn(
    tmp_path, model, two_cores
):
    scan = [model.read(write_image(tmp_path / "film.png"))]
    with Lanes(model, None, ["gradcam"], ["auto"], 2, images=100) as lanes:
        lanes.submit(scan).result()
        assert lanes.ahead == 2
    model.module.features.append(Dropping())
    with Lanes(model, None, ["gradcam"], ["auto"], 2, images=100) as lanes:
        assert lanes.submit(scan).result()
        assert lanes.ahead == 0
        assert torch.get_num_threads() == 2
        assert lanes.submit(scan) is None
