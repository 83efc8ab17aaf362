"""A reader study: arms in turn, nothing told beyond the arm, readings final, arms compared."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from camlucida.analysis.cases.case_table import case_table
from camlucida.cli import app as cli
from camlucida.core.errors import UsageError
from camlucida.web.app import create_app, guarded
from camlucida.web.cases import RunCases
from camlucida.web.settings import StudyPlan
from camlucida.web.store import Store
from camlucida.web.study import _SAVE as SAVE
from camlucida.web.study import ARMS, Study
from tests.web.conftest import ADDRESS, ORIGIN, settings

GRADCAM = ("method=gradcam",)


@pytest.fixture
def study(tmp_path):
    """Of 31 cases, made up: 13 are diseased, 14 healthy, 4 unknown."""
    truth = [1.0] * 13 + [0.0] * 14 + [None] * 4
    image = [f"film {number}" for number in range(31)]
    table = pd.DataFrame({"image": image, "truth": truth, "patient": image})
    table = table.assign(model="m", label="nodule", method="gradcam", layer="l", probability=0.5)
    table.insert(0, "case_id", range(31))
    cases = RunCases("run", tmp_path)
    cases.__dict__["table"] = table
    return Study(StudyPlan("run", seed=5), cases, Store(tmp_path / "s.sqlite"))


@pytest.mark.parametrize("reader", ["Dr A", "B", "李"])
def test_each_session_shows_each_case_once_and_a_third_in_each_arm(study, reader):
    sessions = [study.tasks(reader, session) for session in (1, 2, 3)]
    for tasks in sessions:
        assert sorted(task.case for task in tasks) == list(range(31))
        for cases in (range(31), range(13), range(13, 27)):  # all, diseased, healthy
            counts = Counter(task.arm for task in tasks if task.case in cases)
            assert max(counts.values()) - min(counts.values()) <= 1
    arms = [{task.case: task.arm for task in tasks} for tasks in sessions]
    assert all({of[case] for of in arms} == set(ARMS) for case in range(31))
    orders = {tuple(task.case for task in tasks) for tasks in sessions}
    assert len(orders) == 3


def test_readers_differ_and_the_seed_fixes_each(study):
    assert study.tasks("A", 1) == study.tasks("A", 1)
    assert study.tasks("A", 1) != study.tasks("B", 1)
    other = Study(StudyPlan("run", seed=6), study.of_run, study.store)
    assert other.tasks("A", 1) != study.tasks("A", 1)
    assert other.id != study.id


def read_all(study, reader, rating=lambda task: 1, sessions=(1,)):
    for session in sessions:
        for task in study.tasks(reader, session):
            reading = (session, task.case, task.arm, task.position, rating(task), 9.0, "")
            study.store.write(SAVE, study.id, reader, *reading)


def test_the_next_session_opens_after_the_washout(study):
    read_all(study, "A")
    progress = study.progress("A")
    assert (progress["session"], progress["done"], progress["task"]) == (2, 0, None)
    opens = datetime.fromisoformat(progress["opens"])
    assert timedelta(days=27.9) < opens - datetime.now(UTC) < timedelta(days=28.1)
    assert study.progress("A", opens + timedelta(minutes=2))["task"].session == 2
    with pytest.raises(UsageError, match="not the one"):
        study.save("A", 0, 1, 1.0, "")
    read_all(study, "A", sessions=(2, 3))
    assert study.progress("A")["task"] is None
    assert study.progress("A")["opens"] is None


def test_a_map_that_helps_is_seen_in_the_results(study):
    def rating(task):
        truth = 1 if task.case < 13 else 0
        helped = task.arm != "film" or task.case % 2
        return (5 if truth else 2) if helped else (2 if truth else 5)

    for reader in "ABC":
        read_all(study, reader, rating, sessions=(1, 2, 3))
    figures = {(f.measure, f.arm, f.against): f for f in study.results()}
    accuracy = figures["accuracy", ARMS[1], "film"]
    right = sum(case % 2 for case in range(27)) / 27
    assert accuracy.interval.estimate == pytest.approx(1 - right)
    assert accuracy.interval.low > 0
    assert (accuracy.readers, accuracy.interval.patients) == (3, 27)
    assert figures["seconds", "film", None].interval.estimate == pytest.approx(9)


@pytest.fixture(scope="module")
def server(small_run, tmp_path_factory):
    plan = StudyPlan("run", ("label=" + label_of(small_run), *GRADCAM), washout=0)
    state = tmp_path_factory.mktemp("study")
    made = settings(small_run, state)
    app = create_app(settings(small_run, state, study=StudyPlan(next(iter(made.runs)), plan.where)))
    with TestClient(guarded(app), base_url=ADDRESS, headers=ORIGIN) as client:
        client.get(f"/open?token={app.state.workbench.sessions.new_token()}")
        yield client


def label_of(small_run):
    return str(case_table([small_run])["label"].iloc[0])


def test_the_api_tells_what_the_arm_shows_and_no_more(server):
    about = server.get("/api/study").json()
    assert about["cases"] == about["diseased"] + about["healthy"] == 5
    seen = {}
    for position in range(1, about["cases"] + 1):
        progress = server.get("/api/study/next", params={"reader": "A"}).json()
        task = progress["task"]
        assert task["position"] == position
        seen.setdefault(task["arm"], task)
        assert task["film"]["id"] == f"case {position}"
        told = json.dumps(task | {"film": None})
        assert "truth" not in told
        assert "outcome" not in told
        reading = {"reader": "A", "case": task["case"], "rating": 4, "seconds": 3.5}
        wrong = reading | {"case": task["case"] + 1}
        assert server.post("/api/study/readings", json=wrong).status_code == 400
        assert server.post("/api/study/readings", json=reading).status_code == 204
        assert server.post("/api/study/readings", json=reading).status_code == 400  # is final
    film, shown, full = (seen[arm] for arm in ARMS)
    assert (film["maps"], film["numbers"], shown["numbers"]) == ([], None, None)
    (drawn,) = shown["maps"]
    assert (drawn["score"], drawn["probability"], drawn["limit"]) == (None, None, 1)
    assert 0 < full["numbers"]["probability"] < 1
    # Why a number is missing would tell whether the film was annotated.
    assert [each["missing"] for each in full["numbers"]["trust"] if each["missing"]] == []
    waits = server.get("/api/study/next", params={"reader": "A"}).json()
    assert waits["task"] is None
    assert waits["opens"] > datetime.now(UTC).isoformat()
    lines = server.get("/api/study/readings.csv").text.strip().splitlines()
    assert len(lines) == about["cases"] + 1
    figures = server.get("/api/study/results").json()
    assert {figure["measure"] for figure in figures} >= {"accuracy", "seconds"}


@pytest.mark.parametrize("path", ["runs", "films", "methods", "models", "jobs"])
def test_a_reader_has_no_other_page(server, path):
    assert server.get(f"/api/{path}").status_code == 404


@pytest.mark.parametrize("change", [{"rating": 7}, {"rating": 0}, {"seconds": 0}, {"reader": " "}])
def test_a_wrong_reading_is_one_line(server, change):
    reading = {"reader": "B", "case": 0, "rating": 4, "seconds": 3.5} | change
    reply = server.post("/api/study/readings", json=reading)
    assert (reply.status_code, reply.json()["code"]) == (400, "usage")


def test_a_server_without_a_study_has_none(client):
    assert client.get("/api/study").json() is None
    assert client.get("/api/study/results").json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--where"),
        (["--where", "method=nothing"], "no case"),
        (["--where", "nothing=1"], "no column"),
        (["--where", "method=gradcam", "--host", "0.0.0.0"], "can be reached"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_one_line(small_run, tmp_path, options, words):
    command = ["reader-study", str(small_run.folder.root), "--state", str(tmp_path), *options]
    result = CliRunner().invoke(cli, command)
    assert isinstance(result.exception, UsageError)
    assert words in f"{result.exception.what} {result.exception.fix}"
