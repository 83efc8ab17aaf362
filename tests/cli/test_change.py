"""``camlucida change`` as a user meets it."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from camlucida.cli import main
from camlucida.phantom import film, model_cards
from tests.support.viewed_page import (
    VIEWER,
    map_methods,
    offline_page,
    opened,
    shows_static_pictures,
)


def run(*arguments):
    """Exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code or 0


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("change")
    first = film(9_700_010, ("consolidation",), None, 128).image
    second = film(9_700_010, (), None, 128).image
    Image.fromarray(first).save(folder / "first.png")
    Image.fromarray(np.roll(second, (3, 5), (0, 1))).save(folder / "second.png")
    return folder


def test_the_folder(films, capsys):
    out = films / "out"
    card = model_cards()["honest_densenet"]
    options = ["--model", card, "--out", out, "--device", "cpu", "--label", "consolidation"]
    assert run("change", films / "first.png", films / "second.png", *options) == 0
    output = capsys.readouterr().out
    assert "by movement alone" in output
    names = {"change.json", "change.html", "change.npy", "before.npy", "after.npy"}
    assert {path.name for path in out.iterdir()} == names | {
        "change_consolidation.png",
        "change_consolidation.pdf",
    }
    record = json.loads((out / "change.json").read_text())
    assert record["alignment"]["aligned"]
    assert np.allclose(record["alignment"]["shift"], (3, 5), atol=0.7)
    (label,) = record["labels"]
    assert label["probability"]["change"] < -0.5
    assert label["map_change"]["largest"] > label["moved_map_change"]["largest"]
    before, after, difference = (
        np.load(out / f"{name}.npy") for name in ("before", "after", "change")
    )
    assert difference.shape == (1, 128, 128)
    assert np.allclose(difference, after - before, equal_nan=True, atol=1e-6)
    page = (out / "change.html").read_text()
    for words in (
        "Research use only",
        "By movement alone",
        "not comparable",
        "Mutual information",
        "was not measured",
    ):
        assert words in page


def test_a_map_of_several_layers_is_shown_with_their_names(films, tmp_path):
    card = model_cards()["honest_densenet"]
    options = ["--model", card, "--out", tmp_path, "--device", "cpu", "--method", "refinecam"]
    options += ["--label", "consolidation"]
    assert run("change", films / "first.png", films / "second.png", *options) == 0
    record = json.loads((tmp_path / "change.json").read_text())
    assert (record["layer"], record["shown_layer"][:8]) == ("(input)", "product(")
    page = (tmp_path / "change.html").read_text().replace("<wbr>", "")
    assert f"refinecam at {record['shown_layer']}" in page


def test_without_alignment_nothing_is_moved(films, capsys):
    card, same = model_cards()["honest_densenet"], films / "first.png"
    options = [
        "--model",
        card,
        "--out",
        films / "same",
        "--device",
        "cpu",
        "--label",
        "nodule",
        "--align",
        "none",
        "--json",
    ]
    assert run("change", same, same, *options) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert "not aligned: no alignment was requested" in captured.err
    assert record["labels"][0]["score"]["change"] == 0
    assert record["labels"][0]["moved_map_change"] is None
    assert not np.load(films / "same/change.npy").any()


@pytest.mark.parametrize(
    ("second", "options", "words"),
    [
        ("none.png", [], "no such file"),
        ("second.png", ["--align", "aut"], "did you mean auto"),
        ("second.png", ["--label", "nodul"], "did you mean nodule"),
        ("second.png", ["--method", "gradcm"], "did you mean gradcam"),
    ],
)
def test_a_wrong_request_writes_nothing(films, tmp_path, capsys, second, options, words):
    card = model_cards()["honest_densenet"]
    requested = [
        "change",
        films / "first.png",
        films / second,
        "--model",
        card,
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
    ]
    assert run(*requested, *options) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_figure_opens_the_viewer_with_both_films(films):
    out = films / "viewed"
    card = model_cards()["honest_densenet"]
    options = ["--model", card, "--out", out, "--device", "cpu", "--label", "consolidation"]
    assert run("change", films / "first.png", films / "second.png", *options) == 0
    with offline_page(out / "change.html") as page:
        data = opened(page)
        page.locator(".viewer-dialog").get_by_role("option", name="second").click()
        page.wait_for_timeout(300)
        later = page.evaluate(f"{VIEWER}.data")
        assert shows_static_pictures(page)
    assert map_methods(data) == [
        "after − before · gradcam",
        "after, laid over before · gradcam",
        "before · gradcam",
    ]
    assert (data["film"]["id"], later["film"]["id"]) == ("first", "second")
    assert map_methods(later) == ["after · gradcam"]
    change = data["maps"][0]
    values = np.frombuffer(base64.b64decode(change["values"]), "<f4").reshape(change["grid"])
    whole = np.nan_to_num(np.load(out / "change.npy")[0])
    side = 128 // len(values)
    blocks = whole.reshape(len(values), side, len(values), side)
    assert np.allclose(values, blocks.mean((1, 3)), atol=1e-5)
    assert values.min() < 0  # the consolidation is gone
