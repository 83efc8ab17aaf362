"""Readers' verdicts: saved once a case and reader, gone on with, compared and exported."""

import json
import threading
from io import BytesIO

import pandas as pd
import pytest


@pytest.fixture
def run(app, client):
    for table in ("reviews", "film_findings"):
        app.state.workbench.store.write(f"DELETE FROM {table}")
    return client.get("/api/runs").json()[0]["id"]


def save(client, run, case, reader="A", verdict="agrees", **more):
    review = {"reader": reader, "verdict": verdict, **more}
    return client.put(f"/api/runs/{run}/cases/{case}/review", json=review)


def progress(client, run, reader, seed=0, blinded=False):
    query = {"reader": reader, "seed": seed, "blinded": blinded}
    return client.get(f"/api/runs/{run}/review", params=query).json()


def say(client, run, case, reader="A", finding="present", **more):
    said = {"reader": reader, "finding": finding, **more}
    return client.put(f"/api/runs/{run}/cases/{case}/finding", json=said)


def test_a_review_goes_on_where_it_stopped(client, run, small_run):
    total = len(small_run.explanations())
    order = []
    for done in range(total):
        state = progress(client, run, "A")
        assert (state["total"], state["done"]) == (total, done)
        order.append(state["case"]["number"])
        assert save(client, run, order[-1]).status_code == 204
    assert progress(client, run, "A")["case"] is None
    assert sorted(order) == list(range(total))
    first = progress(client, run, "B")["case"]
    assert first["number"] == order[0]  # one order for all readers
    assert first["revealed"]["maps"]
    firsts = {progress(client, run, "B", seed)["case"]["number"] for seed in range(8)}
    assert len(firsts) > 1


def test_a_blinded_case_tells_neither_map_nor_prediction_until_the_film_is_judged(
    client, run, small_run
):
    case = progress(client, run, "A", blinded=True)["case"]
    assert (case["finding"], case["revealed"]) == (None, None)
    row = client.get(f"/api/runs/{run}/cases/{case['number']}").json()["case"]
    assert set(case) == {"number", "target", "film", "synthetic", "finding", "revealed"}
    assert case["film"]["id"] == "case 1"  # the name of a file may tell the finding
    told = json.dumps(case | {"film": case["film"] | {"data": ""}})
    for hidden in (str(row["outcome"]), str(row["probability"]), "score"):
        assert hidden not in told
    reply = say(client, run, case["number"], finding="absent", mask="1 2 3", seconds=4.5)
    kept = {"finding": "absent", "region": None, "mask": "1 2 3", "seconds": 4.5}
    assert reply.json()["finding"] == kept
    assert reply.json()["revealed"]["probability"] == row["probability"]
    again = progress(client, run, "A", blinded=True)["case"]  # the page was loaded again
    assert again["number"] == case["number"]
    assert (again["finding"], again["revealed"]) == (kept, reply.json()["revealed"])
    assert progress(client, run, "B", blinded=True)["case"]["revealed"] is None


def test_what_was_said_of_the_film_alone_is_final_and_stands_with_the_verdict(client, run):
    say(client, run, 0, finding="absent", region=[1, 2, 3, 4])
    said = say(client, run, 0, finding="present").json()["finding"]  # who has seen the map
    assert (said["finding"], said["region"]) == ("absent", [1, 2, 3, 4])
    save(client, run, 0, verdict="partly", region=[5, 6, 7, 8], seconds=9)
    table = pd.read_csv(BytesIO(client.get(f"/api/runs/{run}/reviews.csv").content))
    assert table.loc[0, ["finding", "verdict", "seconds"]].tolist() == ["absent", "partly", 9]
    assert table.loc[0, "region"] == "[1.0, 2.0, 3.0, 4.0]"
    assert say(client, run, 9999).status_code == 404
    assert say(client, run, 0, finding="perhaps").status_code == 400


def test_two_readers_at_once(client, run):
    def read(reader):
        for case in range(6):
            verdict = "artefact" if (reader, case) == ("B", 0) else ("agrees", "partly")[case % 2]
            assert save(client, run, case, reader, verdict).status_code == 204

    threads = [threading.Thread(target=read, args=(reader,)) for reader in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = client.get(f"/api/runs/{run}/agreement").json()
    assert found["readers"]["A"] == {"agrees": 3, "partly": 3, "artefact": 0, "cannot say": 0}
    (pair,) = found["pairs"]
    assert (pair["readers"], pair["cases"]) == (["A", "B"], 6)
    assert pair["kappa"] == pytest.approx((5 / 6 - 15 / 36) / (1 - 15 / 36))
    assert pair["low"] is None  # three patients


def test_a_later_verdict_replaces_the_first(client, run):
    save(client, run, 0, verdict="agrees")
    save(client, run, 0, verdict="artefact", note="=1+1", region=[1, 2, 3, 4])
    table = client.get(f"/api/runs/{run}/reviews.csv")
    assert table.headers["content-type"].startswith("text/csv")
    lines = table.text.strip().splitlines()
    assert len(lines) == 2
    assert "artefact" in lines[1]
    assert "'=1+1" in lines[1]  # no spreadsheet runs it
    assert client.get(f"/api/runs/{run}/agreement").json()["pairs"] == []


def test_a_painted_region_is_kept_in_place_of_a_box(client, run):
    assert save(client, run, 0, mask="10 4 16").status_code == 204
    assert save(client, run, 1, region=[1, 2, 3, 4]).status_code == 204
    table = pd.read_csv(BytesIO(client.get(f"/api/runs/{run}/reviews.csv").content))
    assert table["mask"].fillna("").tolist() == ["10 4 16", ""]
    assert table["region"].tolist()[1] == "[1.0, 2.0, 3.0, 4.0]"
    assert save(client, run, 0, mask="1 2", region=[1, 2, 3, 4]).status_code == 400


def test_without_a_verdict(client, run):
    assert client.get(f"/api/runs/{run}/agreement").json() == {"readers": {}, "pairs": []}
    assert client.get(f"/api/runs/{run}/reviews.csv").text.startswith("run,case_id")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"verdict": "perhaps"}, 400),
        ({"reader": "  "}, 400),
        ({"seconds": -1}, 400),
        ({"region": [1, 2]}, 400),
        ({"mask": "1, 2"}, 400),
        ({"case": 9999}, 404),
    ],
)
def test_a_wrong_verdict_is_one_line(client, run, change, status):
    reply = save(client, run, **{"case": 0, **change})
    assert reply.status_code == status
    assert reply.json()["what"]
