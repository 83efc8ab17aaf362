"""The change between two films, and what movement alone changes, are those of ``change``."""

import pytest

from camlucida.analysis.change import align, changes
from camlucida.io.decoded import read_decoded
from camlucida.models import load_model
from camlucida.workflows.change.folder import change_numbers
from tests.web.test_alignment import as_png, give, smooth


def changed(client, **request):
    return client.post("/api/change", json=request)


@pytest.fixture
def films(client):
    """A film, and a later one that lies four columns further right."""
    return [give(client, "film.png", as_png(smooth(shift))) for shift in (0, 4)]


@pytest.fixture
def model(client):
    return client.get("/api/models").json()[0]["id"]


@pytest.mark.parametrize("mode", ["auto", "none"])
def test_the_change_is_that_of_the_command(client, app, small_run, films, model, mode):
    loaded = load_model(small_run.about["models"][0]["card"], device="cpu")
    before, after = (loaded_image(app, film) for film in films)
    label = loaded.card.labels[0]
    alignment = align(before.display, after.display)
    (expected,), _ = changes(loaded, before, after, alignment, [label])
    numbers = change_numbers(expected)
    reply = changed(
        client, model=model, film=films[0], later=films[1], target=label, align=mode
    ).json()
    assert reply["score"] == pytest.approx(numbers["score"], abs=1e-4)
    if mode == "none":
        assert (reply["moved_score_change"], reply["moved_map_change"]) == (None, None)
        assert "was not measured" in reply["sentences"][1]
        return
    assert reply["moved_score_change"] == pytest.approx(numbers["moved_score_change"], abs=1e-4)
    for name in ("map_change", "moved_map_change"):
        assert reply[name] == pytest.approx(numbers[name], rel=1e-3, abs=1e-5)
    assert reply["compared"] == pytest.approx(numbers["compared"])
    assert reply["sentences"][1].startswith("Movement and resampling alone change it by")


def loaded_image(app, film):
    return read_decoded(app.state.workbench.films.decoded(film))


def test_what_cannot_be_compared_is_said(client, films, model):
    request = {"model": model, "film": films[0], "target": "0"}
    assert changed(client, **request, later="none").status_code == 404
    slow = changed(client, **request, later=films[1], method="scorecam")
    assert "camlucida change measures it" in slow.json()["fix"]
