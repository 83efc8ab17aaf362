"""Files that are taken away: maps as ZIP are what explain gives; the report is that of report."""

import csv
import json
import os
import zipfile
from io import BytesIO, StringIO
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from camlucida.attribution.engine import explain
from camlucida.core.files import slug
from camlucida.io import write_synthetic_png
from camlucida.models import load_model
from camlucida.phantom import image
from camlucida.web import export
from camlucida.web.calls import CALLS
from camlucida.web.errors import NotFoundError
from camlucida.web.inference import Inference
from camlucida.web.job_files import KEPT, JobFiles
from tests.web.conftest import png


@pytest.fixture
def model(client):
    return client.get("/api/models").json()[0]["id"]


@pytest.fixture
def loaded(small_run):
    return load_model(small_run.about["models"][0]["card"], device="cpu")


def saved(app, client, **request):
    """The file of a job, and the job, when it is done."""
    reply = client.post("/api/jobs", json=request)
    assert reply.status_code == 202, reply.text
    job = reply.json()
    while job["state"] in ("queued", "running"):
        job = app.state.workbench.jobs.wait(job["id"], job, 30)
    return client.get(f"/api/jobs/{job['id']}/file"), job


def test_the_file_has_pictures_maps_records_and_a_table(app, client, model, film, loaded):
    other = client.post("/api/films?name=b/../c.png", content=png(5)).json()["id"]
    labels = loaded.card.labels
    wanted = [
        {"model": model, "film": film, "target": labels[0]},
        {"model": model, "film": film, "target": labels[1], "method": "layercam"},
        {"model": model, "film": other, "target": labels[0]},
    ]
    reply, job = saved(app, client, kind="export", maps=wanted)
    assert reply.status_code == 200, job
    assert "camlucida.zip" in reply.headers["content-disposition"]
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


KINDS = ("overlay", "heatmap", "figure", "strip", "map", "mask")


def test_the_kinds_of_explain_are_in_the_file_where_they_are_wanted(
    app, client, model, film, loaded
):
    maps = [{"model": model, "film": film, "target": label} for label in loaded.card.labels[:2]]
    reply, _ = saved(app, client, kind="export", maps=maps, write=KINDS)
    names = zipfile.ZipFile(BytesIO(reply.content)).namelist()
    assert {kind: sum(f"_{kind}." in name for name in names) for kind in KINDS} == {
        **dict.fromkeys(KINDS, 2),
        "strip": 1,
    }
    reply, _ = saved(app, client, kind="export", maps=maps, write=["mask"])
    names = zipfile.ZipFile(BytesIO(reply.content)).namelist()
    assert sum("_mask.png" in name for name in names) == 2
    assert not any(f"_{kind}." in name for kind in KINDS if kind != "mask" for name in names)


def picture(reply):
    assert reply.status_code == 200, reply.text
    return Image.open(BytesIO(reply.content))


def test_one_map_is_one_annotated_picture(app, client, model, film, loaded):
    request = {"model": model, "film": film, "target": loaded.card.labels[0], "method": "layercam"}
    reply, job = saved(app, client, kind="figure", **request)
    assert job["result"]["name"] == f"a.png_{loaded.card.labels[0]}_layercam.png"
    width, height = picture(reply).size
    assert width > 1.5 * height  # film, map and overlay side by side


def test_a_stored_map_is_one_annotated_picture(client, small_run):
    (run,) = client.get("/api/runs").json()
    reply = client.get(f"/api/runs/{run['id']}/cases/0/figure.png")
    row = small_run.explanations().iloc[0]
    name = unquote(reply.headers["content-disposition"].partition("''")[2])
    assert name == "_".join(slug(str(row[of])) for of in ("image", "target", "method")) + ".png"
    width, height = picture(reply).size
    assert width > 1.5 * height
    assert client.get(f"/api/runs/{run['id']}/cases/9999/figure.png").status_code == 404


def test_what_is_synthetic_is_said(client, app, tmp_path):
    """Of a drawn film, and of a packaged model, which saw drawn films alone."""
    write_synthetic_png(tmp_path / "drawn.png", image(3, size=64))
    film = client.post("/api/films", content=(tmp_path / "drawn.png").read_bytes()).json()["id"]
    model = next(entry for entry in app.state.workbench.settings.models if "honest" in entry.id)
    request = {"model": model.id, "film": film, "target": "0"}
    reply, _ = saved(app, client, kind="export", maps=[request])
    (record,) = json.loads(zipfile.ZipFile(BytesIO(reply.content)).read("explanations.json"))
    assert record["synthetic_model"]
    assert record["notice"] == "Research use only · SYNTHETIC image"


def test_every_prediction_is_in_the_file_and_slow_methods_are(app, client, model, film, loaded):
    request = {"model": model, "film": film, "target": loaded.card.labels[0]}
    reply, _ = saved(app, client, kind="export", maps=[request | {"method": "scorecam"}])
    archive = zipfile.ZipFile(BytesIO(reply.content))
    rows = list(csv.DictReader(StringIO(archive.read("predictions.csv").decode())))
    shown = client.get(f"/api/models/{model}/findings/{film}").json()["findings"]
    assert [row["target"] for row in rows] == [each["target"] for each in shown]
    assert float(rows[0]["probability"]) == pytest.approx(shown[0]["probability"], abs=1e-5)
    (record,) = json.loads(archive.read("explanations.json"))
    assert (record["method"], record["image_sha256"]) == ("scorecam", rows[0]["image_sha256"])


def test_the_stored_maps_of_cases_with_their_rows(app, small_run, tmp_path):
    (run,) = app.state.workbench.runs
    files = JobFiles(tmp_path / "files", app.state.workbench.runs, app.state.workbench.films)
    request = {"run": run, "where": ["method=gradcam"], "sort": "probability", "descending": True}
    request["write"] = ["figure"]
    arguments = files.arguments("a", "cases", request)
    assert CALLS["cases"](Inference(()), **arguments) == {"name": "camlucida.zip"}
    archive = zipfile.ZipFile(files.file("a"))
    rows = list(csv.DictReader(StringIO(archive.read("cases.csv").decode())))
    stored = small_run.explanations()
    assert len(rows) == (stored["method"] == "gradcam").sum()
    probabilities = [float(row["probability"]) for row in rows if row["probability"]]
    assert probabilities == sorted(probabilities, reverse=True)
    records = json.loads(archive.read("explanations.json"))
    assert len(records) == len(rows)
    record, row = records[0], rows[0]
    predicted = list(csv.DictReader(StringIO(archive.read("predictions.csv").decode())))
    assert len(predicted) == len(small_run.predictions())
    assert predicted[0]["image_sha256"] == record["image_sha256"]
    assert record["image_sha256"] == stored["image_sha256"][int(row["case_id"])]
    maps = np.load(BytesIO(archive.read(f"{record['folder']}/{record['files']['maps']}")))
    (expected,) = small_run.raw([int(row["case_id"])])
    np.testing.assert_array_equal(maps[record["map_key"]], expected)


@pytest.mark.parametrize(
    ("stored", "score", "kind"),
    [
        ({"logit": -1.5, "probability": 0.18}, -1.5, "logit"),
        ({"probability": 0.18}, 0.18, "probability"),  # a model without logits, or a region
        ({"value": 61.0}, 61.0, "value"),
        ({"area": 0.0}, None, None),  # a region that is empty
    ],
)
def test_a_stored_prediction_has_the_score_of_its_task(stored, score, kind):
    nothing = dict.fromkeys(("logit", "value", "probability"), float("nan"))
    row = export._prediction({"label": "nodule", **nothing, **stored})
    assert (row["target"], row["score"], row["score_kind"]) == ("nodule", score, kind)


def test_stored_predictions_have_the_scores_of_their_maps(small_run):
    maps = small_run.explanations()
    image, model = maps["image"].iloc[0], maps["model"].iloc[0]
    of_label = {row["target"]: row for row in export._predicted(small_run, image, model)}
    of_image = maps[(maps["image"] == image) & maps["target_label"].notna()]
    assert len(of_image)
    for row in of_image.to_dict("records"):
        predicted = of_label[row["target_label"]]
        assert predicted["score_kind"] == row["score_kind"]
        assert predicted["score"] == pytest.approx(row["score"], abs=1e-5)


def test_the_report_of_a_run(app, small_run, tmp_path, monkeypatch):
    def write_report(runs, folder):
        (folder / "report.html").write_text(f"report of {runs[0]}")
        return folder / "report.html", ()

    monkeypatch.setattr("camlucida.workflows.report.write_report", write_report)
    (run,) = app.state.workbench.runs
    files = JobFiles(tmp_path / "files", app.state.workbench.runs, app.state.workbench.films)
    assert CALLS["report"](Inference(()), **files.arguments("a", "report", {"run": run})) == {
        "name": "report.html"
    }
    assert files.file("a").read_text() == f"report of {small_run.folder.root}"


def test_a_job_that_cannot_be_prepared_costs_itself_alone(app):
    jobs = app.state.workbench.jobs
    job = jobs.add("export", {"of": "an earlier version"})
    other = jobs.add("report", {"run": "none"})
    for each in (job, other):
        while each["state"] in ("queued", "running"):
            each = jobs.wait(each["id"], each, 10)
        assert each["state"] == "failed"
        assert each["error"]["fix"]


def test_what_an_ended_job_left_is_removed(app, tmp_path):
    files = JobFiles(tmp_path / "files", app.state.workbench.runs, app.state.workbench.films)
    left = tmp_path / "files/unfinished-1"
    left.mkdir()
    (left / "film.png").write_bytes(b"a film")
    files.arguments("1", "export", {"maps": [], "write": []})
    assert not left.exists()


def test_the_last_files_are_kept(app, tmp_path):
    (run,) = app.state.workbench.runs
    files = JobFiles(tmp_path / "files", app.state.workbench.runs, app.state.workbench.films)
    for number in range(KEPT + 2):
        path = Path(files.arguments(str(number), "report", {"run": run})["path"])
        path.touch()
        os.utime(path, (number, number))
    assert len(list((tmp_path / "files").iterdir())) == KEPT
    with pytest.raises(NotFoundError, match="not there"):
        files.file("0")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"kind": "export", "maps": []}, 400),
        ({"kind": "export", "maps": [{"model": "a", "film": "nothing", "target": "0"}]}, 404),
        ({"kind": "cases", "run": "nothing"}, 404),
        ({"kind": "report", "run": "nothing"}, 404),
        ({"kind": "cases", "run": "a", "write": ["poster"]}, 400),
        ({"kind": "figure", "model": "a", "film": "nothing", "target": "0"}, 404),
        ({"kind": "report", "run": "a", "folder": "/etc"}, 400),
    ],
)
def test_a_wrong_request_is_one_line(client, request_, status):
    reply = client.post("/api/jobs", json=request_)
    assert reply.status_code == status, reply.text
    assert reply.json()["what"]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("export", {"target": "nothing"}),
        ("cases", {"where": ["nothing=1"]}),
    ],
)
def test_a_job_that_fails_has_no_file(app, client, model, film, kind, change):
    (run,) = app.state.workbench.runs
    request = {"model": model, "film": film, "target": "0"} | change
    wanted = {"maps": [request]} if kind == "export" else {"run": run, **change}
    reply, job = saved(app, client, kind=kind, **wanted)
    assert (job["state"], reply.status_code) == ("failed", 404)
    assert job["error"]["what"]
