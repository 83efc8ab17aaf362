"""Readers' verdicts: saved once a case and reader, gone on with, compared and exported."""

import threading
from io import BytesIO

import pandas as pd
import pytest


@pytest.fixture
def run(app, client):
    app.state.workbench.store.write("DELETE FROM reviews")
    return client.get("/api/runs").json()[0]["id"]


def save(client, run, case, reader="A", verdict="agrees", **more):
    review = {"reader": reader, "verdict": verdict, **more}
    return client.put(f"/api/runs/{run}/cases/{case}/review", json=review)


def progress(client, run, reader, seed=0):
    return client.get(f"/api/runs/{run}/review", params={"reader": reader, "seed": seed}).json()


def test_a_review_goes_on_where_it_stopped(client, run, small_run):
    total = len(small_run.explanations())
    order = []
    for done in range(total):
        state = progress(client, run, "A")
        assert (state["total"], state["done"]) == (total, done)
        order.append(state["next"])
        assert save(client, run, state["next"]).status_code == 204
    assert progress(client, run, "A")["next"] is None
    assert sorted(order) == list(range(total))
    assert progress(client, run, "B")["next"] == order[0]  # one order for all readers
    firsts = {progress(client, run, "B", seed)["next"] for seed in range(8)}
    assert len(firsts) > 1


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
    save(client, run, 0, verdict="artefact", finding="absent", note="=1+1", region=[1, 2, 3, 4])
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
