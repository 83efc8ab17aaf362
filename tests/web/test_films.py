"""Films that are given: kept under the server's names, decoded apart, refused in one line."""

import base64
import json
import random
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file
from starlette.testclient import TestClient

from camlucida.io.grey_levels import grey_levels
from camlucida.io.image import RawImage
from camlucida.io.read import read_image
from camlucida.report.viewer.data import decoded_film_data
from camlucida.report.viewer.encode import encode_samples
from camlucida.web.app import create_app, guarded
from camlucida.web.settings import Limits
from tests.support.fuzz import _dicom_files, _pictures, damaged
from tests.web.conftest import ORIGIN, png, settings


def test_a_film_is_given_shown_and_removed(client, film):
    listed = {each["id"]: each for each in client.get("/api/films").json()}
    assert (listed[film]["name"], listed[film]["size"], listed[film]["given"]) == (
        "a.png",
        [40, 30],
        True,
    )
    shown = client.get(f"/api/films/{film}").json()
    assert (shown["film"]["height"], shown["film"]["width"], shown["synthetic"]) == (40, 30, False)
    assert len(zlib.decompress(base64.b64decode(shown["film"]["data"]))) == 40 * (30 + 1)
    assert client.delete(f"/api/films/{film}").status_code == 204
    assert client.get(f"/api/films/{film}").json()["code"] == "not_found"
    assert client.delete(f"/api/films/{film}").status_code == 404


def test_a_film_with_letters_is_warned_of(client):
    film = Image.new("L", (160, 160), 40)
    ImageDraw.Draw(film).text((20, 60), "MEIER", fill=255, font_size=20)
    buffer = BytesIO()
    film.save(buffer, "PNG")
    given = client.post("/api/films?name=letters.png", content=buffer.getvalue()).json()
    assert given["letters"] is True
    (note,) = client.get(f"/api/films/{given['id']}").json()["notes"]
    assert note.startswith("letters seem to be burned into the film")


def test_a_film_that_is_given_again_has_the_name_of_today(client, film):
    again = client.post("/api/films?name=b.png", content=png()).json()
    assert (again["id"], again["name"]) == (film, "b.png")


def test_a_film_of_16_bits_keeps_them(client):
    grey = np.arange(48, dtype=np.uint16).reshape(6, 8) + 30_000  # 8 bits have one grey for all
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    film = client.post("/api/films?name=deep.png", content=buffer.getvalue()).json()["id"]
    shown = client.get(f"/api/films/{film}").json()["film"]
    assert (shown["bits"], shown["window"]) == (16, [0, 65535])
    assert shown["data"] == encode_samples(grey)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_a_dicom_film_begins_as_its_display(name):
    image = read_image(get_testdata_file(name))
    film = decoded_film_data(image, "a")
    low, high = film["window"]
    assert film["bits"] == 16
    samples = grey_levels(image).samples.astype(float)
    shown = np.clip((samples - low) / (high - low), 0, 1) * 255
    assert np.abs(shown - image.display).max() <= 1.01
    assert film["data"] == encode_samples(grey_levels(image).samples)


def test_a_display_that_is_no_window_is_given_itself():
    grey = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    sigmoid = (1 / (1 + np.exp(-8 * (grey - 0.5)))).astype(np.float32)
    display = np.rint(255 * sigmoid).astype(np.uint8)
    film = decoded_film_data(RawImage(grey, display, "a", sigmoid, {"bits": 12}), "a")
    assert film["window"] == [0, 65535]
    assert film["data"] == encode_samples(np.rint(65535 * sigmoid.astype(float)).astype(np.uint16))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.png", "a.png"),
        ("\x00\n\u202e", "film"),
        ("x" * 400, "x" * 120),
    ],
)
def test_a_name_is_for_people_alone(client, app, name, shown):
    reply = client.post("/api/films", params={"name": name}, content=png(len(name)))
    assert reply.json()["name"] == shown
    given = app.state.workbench.settings.state / "films" / "given"
    assert all(path.name.isalnum() for path in given.iterdir())
    client.delete(f"/api/films/{reply.json()['id']}")


@pytest.mark.parametrize("id", ["%2e%2e", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "source"])
def test_no_path_of_a_client_is_opened(client, id):
    assert client.get(f"/api/films/{id}").status_code == 404
    assert client.get(f"/static/{id}").status_code == 404


def test_what_is_no_film_is_one_line(client):
    for body, words in [(b"", "empty"), (b"%PDF-1.4", "PDF"), (png()[:60], "damaged")]:
        reply = client.post("/api/films?name=b.png", content=body)
        assert (reply.status_code, reply.json()["code"]) == (422, "image")
        assert words in f"{reply.json()['what']} {reply.json()['fix']}"
        assert "/" not in reply.json()["what"]  # no path of the server
        assert "\n" not in reply.json()["what"]


def test_no_damaged_file_stops_the_server(client, tmp_path):
    whole = [path for kind in (_pictures, _dicom_files) for path, _ in kind(tmp_path)]
    for number, path in enumerate(whole * 2):
        body = damaged(path.read_bytes(), random.Random(number))
        reply = client.post("/api/films?name=damaged", content=body)
        assert reply.status_code in (201, 413, 422, 507), reply.text
        if reply.status_code == 201:
            client.delete(f"/api/films/{reply.json()['id']}")
    assert client.post("/api/films?name=good.png", content=png(3)).status_code == 201


def test_films_have_limits(client, app):
    assert client.post("/api/films", content=b"0" * (2**20 + 1)).status_code == 413
    workbench = app.state.workbench
    workbench.store.write("INSERT INTO films VALUES ('full', 'x', ?, '{}', '')", 2**21)
    try:
        reply = client.post("/api/films", content=png(4))
        assert (reply.status_code, reply.json()["code"]) == (507, "disk_limit")
    finally:
        workbench.store.write("DELETE FROM films WHERE id = 'full'")


def test_patients_are_shown_to_who_asks_alone(small_run, tmp_path):
    body = Path(get_testdata_file("CT_small.dcm")).read_bytes()
    for show in (True, False):  # what an earlier server was allowed to read is not sent either
        app = create_app(settings(small_run, tmp_path, show_phi=show))
        with TestClient(guarded(app), base_url=ORIGIN["origin"], headers=ORIGIN) as client:
            client.get(f"/open?token={app.state.workbench.sessions.new_token()}")
            given = client.post("/api/films?name=ct.dcm", content=body)
            shown = client.get(f"/api/films/{given.json()['id']}")
            for reply in (given, shown, client.get("/api/films")):
                assert ("CompressedSamples" in reply.text) is show


def test_a_film_outlives_the_server(small_run, tmp_path):
    for visit in (1, 2):
        app = create_app(settings(small_run, tmp_path, limits=Limits(cache=0)))
        with TestClient(guarded(app), base_url=ORIGIN["origin"], headers=ORIGIN) as client:
            client.get(f"/open?token={app.state.workbench.sessions.new_token()}")
            if visit == 1:
                film = client.post("/api/films?name=a.png", content=png()).json()["id"]
                client.post("/api/films?name=b.png", content=png(5))  # the cache holds one
            assert client.get(f"/api/films/{film}").json()["film"]["width"] == 30


def test_the_interface_is_described(client):
    document = client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.")
    described = [
        (path, verb)
        for path, verbs in document["paths"].items()
        for verb in verbs
        if not verbs[verb].get("description")
    ]
    assert described == []
    assert "/api/maps" in json.dumps(document)
