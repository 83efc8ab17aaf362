"""``camlucida ensemble`` as a user meets it: the folder, the tables, what fails, what goes on."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest

from camlucida.analysis.ensemble.findings import EnsembleFindings, FindingChoice
from camlucida.analysis.ensemble.members import FAINT
from camlucida.analysis.ensemble.stored import read_maps
from camlucida.cli import main
from camlucida.core.messages import Message
from camlucida.runs import Run
from tests.support.models_on_disk import write_image, write_model
from tests.support.viewed_page import map_methods, offline_page, opened, shows_static_pictures
from tests.support.worded import assert_worded

CONFIG = """
[classifiers.first]
name = "First net"
model_type = "card"
weights = "a/card.toml"
default_weight = 3
[classifiers.second]
model_type = "card"
weights = ["b/card.toml"]
input_size = 32
num_pathologies = 5
[classifiers.broken]
model_type = "card"
weights = "none.toml"
"""


def run(*arguments):
    """Exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code or 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classifiers that share two labels, and a third whose file is missing.

    Three films of two patients; one film is broken.
    """
    folder = tmp_path_factory.mktemp("ensemble")
    for name, labels in (
        ("a", ("Nodule", "Pleural Effusion", "Mass")),
        ("b", ("Mass", "pleural_effusion", "Edema")),
    ):
        (folder / name).mkdir()
        write_model(folder / name, labels=labels)
    (folder / "config_classifiers.toml").write_text(CONFIG)
    for i in range(2):
        write_image(folder / f"films/{i}.png", i)
    (folder / "films/2.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (folder / "boxes.csv").write_text(
        "film,Label,x,y,w,h\n0.PNG,pleural effusion,4,4,20,12\n0.png,Fracture,1,1,2,2\n"
    )
    (folder / "others.csv").write_text("image,label,x,y,w,h\n0.png,Mass,1,1,2,2\n")
    (folder / "patients.csv").write_text("image,patient\n0,p\n1,q\n2,q\n")
    return folder


@pytest.fixture(scope="module")
def done(folder):
    out = folder / "out"
    options = [
        "--label",
        "Pleural Effusion",
        "--boxes",
        folder / "boxes.csv",
        "--id-column",
        "film",
        "--table",
        folder / "patients.csv",
    ]
    code = run(
        "ensemble", folder / "config_classifiers.toml", folder / "films", "--out", out, *options
    )
    return code, out


def test_what_fails_costs_itself_alone(done):
    code, out = done
    assert code == 1
    record = json.loads((out / "ensemble.json").read_text())
    assert (
        len(record["failures"]) == 2
    )  # a classifier; a film, which fails alike for the two that could be loaded
    assert record["failures"][0]["what"].startswith("broken: no model card")
    assert [model["key"] for model in record["models"]] == ["first", "second"]
    assert [model["share"] for model in record["models"]] == [0.75, 0.25]
    notes = {note["code"]: note for note in record["notes"]}
    outputs = notes["ensemble_notes.outputs"]["values"]
    assert (outputs["stated"], outputs["outputs"]) == (5, 3)
    assert "ensemble_notes.same_weights" in notes  # both nets are built with one seed
    unknown = Message("notes.strange_annotations", {"count": 1, "names": "Fracture"})
    assert unknown.to_json() in record["notes"]


def test_the_figures_of_a_film_open_the_viewer_with_every_map(done):
    _, out = done
    with offline_page(out / "index.html") as page:
        data = opened(page)
        assert shows_static_pictures(page)
    assert map_methods(data) == [
        "mean of 2 maps",
        "First net · gradcam",
        "second · gradcam",
        "disagreement (standard deviation)",
    ]
    mean, first, second, _ = data["maps"]
    assert data["first"] == mean["id"]
    assert mean["unit"] == first["unit"] == second["unit"] == "× an even spread"
    values = np.frombuffer(base64.b64decode(mean["values"]), "<f4").reshape(mean["grid"])
    (finding,) = json.loads((out / "cases/0/metadata.json").read_text())["findings"]
    whole = read_maps(out / finding["files"]["maps"]).mean()
    rows, columns = values.shape
    blocks = whole.reshape(rows, 48 // rows, columns, 64 // columns)
    assert np.allclose(values, blocks.mean((1, 3)), atol=1e-5)
    keys = ("x", "y", "width", "height", "label")
    assert data["boxes"] == [dict(zip(keys, (4, 4, 20, 12, "Pleural Effusion")))]


def metadata_of(out):
    return json.loads((out / "ensemble.json").read_text())


def test_the_folder_of_a_film(done):
    _, out = done
    case = out / "cases/0"
    kinds = ("overlay.jpg", "heatmap.jpg", "mask.png")
    names = {
        f"{who}_Pleural_Effusion_{kind}"
        for who in ("first", "second", "ensemble")
        for kind in kinds
    }
    assert names < {path.name for path in case.iterdir()}
    more = {"film.png", "metadata.json", "first_top3.jpg", "second_top3.jpg"}
    drawn = {f"Pleural_Effusion_{kind}" for kind in ("side_by_side.jpg", "boxes.jpg", "maps.npz")}
    assert {path.name for path in case.iterdir()} == names | more | drawn
    metadata = json.loads((case / "metadata.json").read_text())
    (finding,) = metadata["findings"]
    stored = read_maps(out / finding["files"]["maps"])
    maps = [stored.member(member["model"]) for member in finding["members"]]
    mean = stored.mean()
    assert mean.shape == (48, 64)
    counts = [member["map_weight"] for member in finding["members"]]
    assert sum(counts) == pytest.approx(1)
    assert np.allclose(mean, counts[0] * maps[0] + counts[1] * maps[1], atol=1e-6)
    assert finding["weighting"] == metadata_of(out)["weighting"] == "probability"
    assert finding["probability"] == pytest.approx(
        sum(m["weight"] * m["probability"] for m in finding["members"])
    )
    assert finding["truth"] == [[4, 4, 20, 12]]


def test_the_tables(done):
    _, out = done
    table = pd.read_csv(out / "ensemble.csv")
    assert len(table) == 2 * (3 + 3 + 4)  # films × (labels of each classifier, and of the ensemble)
    assert set(table["label"]) == {"Nodule", "Pleural Effusion", "Mass", "Edema"}
    alone = table[(table["model"] == "ensemble") & (table["label"] == "Edema")]
    assert (
        alone["probability"].tolist()
        == table[(table["model"] == "second") & (table["label"] == "Edema")]["probability"].tolist()
    )
    assert set(table.loc[table["shown"], "label"]) == {"Pleural Effusion"}
    assert_worded(table, "reason")
    assert_worded(table, "empty_reason")
    assert table["reason"].notna().equals(table["shown"])
    localised = pd.read_csv(out / "localisation.csv")
    assert localised["model"].tolist() == ["first", "second", "ensemble"]
    assert (localised["true_boxes"] == 1).all()


def test_annotations_beside_that_were_not_given_are_named(done):
    _, out = done
    notes = json.loads((out / "ensemble.json").read_text())["notes"]
    (note,) = [note for note in notes if note["code"] == "notes.annotations_unused"]
    assert "others.csv" in note["values"]["names"]
    assert note["values"]["option"] == "--boxes PATH"


def test_the_page_is_whole(done):
    _, out = done
    page = (out / "index.html").read_text()
    for words in (
        "Research use only",
        "Localised",
        "Audit trail",
        "no model card",
        "weighted mean",
        "side_by_side.jpg",
    ):
        assert words in page
    assert "http://" not in page
    assert "https://" not in page


def test_findings_of_the_run(done, monkeypatch):
    _, out = done
    findings = EnsembleFindings(Run.open(out / "run"))
    assert findings.weights == {"first": 3, "second": 1}
    chosen = findings.chosen("0", FindingChoice(top=1, threshold=1.0), annotated=("Edema",))
    assert "marked by a reader" in str(chosen["Edema"])
    assert all("number 1" in str(reason) for label, reason in chosen.items() if label != "Edema")
    assert findings.null("Pleural Effusion")[1] == 0  # faint maps: not comparable
    monkeypatch.setitem(FAINT, "logit", 0.0)
    findings = EnsembleFindings(Run.open(out / "run"))
    null, pairs = findings.null("Pleural Effusion")
    assert pairs == 2  # two films of two patients, either way round
    assert -1 <= null <= 1
    assert findings.null("Edema")[1] == 0


def test_going_on_computes_nothing_again(folder, done, capsys):
    _, out = done
    before = {path: path.read_bytes() for path in sorted(out.glob("run/maps/*"))}
    again = [
        "ensemble",
        folder / "config_classifiers.toml",
        folder / "films/0.png",
        folder / "films/1.png",
        "--out",
        out,
    ]
    assert (
        run(*again, "--weight", "broken=0", "--weight", "second=0", "--label", "edema") == 2
    )  # only the second has it
    assert "no classifier has the label 'edema'" in capsys.readouterr().err
    assert run(*again, "--weight", "broken=0", "--label", "edema", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["Edema"]
    assert {path: path.read_bytes() for path in sorted(out.glob("run/maps/*"))} == before
    assert not (out / "localisation.csv").exists()


def test_a_folder_of_films_that_is_missing_is_named(folder, tmp_path, capsys):
    out = tmp_path / "out"
    where = tmp_path / "nowhere"
    assert run("ensemble", folder / "config_classifiers.toml", where, "--out", out) == 2
    assert f"no such file: {where}" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--weight", "first"], "no classifier is named|is not a number"),
        (["--weight", "firs=1"], "did you mean first"),
        (["--scale", "shares"], "did you mean share"),
        (["--label", "Nodul"], "did you mean Nodule"),
        (["--boxes", "Nodule,1,2,3,4"], "it names no image"),
        (["--boxes", "none.csv"], "none.csv"),
        (["--method", "gradcm"], "did you mean gradcam"),
    ],
)
def test_a_wrong_request_writes_nothing(folder, tmp_path, capsys, options, words):
    out = tmp_path / "out"
    assert (
        run(
            "ensemble", folder / "config_classifiers.toml", folder / "films", "--out", out, *options
        )
        == 2
    )
    error = capsys.readouterr().err
    assert re.search(words, error)
    assert not out.exists()


def test_boxes_of_one_film_need_no_table(folder, tmp_path):
    from camlucida.datasets.ground_truth import read_boxes

    film_boxes = read_boxes("mass, 1, 2, 30, 40", ["Mass"], ["0"]).boxes(
        "0", "films/0.png", (48, 64)
    )
    assert film_boxes["Mass"].tolist() == [[1, 2, 30, 40]]
    (tmp_path / "one.csv").write_text("Label,x,y,w,h\nMass,1,2,3,4\nMass,5,6,7,8\n")
    assert (
        len(
            read_boxes(str(tmp_path / "one.csv"), ["Mass"], ["0"]).boxes("0", "0.png", (48, 64))[
                "Mass"
            ]
        )
        == 2
    )


def test_no_classifier_at_all(folder, tmp_path, capsys):
    (tmp_path / "c.toml").write_text(
        '[classifiers.x]\nmodel_type = "card"\nweights = "none.toml"\n'
    )
    assert run("ensemble", tmp_path / "c.toml", folder / "films", "--out", tmp_path / "out") == 2
    assert "no classifier can be used: x: no model card" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_classifiers_of_one_name_keep_their_boxes_apart(folder, tmp_path):
    (tmp_path / "two.toml").write_text(
        "".join(
            f'[classifiers.{key}]\nname = "Net"\nmodel_type = "card"\n'
            f'weights = "{folder}/{key}/card.toml"\n'
            for key in "ab"
        )
    )
    options = ["--label", "Mass", "--out", tmp_path / "out"]
    assert run("ensemble", tmp_path / "two.toml", folder / "films/0.png", *options) == 0
    record = json.loads((tmp_path / "out/ensemble.json").read_text())
    assert [model["title"] for model in record["models"]] == ["Net (a)", "Net (b)"]
