"""Maps and regions by the API are those of the package, and one forward pass serves them all."""

import base64
import json
import os
import signal
from multiprocessing import Pipe

import numpy as np
import pytest
import torch
import uvicorn

from camlucida.attribution.engine import explain
from camlucida.models import load_model
from camlucida.web import jobs
from camlucida.web.jobs import FINISHED
from camlucida.web.serve import EndingServer
from camlucida.web.worker import WorkerError, serve_calls


@pytest.fixture
def model(client):
    return client.get("/api/models").json()[0]["id"]


@pytest.fixture
def loaded(small_run):
    return load_model(small_run.about["models"][0]["card"], device="cpu")


@pytest.fixture
def scan(app, film, loaded):
    return loaded.read(app.state.workbench.films.film(film).path)


def asked(client, path, **request):
    reply = client.post(f"/api/{path}", json=request)
    assert reply.status_code < 300, reply.text
    return reply.json()


def values(shown):
    cells = np.frombuffer(base64.b64decode(shown["values"]), "<f4")
    return torch.from_numpy(cells.reshape(shown["grid"]).copy())


def test_the_models_and_their_layers(client, model, small_run):
    models = client.get("/api/models").json()
    assert [each["name"] for each in models][-2:] == ["marker_shortcut_mobilenet", "volumes"]
    described = client.get(f"/api/models/{model}").json()
    assert described["task"] == "multilabel"
    assert sum(layer["auto"] for layer in described["layers"]) == 1
    assert client.get("/api/models/none").status_code == 404
    kinds = {method["name"]: method["kind"] for method in client.get("/api/methods").json()}
    assert (kinds["gradcam"], kinds["scorecam"]) == ("gradient", "probe")


def test_findings_are_the_models(client, model, film, loaded, scan):
    reply = client.get(f"/api/models/{model}/findings/{film}").json()
    expected = {e.target: (e.score, e.probability) for e in explain(loaded, scan, "all")}
    found = {each["target"]: (each["score"], each["probability"]) for each in reply["findings"]}
    assert found.keys() == expected.keys()
    for target, pair in expected.items():
        assert found[target] == pytest.approx(pair, abs=1e-5)
    assert {each["threshold"] for each in reply["findings"]} == {0.5}


@pytest.mark.parametrize("method", ["gradcam", "layercam", "eigencam"])
def test_maps_are_those_of_explain(client, model, film, loaded, scan, method):
    label = loaded.card.labels[1]
    shown = asked(client, "maps", model=model, film=film, target=label, method=method)
    (expected,) = explain(loaded, scan, label, method)
    torch.testing.assert_close(values(shown), expected.raw, rtol=1e-4, atol=1e-6)
    assert shown["layer"] == expected.layer
    assert shown["score"] == pytest.approx(expected.score, abs=1e-5)


def test_every_layer_with_a_grid_has_a_map(client, model, film, loaded, scan):
    label = loaded.card.labels[0]
    layers = client.get(f"/api/models/{model}").json()["layers"]
    for layer in layers:
        request = {"model": model, "film": film, "target": label, "layer": layer["path"]}
        shown = asked(client, "maps", **request)
        (expected,) = explain(loaded, scan, label, "gradcam", layer["path"])
        torch.testing.assert_close(values(shown), expected.raw, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"target": "nothing"}, 400, "unknown_target"),
        ({"method": "gradcma"}, 400, "usage"),
        ({"layer": "nowhere"}, 422, "layer"),
        ({"film": "nothing"}, 404, "not_found"),
        ({"model": "nothing"}, 404, "not_found"),
        ({"method": "scorecam"}, 400, "usage"),
        ({"more": 1}, 400, "usage"),
        ({"target": ""}, 400, "usage"),
    ],
)
def test_a_wrong_request_is_one_line(client, model, film, change, status, code):
    request = {"model": model, "film": film, "target": "0"} | change
    reply = client.post("/api/maps", json=request)
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    assert reply.json()["what"]
    assert reply.json()["fix"]


def test_a_region_that_is_hidden_changes_the_score(client, model, film, loaded, scan):
    target = loaded.card.labels[0]
    request = {"model": model, "film": film, "target": target, "box": [5, 10, 12, 9]}
    change = asked(client, "region", **request, cover="mean", places=9)
    (before,) = explain(loaded, scan, target)
    assert change["before"]["score"] == pytest.approx(before.score, abs=1e-5)
    assert change["after"]["score"] != change["before"]["score"]
    assert len(change["elsewhere"]) == 9
    assert 0 < change["share"] < 0.5
    runs = [10 * 30 + 5] + [12, 18] * 8 + [12]
    runs.append(40 * 30 - sum(runs))
    mask = " ".join(map(str, runs))
    same = asked(client, "region", **request | {"box": None}, mask=mask, cover="mean", places=0)
    assert (same["after"], same["elsewhere"]) == (change["after"], [])
    kept = asked(client, "region", **request, action="keep", places=0)
    assert kept["after"] != change["after"]


def test_a_label_may_be_a_sentence(client, model, film):
    reply = client.post("/api/maps", json={"model": model, "film": film, "target": "a " * 400})
    assert reply.json()["what"].startswith("unknown label")


@pytest.mark.parametrize(
    "region",
    [
        {"box": [500, 500, 5, 5]},
        {"box": [0, 0, 30, 40]},
        {"box": [5, 5, -3, 4]},
        {"box": [0, 0, 1e308, 1e308]},
        {"box": [1e308, 1e308, 1e308, 1e308]},
        {"box": None},
        {"mask": "1 2 3"},
        {"mask": "one"},
    ],
)
def test_a_region_that_is_none(client, model, film, region):
    request = {"model": model, "film": film, "target": "0"} | region
    reply = client.post("/api/region", json=request)
    assert (reply.status_code, reply.json()["code"]) == (400, "usage")


def events(client, job):
    with client.stream("GET", f"/api/jobs/{job}/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in reply.iter_lines() if line]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_long_work_is_followed_to_its_end(client, model, film, monkeypatch):
    monkeypatch.setattr(jobs, "INTERVAL", 0.0)  # an event a pass: on a busy machine some are missed
    request = {"model": model, "film": film, "target": "0"}
    curve = asked(client, "jobs", kind="curve", cells=3, **request)
    probe = asked(client, "jobs", kind="map", method="scorecam", **request)
    # Followed first and done last: it waits until somebody looks.
    occlusion = asked(client, "jobs", kind="occlusion", cells=6, **request)
    seen = {job["id"]: events(client, job["id"]) for job in (occlusion, curve, probe)}
    done = {number: of_job[-1] for number, of_job in seen.items()}
    assert [job["state"] for job in done.values()] == ["done"] * 3
    drop = done[occlusion["id"]]["result"]["drop"]
    assert np.shape(drop) == (6, 6)
    assert done[occlusion["id"]]["done"] == done[occlusion["id"]]["total"] == 37
    # The film as it is comes first, then the pass, row by row, as far as it has come.
    before = done[occlusion["id"]]["result"]["before"]["score"]
    passed = [before, *(before - np.ravel(drop))]
    for event in seen[occlusion["id"]]:
        np.testing.assert_allclose(event["scores"], passed[: len(event["scores"])], atol=1e-6)
    assert any(len(event["scores"]) > 1 for event in seen[occlusion["id"]])
    result = done[curve["id"]]["result"]
    assert result["shares"][0] == 0
    assert result["shares"][-1] == 1
    assert result["count"] == 3
    assert result["counts"][-1] == result["cells"]
    assert 3 in result["counts"]
    assert done[curve["id"]]["done"] == done[curve["id"]]["total"]
    assert len(result["random"]) == 5
    ends = {order[-1]["score"] for order in [result["hottest"], *result["random"]]}
    assert len(ends) == 1  # all is hidden at the end, whatever the order
    assert done[probe["id"]]["result"]["method"] == "scorecam"
    assert done[probe["id"]]["total"] >= done[probe["id"]]["done"] > 1
    listed = [job["id"] for job in client.get("/api/jobs").json()]
    assert set(listed) >= set(done)


def test_work_that_is_stopped_costs_itself_alone(app, client, model, film):
    request = {"model": model, "film": film, "target": "0", "kind": "occlusion", "cells": 32}
    first, second, third = (asked(client, "jobs", **request) for _ in range(3))
    jobs = app.state.workbench.jobs
    assert client.delete(f"/api/jobs/{third['id']}").json()["state"] == "cancelled"
    seen = first
    while not seen["done"]:
        seen = jobs.wait(first["id"], seen, 1)
    jobs._worker._process.kill()  # as a process that needs too much memory ends
    ended = events(client, first["id"])[-1]
    assert (ended["state"], ended["error"]["code"]) == ("failed", "cancelled")
    seen = second
    while not seen["done"]:
        seen = jobs.wait(second["id"], seen, 1)
    assert client.delete(f"/api/jobs/{second['id']}").json()["state"] == "cancelled"
    after = asked(client, "jobs", **request | {"cells": 2})
    assert events(client, after["id"])[-1]["state"] == "done"
    assert client.get(f"/api/jobs/{second['id']}").json()["state"] == "cancelled"
    assert client.get("/api/jobs/none").status_code == 404


def test_work_that_was_running_is_done_again(app, client, model, film):
    store = app.state.workbench.store
    request = {"model": model, "film": film, "target": "0", "cells": 2, "cover": "mean"}
    store.write(
        "INSERT INTO jobs (id, kind, request, state) VALUES ('left', 'occlusion', ?, 'running')",
        json.dumps(request),
    )
    before = app.state.workbench.jobs
    again = type(before)(store, before._worker, before._prepare, 5)
    app.state.workbench.jobs = again
    try:
        assert events(client, "left")[-1]["state"] == "done"
    finally:
        app.state.workbench.jobs = before
    again._closed = True


def test_a_signal_to_all_processes_loses_no_work_and_lets_go_of_who_follows_it(
    app, client, model, film
):
    store = app.state.workbench.store
    before = app.state.workbench.jobs
    worker = type(before._worker)(before._worker.models, "cpu")
    jobs = type(before)(store, worker, before._prepare, 5)
    request = {"model": model, "film": film, "target": "0", "cells": 32, "cover": "mean"}
    seen = jobs.add("occlusion", request)
    while not seen["done"]:
        seen = jobs.wait(seen["id"], seen, 1)
    os.kill(worker._process.pid, signal.SIGINT)
    app.state.workbench.jobs = jobs
    try:
        EndingServer(uvicorn.Config(app), jobs.end).handle_exit(signal.SIGTERM, None)
        events(client, seen["id"])  # ends, though the job does not
        assert worker._process.is_alive()
        jobs.close()
    finally:
        app.state.workbench.jobs = before
    (row,) = store.rows("SELECT state FROM jobs WHERE id = ?", seen["id"])
    assert row["state"] == "running"  # and is done again by the next server
    store.write("DELETE FROM jobs WHERE id = ?", seen["id"])


def test_a_queue_is_bounded(app, client, model, film):
    store = app.state.workbench.store
    for number in range(20):
        sql = "INSERT INTO jobs (id, kind, request, state) VALUES (?, 'map', '{}', 'running')"
        store.write(sql, f"waits{number}")
    try:
        reply = client.post(
            "/api/jobs", json={"model": model, "film": film, "target": "0", "kind": "curve"}
        )
        assert (reply.status_code, reply.json()["code"]) == (503, "busy")
    finally:
        store.write("DELETE FROM jobs WHERE id LIKE 'waits%'")


def test_finished_states():
    assert set(FINISHED) == {"done", "failed", "cancelled"}


def test_who_leaves_does_not_end_the_calls_of_others(app):
    """A reader that closes the page cancels its own waiting, not the receiving of results."""
    worker = app.state.workbench.worker
    left = worker.call("describe", model="none")
    left.cancel()
    with pytest.raises(WorkerError):
        worker.call("describe", model="none").result(timeout=60)


def test_the_process_of_the_models_ends_quietly_with_its_server(capsys):
    server, models = Pipe()
    server.send((0, "describe", {"model": "nothing"}))
    server.close()
    serve_calls(models, (), "cpu")  # neither raises nor prints
    assert capsys.readouterr() == ("", "")
