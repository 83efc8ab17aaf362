"""A selection of maps as a ZIP file: what is in it is what explain gives."""

import csv
import json
import zipfile
from io import BytesIO, StringIO

import numpy as np
import pytest

from camlucida.attribution.engine import explain
from camlucida.io import write_synthetic_png
from camlucida.models import load_model
from camlucida.phantom import image
from tests.web.conftest import png


@pytest.fixture
def model(client):
    return client.get("/api/models").json()[0]["id"]


@pytest.fixture
def loaded(small_run):
    return load_model(small_run.about["models"][0]["card"], device="cpu")


def test_the_file_has_pictures_maps_records_and_a_table(app, client, model, film, loaded):
    other = client.post("/api/films?name=b/../c.png", content=png(5)).json()["id"]
    labels = loaded.card.labels
    wanted = [
        {"model": model, "film": film, "target": labels[0]},
        {"model": model, "film": film, "target": labels[1], "method": "layercam"},
        {"model": model, "film": other, "target": labels[0]},
    ]
    reply = client.post("/api/export", json={"maps": wanted})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(BytesIO(reply.content))
    records = json.loads(archive.read("explanations.json"))
    films = [(each["film"], each["target"], each["method"]) for each in records]
    assert films[0] == ("a.png", labels[0], "gradcam")
    assert films[1] == ("a.png", labels[1], "layercam")
    assert len({each["folder"] for each in records}) == 2
    scan = loaded.read(app.state.workbench.films.film(film).path)
    (expected,) = explain(loaded, scan, labels[1], "layercam")
    files = {name: f"{records[1]['folder']}/{name}" for name in records[1]["files"].values()}
    assert set(archive.namelist()) >= set(files.values())
    maps = np.load(BytesIO(archive.read(files[records[1]["files"]["maps"]])))
    np.testing.assert_allclose(maps[records[1]["map_key"]], expected.raw, rtol=1e-4, atol=1e-6)
    assert archive.read(files[records[1]["files"]["figure"]]).startswith(b"\x89PNG")
    rows = list(csv.DictReader(StringIO(archive.read("explanations.csv").decode())))
    assert [row["target"] for row in rows] == [each["target"] for each in records]
    assert {row["notice"] for row in rows} == {"Research use only"}
    assert {row["synthetic_model"] for row in rows} == {"False"}
    assert float(rows[1]["score"]) == pytest.approx(expected.score, abs=1e-5)
    assert not any(name.startswith("/") or ".." in name.split("/") for name in archive.namelist())
    assert str(app.state.workbench.settings.state) not in archive.read("explanations.json").decode()


def test_what_is_synthetic_is_said(client, app, tmp_path):
    """Of a drawn film, and of a packaged model, which saw drawn films alone."""
    write_synthetic_png(tmp_path / "drawn.png", image(3, size=64))
    film = client.post("/api/films", content=(tmp_path / "drawn.png").read_bytes()).json()["id"]
    model = next(entry for entry in app.state.workbench.settings.models if "honest" in entry.id)
    request = {"model": model.id, "film": film, "target": "0"}
    reply = client.post("/api/export", json={"maps": [request]})
    (record,) = json.loads(zipfile.ZipFile(BytesIO(reply.content)).read("explanations.json"))
    assert record["synthetic_model"]
    assert record["notice"] == "Research use only · SYNTHETIC image"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"method": "scorecam"}, 400, "usage"),
        ({"film": "nothing"}, 404, "not_found"),
        ({"target": "nothing"}, 400, "unknown_target"),
        ({"folder": "/etc"}, 400, "usage"),
    ],
)
def test_a_wrong_selection_is_one_line(client, model, film, change, status, code):
    request = {"model": model, "film": film, "target": "0"} | change
    reply = client.post("/api/export", json={"maps": [request]})
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text


def test_nothing_selected(client):
    assert client.post("/api/export", json={"maps": []}).status_code == 400
