"""What the process of the models computes while no request comes."""

from dataclasses import replace
from multiprocessing import Pipe

import pytest
from torch import nn

from camlucida.attribution.batches import scans_of
from camlucida.attribution.kept import KeptImage
from camlucida.models import load_model
from camlucida.web import calls, worker
from camlucida.web.inference import Inference
from camlucida.web.offered import OfferedModel
from tests.support.nets import images


@pytest.fixture(scope="module")
def offered(small_run):
    return OfferedModel("m", load_model(small_run.about["models"][0]["card"], device="cpu"))


@pytest.fixture
def inference(offered):
    """With one film, after its first map."""
    made = Inference(())
    made._loaded["m"] = offered
    (scan,) = scans_of((images(1, *offered.loaded.input_shape),))
    made._images["m", "film"] = KeptImage.of(offered.explained, scan)
    shown(made, "auto")
    return made


def shown(inference, layer, method="layercam"):
    label = inference.model("m").loaded.card.labels[0]
    return inference.map("m", "film", "", label, method, layer)


def test_offered_layers_are_kept_ahead_in_two_steps(inference, offered):
    steps = 0
    while inference.has_ahead:
        inference.ahead()
        steps += 1
    assert steps == 2
    image = inference._images["m", "film"]
    assert set(offered.kept_layers) < set(image.names)
    known = len(image.gradients)
    passes = []
    handle = offered.explained.module.register_forward_pre_hook(lambda *given: passes.append(given))
    for layer in offered.kept_layers:
        shown(inference, layer)
    handle.remove()
    assert not passes
    assert set(offered.first_layers) == {"auto", *offered.kept_layers}  # of the next film
    assert len(image.gradients) == known


def test_nothing_is_done_ahead_of_a_map_without_gradients(offered, inference):
    while inference.has_ahead:
        inference.ahead()
    shown(inference, "auto", "eigencam")
    assert not inference.has_ahead


def test_a_film_that_was_removed_leaves_the_memory(inference):
    inference.forget("film")
    assert not inference._images
    assert inference.ahead() == {}
    assert not inference.has_ahead


def test_layers_that_cannot_be_kept_are_tried_once(inference, offered, monkeypatch):
    def fails(image, layers):
        raise RuntimeError

    monkeypatch.setitem(vars(offered), "kept_layers", offered.kept_layers)
    monkeypatch.setattr(KeptImage, "keep", fails)
    with pytest.raises(RuntimeError):
        inference.ahead()
    assert offered.kept_layers == []


def test_no_layer_is_kept_whose_graph_is_too_large(offered, monkeypatch):
    monkeypatch.setattr("camlucida.web.offered.GRAPH_BYTES", 0)
    assert OfferedModel("m", offered.loaded).kept_layers == []


def test_a_model_without_parameters_offers_its_layers(offered):
    net = nn.Sequential(nn.AvgPool2d(4), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    layers = OfferedModel("m", replace(offered.loaded, module=net)).layers
    assert [layer["path"] for layer in layers] == ["0", "1"]


def test_a_request_goes_before_what_is_done_ahead(monkeypatch):
    server, models = Pipe()
    done = []

    def forget(inference, film):
        done.append(film)
        return {}

    def ahead(inference):
        done.append("ahead")
        server.close()
        return {}

    monkeypatch.setattr(worker, "QUIET", 0)
    monkeypatch.setattr(calls, "CALLS", {"forget": forget, "ahead": ahead})
    monkeypatch.setattr(Inference, "has_ahead", property(lambda inference: "ahead" not in done))
    for film in ("one", "other"):
        server.send((0, "forget", {"film": film}))
    worker.serve_calls(models, (), "cpu")
    assert done == ["one", "other", "ahead"]
