"""No text for a client names a folder of this machine."""

import json

import pytest

from camlucida.web.folders import folders_of, without_folders

KEPT = [
    "see GET /api/jobs",
    "open http://127.0.0.1:8321/open?token=a",
    "images/a.png is empty, and/or damaged",
    "a share of 1 / 2, of 3/4",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_folder_stays(text):
    assert without_folders(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read '/data/a/b.png'", "cannot read 'b.png'"),
        ("~/models/card.toml: no weights", "card.toml: no weights"),
        (r"C:\Users\anna\card.toml is none", "card.toml is none"),
        ("PosixPath('/data/a')", "PosixPath('a')"),
        ("/my films/a b.png is gone", "a b.png is gone"),
    ],
)
def test_files_keep_their_names_alone(text, expected):
    assert without_folders(text, ["/my films"]) == expected


def answers(client, run):
    """Texts of what the server says without a wrong request, and of wrong ones."""
    paths = ["films", "models", "methods", "jobs", "runs", "study", f"runs/{run}"]
    paths += [f"runs/{run}/cases", f"runs/{run}/cases/0", f"runs/{run}/review?reader=a"]
    yield from (client.get(f"/api/{path}").text for path in paths)
    for model in client.get("/api/models").json():
        yield client.get(f"/api/models/{model['id']}").text
    yield client.get("/api/films/nothing").text
    for name in ("damaged.png", "damaged.dcm", "damaged.nii"):
        yield client.post(f"/api/films?name={name}", content=b"\x89PNG" + b"DICM" * 40).text


def test_no_answer_names_a_folder(app, client):
    (run,) = app.state.workbench.runs
    folders = folders_of(app.state.workbench.settings)
    assert len(folders) > 2
    for text in answers(client, run):
        assert not [folder for folder in folders if folder in json.dumps(json.loads(text))]


def test_a_card_that_is_gone_is_named_without_its_folder(app, client, film, monkeypatch):
    """The error is one of the models' process."""
    worker = app.state.workbench.worker
    seen = worker.call("cases", run="/srv/people/run", numbers=[0], write=["mask"], path="/tmp/a")
    error = seen.exception(timeout=60)
    assert "run" in str(error)
    assert "/srv" not in str(error)
