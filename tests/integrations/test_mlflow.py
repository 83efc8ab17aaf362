"""``camlucida log mlflow`` with the real client, into a store of files."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Estimate, named
from camlucida.integrations.mlflow import CONTENT, log_run, metric_values
from camlucida.report.passport.checks import Check
from camlucida.runs import Run
from camlucida.runs.content_hash import content_hash
from camlucida.workflows.passport import passports
from tests.cli.test_cli import run


@pytest.fixture(scope="module")
def mlflow():
    return pytest.importorskip("mlflow", reason="logging needs pip install '.[mlflow]'")


@pytest.fixture
def folder(small_run, tmp_path):
    shutil.copytree(small_run.folder.root, tmp_path / "r")
    return tmp_path / "r"


def test_a_run_is_logged_once(mlflow, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "store").as_uri()
    assert run("report", str(folder), "--sections", "data", "--format", "html", "md") == 0
    capsys.readouterr()
    arguments = ("log", "mlflow", str(folder), "--tracking-uri", uri, "--experiment", "films")
    assert run(*arguments) == 0
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("films").experiment_id
    (logged,) = client.search_runs([experiment])
    assert logged.info.status == "FINISHED"
    assert logged.data.tags[CONTENT] == content_hash(Run.open(folder).folder)
    assert logged.data.tags["camlucida.use"] == "research use only"
    assert logged.data.params["images"] == "6"
    artefacts = [key for key in logged.data.metrics if key.startswith("artefact/")]
    assert artefacts
    for key in artefacts:
        assert 0 <= logged.data.metrics[key] <= 1
    top = {each.path for each in client.list_artifacts(logged.info.run_id)}
    assert top == {"run.json", "report"}
    pages = client.list_artifacts(logged.info.run_id, "report")
    assert [each.path for each in pages] == ["report/report.html", "report/report.md"]
    stored = client.download_artifacts(logged.info.run_id, "report", str(tmp_path))
    page = Path(stored, "report.html").read_bytes()
    assert page == (folder / "report/report.html").read_bytes()
    assert b"research use only" in page.lower()
    assert run(*arguments) == 0
    assert "has these results already" in capsys.readouterr().out
    assert len(client.search_runs([experiment])) == 1


def test_keys_have_interval_and_chance():
    value = Estimate(0.3, 0.2, 0.4, 0.0)
    check = Check("metric", "road probability", named("x"), "a at b.c", value, named("y"), 9, "m")
    key = "metric/road_probability/a_at_b.c"
    assert metric_values([check]) == {
        key: 0.3,
        f"{key}_low": 0.2,
        f"{key}_high": 0.4,
        f"{key}_chance": 0.0,
    }


def test_without_mlflow_one_line_says_so(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(CamlucidaError, match=r"needs MLflow \(pip install"):
        log_run(Run.open(folder), None)


def test_a_store_that_is_refused_is_one_line(mlflow, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    uri = (tmp_path / "store").as_uri()
    assert run("log", "mlflow", str(folder), "--tracking-uri", uri) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_was_interrupted_is_logged_again(mlflow, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "store").as_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_artifact", broken)
        with pytest.raises(CamlucidaError, match="MLflow: the line is gone"):
            log_run(Run.open(folder), uri)
    (logged,) = log_run(Run.open(folder), uri)
    assert logged.metrics
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("camlucida").experiment_id
    states = {each.info.status for each in client.search_runs([experiment])}
    assert states == {"FAILED", "FINISHED"}


def passports_of(folder):
    return passports(Run.open(folder), folder)


def test_a_model_may_have_any_name(mlflow, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    name = "O'Brien's \"best\" `net` %"
    made = [replace(each, model=each.model | {"name": name}) for each in passports_of(folder)]
    monkeypatch.setattr("camlucida.integrations.mlflow.passports", lambda *_: made)
    uri = (tmp_path / "store").as_uri()
    (logged,) = log_run(Run.open(folder), uri)
    (again,) = log_run(Run.open(folder), uri)
    assert (logged.model, again.run_id, again.metrics) == (name, logged.run_id, 0)


def broken(*_arguments):
    raise ConnectionError("the line is gone")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:{}", r"folder of files only where.*\(set MLFLOW_ALLOW_FILE_STORE=true, or"),
        ("nowhere://{}", r"MLflow|database"),
    ],
)
def test_a_store_that_mlflow_refuses_is_one_short_line(
    mlflow, folder, tmp_path, monkeypatch, uri, message
):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(UsageError, match=message) as raised:
        log_run(Run.open(folder), uri.format(tmp_path / "store"))
    assert len(str(raised.value)) < 250
