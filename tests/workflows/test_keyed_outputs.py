"""What is made of a keyed run beyond its folder names nobody: stores, servers, archives, shards."""

import json
import shutil
import socket
import subprocess
import sys
import urllib.request

import fsspec
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from camlucida.io.dicom.patients import case_name
from camlucida.io.storage import copy_path
from camlucida.runs import Run
from camlucida.web.app import create_app, guarded
from camlucida.web.serve import settings_of
from tests.support.command_line import run_once
from tests.support.figures import blank
from tests.support.leaks import NAME, PLANTED, TABLE, files, leaks, plant_films, texts_of, words_in
from tests.support.models_on_disk import write_model
from tests.support.storage import names_at

WORDS = (*PLANTED, *TABLE, NAME, "Meier Max")
COHORT = f"""
images = "{NAME}_films"
table = "{NAME}_labels.csv"
masks = "{NAME}_masks"
model = "card.toml"
[explain]
target = "Nodule"
"""
LABELS = f"""image,patient,Nodule,Mass
{NAME}_1,Meier Max,1,0
{NAME}_2,Meier Max,0,
{NAME}_3,Huber Anna,1,0
{NAME}_4,Huber Anna,1,0
{NAME}_5,Huber Ida,0,1
"""
PORT = 8329
ADDRESS = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    plant_films(folder / f"{NAME}_films")
    write_model(folder)
    (folder / f"{NAME}_masks").mkdir()
    mask = np.zeros((128, 128), np.uint8)
    mask[30:60, 30:60] = 255
    Image.fromarray(mask).save(folder / f"{NAME}_masks/{NAME}_3.png")
    (folder / f"{NAME}_labels.csv").write_text(LABELS)
    (folder / f"{NAME}.toml").write_text(COHORT)
    return folder


@pytest.fixture(scope="module")
def keyed(project, tmp_path_factory):
    """The folder of a keyed run."""
    out = tmp_path_factory.mktemp("keyed") / NAME / "run"
    assert run_once(project, "run", f"{NAME}.toml", "--out", out, "--deidentify").code == 1
    return out


def said_nothing(project, *results):
    """Whether commands printed no planted word."""
    text = "".join(done.out + done.err for done in results)
    return words_in(text, (*WORDS, str(project))) == []


def test_shards_and_what_they_are_merged_to(project, tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.runs.run.PART", 2)
    shards = [
        run_once(
            *(project, "run", f"{NAME}.toml", "--out", tmp_path / "shards"),
            *("--shard", f"{index}/2", "--deidentify"),
        )
        for index in (1, 2)
    ]
    merged = run_once(project, "merge", tmp_path / "shards", "--out", tmp_path / "whole")
    assert merged.code == 1, merged  # one film is damaged
    assert said_nothing(project, *shards, merged)
    assert leaks(tmp_path, (*WORDS, str(project))) == []
    assert Run.open(tmp_path / "whole").about["deidentified"]


def test_a_run_in_a_store_and_its_copy(project, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address = "memory://bucket/keyed"
    store = fsspec.filesystem("memory")
    done = run_once(project, "run", f"{NAME}.toml", "--out", address, "--deidentify")
    try:
        names = names_at(address)
        contents = [texts_of(name, store.cat_file(f"{address}/{name}")) for name in names]
    finally:
        store.store.clear()
    assert {"run.json", "ledger.sqlite", "cohort.parquet"} <= names
    assert words_in("\n".join([*names, *contents]), (*WORDS, str(project))) == []
    assert files(copy_path(address, "runs"))
    assert leaks(tmp_path, (*WORDS, str(project))) == []
    assert said_nothing(project, done)


def test_the_store_of_mlflow(project, keyed, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run = shutil.copytree(keyed, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        blank(patch)
        reported = run_once(project, "report", run, "--format", "html")
    uri = (tmp_path / "store").as_uri()
    logged = run_once(project, "log", "mlflow", run, "--tracking-uri", uri)
    assert (reported.code, logged.code) == (0, 0), logged
    kinds = {path.suffix for path in files(tmp_path / "store")}
    assert {".yaml", ".html", ".json"} <= kinds
    assert leaks(tmp_path / "store", (*WORDS, str(project))) == []
    assert said_nothing(project, reported, logged)


@pytest.fixture(scope="module")
def app(keyed, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    given = {"host": "127.0.0.1", "port": PORT, "device": "cpu", "show_phi": False}
    app = create_app(settings_of([str(keyed)], [], state, **given))
    yield app
    app.state.workbench.close()


@pytest.fixture(scope="module")
def client(app):
    client = TestClient(guarded(app), base_url=ADDRESS, headers={"origin": ADDRESS})
    client.get(f"/open?token={app.state.workbench.sessions.new_token()}")
    return client


@pytest.fixture(scope="module")
def done_jobs(app, client, keyed):
    """The jobs of every kind that makes a file, when they have ended."""
    (run,) = app.state.workbench.runs
    case = client.get(f"/api/runs/{run}/cases/0").json()
    maps = [{"model": case["model"], "film": case["film"], "target": "Nodule"}]
    requests = [{"kind": "export", "maps": maps}, {"kind": "cases", "run": run}]
    requests.append({"kind": "report", "run": run})
    jobs = []
    for request in requests:
        jobs.append(waited(app, client.post("/api/jobs", json=request).json()))
    return jobs


def test_archives_and_the_report_of_the_workbench(client, done_jobs):
    assert [job["state"] for job in done_jobs] == ["done"] * 3, done_jobs
    for job in done_jobs:
        reply = client.get(f"/api/jobs/{job['id']}/file")
        name = reply.headers["content-disposition"].rpartition("=")[2].strip('"')
        assert words_in(texts_of(name, reply.content), WORDS) == []


def test_no_reply_of_the_server_names_anybody(app, client, done_jobs):
    """Every address of the OpenAPI document that can be read."""
    (run,) = app.state.workbench.runs
    (model, *_) = client.get("/api/models").json()
    film = client.get(f"/api/runs/{run}/cases/0").json()["film"]
    values = {
        "run": run,
        "model": model["id"],
        "film": film,
        "other": film,
        "number": 0,
        "job": done_jobs[0]["id"],
    }
    values |= {"x": "score", "reader": "r"}
    paths = client.get("/api/openapi.json").json()["paths"]
    read = {path: each["get"] for path, each in paths.items() if "get" in each}
    del read["/api/jobs/{job}/events"]  # ends with the job
    codes = {}
    for path, operation in read.items():
        needed = [each for each in operation.get("parameters", ()) if each["required"]]
        query = {each["name"]: values[each["name"]] for each in needed if each["in"] == "query"}
        reply = client.get(path.format(**values), params=query)
        codes[path] = reply.status_code
        name = f"reply.{'zip' if reply.content.startswith(b'PK') else 'txt'}"
        texts = f"{reply.headers} {texts_of(name, reply.content)}"
        assert words_in(texts, WORDS) == [], path
    of_study = {path for path in codes if path.startswith("/api/study/")}  # it is of no study
    assert {code for path, code in codes.items() if path not in of_study} == {200}, codes


def waited(app, job):
    """A job when it has ended."""
    while job["state"] in ("queued", "running"):
        job = app.state.workbench.jobs.wait(job["id"], job, 30)
    return job


def test_a_job_that_fails_or_is_stopped_names_nobody(app, client, done_jobs, keyed, monkeypatch):
    """In its reply, and in what the server keeps of it to go on after a restart."""
    (run,) = app.state.workbench.runs
    jobs = app.state.workbench.jobs
    gone = client.post("/api/jobs", json={"kind": "report", "run": run}).json()
    assert client.delete(f"/api/jobs/{gone['id']}").json()["state"] == "cancelled"
    with monkeypatch.context() as patch:
        words = f"{NAME}_1.dcm cannot be read"
        patch.setattr(jobs, "_prepare", lambda *given: (_ for _ in ()).throw(OSError(words)))
        failed = waited(app, client.post("/api/jobs", json={"kind": "cases", "run": run}).json())
    assert failed["state"] == "failed"
    replies = [client.get(f"/api/jobs/{job['id']}").text for job in (gone, failed)]
    assert words_in("".join(replies), WORDS) == []
    assert leaks(app.state.workbench.settings.state, WORDS) == []


def test_the_state_of_the_widget_in_a_notebook_names_nobody(keyed):
    pytest.importorskip("anywidget")
    shown = Run.open(keyed).explanation(0).show()
    state = json.dumps(shown.get_state(["cases", "words"]))
    assert case_name(f"{NAME}_1") in state
    assert words_in(f"{state} {shown._repr_mimebundle_()}", WORDS) == []


def test_the_folder_of_the_server_names_nobody(app, done_jobs):
    state = app.state.workbench.settings.state
    assert {".sqlite", ".npy"} <= {path.suffix for path in files(state)}, files(state)
    written = files(state / "files")  # also of a job that was ended, until the next one begins
    assert any(path.read_bytes().startswith(b"PK") for path in written)
    assert leaks(state, WORDS) == []


def test_the_server_prints_and_logs_no_name(keyed, tmp_path):
    """Also not where a film can no longer be read, which is an error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "camlucida", "serve", str(keyed), "--no-browser"]
    command += ["--port", str(port), "--state", str(tmp_path / "state")]
    with (
        (tmp_path / "out").open("w") as out,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, text=True) as server,
    ):
        try:
            lines = [server.stdout.readline() for _ in range(3)]
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            opener.open(lines[1].removeprefix("open once: ").strip()).close()
            for address in ("runs", "runs/run/cases", "runs/run/cases/0/thumbnail.png"):
                opener.open(f"http://127.0.0.1:{port}/api/{address}").close()
        finally:
            server.terminate()
            lines.append(server.stdout.read())
            server.wait(20)
    assert words_in("".join(lines), WORDS) == []
    assert leaks(tmp_path, WORDS) == []


def test_nothing_is_left_in_the_folder_for_temporary_files(project, tmp_path, monkeypatch):
    import tempfile

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    done = run_once(project, "run", f"{NAME}.toml", "--out", tmp_path / "run", "--deidentify")
    assert done.code == 1
    assert leaks(tmp_path, (*WORDS, str(project))) == []
