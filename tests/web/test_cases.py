"""Cases of a run: filtered and sorted, page by page, and each with its map and measurements."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from camlucida.analysis.cases.case_table import case_table
from camlucida.runs.mismatch import MISMATCH
from camlucida.web.cases import RunCases


@pytest.fixture
def run(client):
    return client.get("/api/runs").json()[0]["id"]


def page(client, run, **query):
    reply = client.get(f"/api/runs/{run}/cases", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_run_and_its_columns(client, run, small_run):
    described = client.get(f"/api/runs/{run}").json()
    table = case_table([small_run])
    assert described["cases"] == len(table)
    columns = {column["name"]: column for column in described["columns"]}
    assert columns["method"]["values"] == sorted(set(table["method"]))
    assert columns["group_sex"]["values"] == ["f", "m"]
    low, high = columns["probability"]["range"]
    assert (low, high) == (table["probability"].min(), table["probability"].max())


def test_pages_follow_each_other(client, run, small_run):
    numbers, cursor = [], 0
    while cursor is not None:
        shown = page(client, run, cursor=cursor, limit=4)
        numbers += [case["case_id"] for case in shown["cases"]]
        cursor = shown["next"]
    assert numbers == list(range(len(small_run.explanations())))


def test_filter_and_sort(client, run, small_run):
    table = case_table([small_run])
    shown = page(
        client, run, where=["method=gradcam", "probability>=0.4"], sort="score", descending=True
    )
    kept = table[(table["method"] == "gradcam") & (table["probability"] >= 0.4)]
    assert shown["total"] == len(kept)
    scores = [case["score"] for case in shown["cases"]]
    assert scores == sorted(kept["score"], reverse=True)
    assert page(client, run, where=["image~2"])["total"] == (table["image"] == "2").sum()


@pytest.mark.parametrize(
    "query",
    [
        {"where": "nothing=1"},
        {"where": "method"},
        {"sort": 'score" DESC; DROP TABLE cases; --'},
        {"limit": 0},
        {"cursor": -1},
    ],
)
def test_a_wrong_query_is_one_line(client, run, query):
    reply = client.get(f"/api/runs/{run}/cases", params=query)
    assert (reply.status_code, reply.json()["code"]) == (400, "usage")
    assert page(client, run)["total"]


def test_a_value_is_never_a_part_of_the_query(client, run):
    assert page(client, run, where=["method=' OR 1=1 --"])["total"] == 0


def test_points_of_a_plot_are_the_columns(client, run, small_run):
    table = case_table([small_run])
    path = f"/api/runs/{run}/points"
    got = client.get(path, params={"x": "probability", "where": "method=gradcam"}).json()
    kept = table[(table["method"] == "gradcam") & table["probability"].notna()]
    assert got == {"x": kept["probability"].tolist(), "y": None, "total": len(kept)}
    got = client.get(path, params={"x": "probability", "y": "loss"}).json()
    both = table[["probability", "loss"]].dropna()
    assert (got["x"], got["y"]) == (both["probability"].tolist(), both["loss"].tolist())
    assert 0 < got["total"] < len(table)  # one label has no truth, and no loss
    assert client.get(path, params={"x": "method"}).json()["total"] == 0
    assert client.get(path, params={"x": "nothing"}).status_code == 400


def test_a_case_has_its_film_and_its_maps(client, run, small_run):
    case = client.get(f"/api/runs/{run}/cases/1").json()
    expected = small_run.explanation(1)
    first = case["maps"][0]
    assert (first["method"], first["target"]) == (expected.method, expected.target)
    assert first["limit"] == pytest.approx(expected.limit)
    film = client.get(f"/api/films/{case['film']}").json()
    assert [film["film"]["height"], film["film"]["width"]] == list(expected.scan.geometry.original)
    assert case["synthetic_model"] is False
    assert case["mismatch"] is False
    picture = client.get(f"/api/runs/{run}/cases/1/thumbnail.png")
    assert picture.content.startswith(b"\x89PNG")
    for path in ("cases/9999", "cases/-1", "cases/9999/thumbnail.png"):
        assert client.get(f"/api/runs/{run}/{path}").status_code == 404
    assert client.get("/api/runs/none").status_code == 404


def test_a_run_of_another_model_than_the_stored_one_is_marked(small_run, monkeypatch):
    cases = RunCases("run", small_run.folder.root)
    assert not cases.describe()["mismatch"]
    monkeypatch.setattr(cases, "run", replace(cases.run, about={**cases.run.about, MISMATCH: True}))
    assert cases.describe()["mismatch"]


def test_ten_thousand_cases(small_run):
    scores = np.random.default_rng(0).normal(size=10_000)
    table = pd.DataFrame({"case_id": range(10_000), "method": "gradcam", "score": scores})
    cases = RunCases("many", small_run.folder.root)
    cases.__dict__["table"] = pd.concat([table] * 3, ignore_index=True)
    points = cases.points("score", None)
    assert (len(points["x"]), points["total"]) == (15_000, 30_000)  # every second one
    cases = RunCases("many", small_run.folder.root)
    cases.__dict__["table"] = table
    cases.page()
    start = time.process_time()
    shown = cases.page(["score>0"], "score", True, 3000, 60)
    assert time.process_time() - start < 2
    scores = [case["score"] for case in shown.rows]
    assert len(scores) == 60
    assert scores == sorted(table["score"][table["score"] > 0], reverse=True)[3000:3060]


def test_a_sanity_check_is_that_of_the_cases_label(small_run, monkeypatch):
    """A verdict on some labels' maps says nothing of another label's."""
    cases = RunCases("run", small_run.folder.root)
    row = cases.table.iloc[0]
    map_of = {name: row[name] for name in ("model", "method", "layer")}
    gates = [
        {**map_of, "labels": (row["label"],), "verdict": "passed"},
        {**map_of, "labels": ("another",), "verdict": "failed"},
    ]
    monkeypatch.setattr(cases, "_evaluated", (pd.DataFrame(), gates))
    (check,) = [line for line in cases.case(0)["trust"] if line["metric"] == "sanity"]
    assert (check["verdict"], check["output"]) == ("passed", row["label"])
