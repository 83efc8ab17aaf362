"""One server of the suite's process, with the small run, its model, and a film."""

import socket
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from camlucida.web.app import create_app, guarded
from camlucida.web.serve import settings_of
from camlucida.web.settings import Limits, ModelEntry
from tests.support.volumes import write_volume_model


def free_port():
    """A port that nothing uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


PORT = free_port()
ADDRESS = f"http://127.0.0.1:{PORT}"
ORIGIN = {"origin": ADDRESS}


def png(seed=0, size=(40, 30)):
    """The bytes of a film of noise."""
    grey = np.random.default_rng(seed).integers(0, 255, size, np.uint8)
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return buffer.getvalue()


def settings(small_run, state, **changes):
    """Of a server that is started with the small run."""
    given = {"host": "127.0.0.1", "port": PORT, "device": "cpu", "show_phi": False}
    made = settings_of([str(small_run.folder.root)], [], state, **given)
    limits = Limits(film=2**20, disk=2**21, seconds=30)
    return type(made)(**{**vars(made), "limits": limits, **changes})


@pytest.fixture(scope="session")
def app(small_run, tmp_path_factory):
    """The application, with its processes, for all tests; its last model is one of volumes."""
    of_run = settings(small_run, tmp_path_factory.mktemp("state"))
    card = write_volume_model(tmp_path_factory.mktemp("model"))
    models = (*of_run.models, ModelEntry("volumes", "volumes", str(card)))
    made = create_app(replace(of_run, models=models))
    yield made
    made.state.workbench.close()


@pytest.fixture
def stranger(app):
    """A client that has no cookie."""
    return TestClient(guarded(app), base_url=ADDRESS, follow_redirects=False)


@pytest.fixture
def client(app, stranger):
    """A browser that opened the one-time address, with the origin of its pages."""
    token = app.state.workbench.sessions.new_token()
    assert stranger.get(f"/open?token={token}").status_code == 303
    stranger.headers.update(ORIGIN)
    return stranger


@pytest.fixture
def film(client):
    """The identifier of a film that was given."""
    reply = client.post("/api/films?name=a.png", content=png())
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]
