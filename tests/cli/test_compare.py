"""``camlucida compare`` on runs of tiny networks: files, page, exit codes, errors in one line."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
import torch

from camlucida.analysis.comparison import compare
from camlucida.core.messages import Message
from camlucida.runs import execute
from camlucida.workflows.comparison.limits import limits
from tests.cli.test_cli import run as command
from tests.support.models_on_disk import write_image, write_model
from tests.support.stored_runs import one_hot, world
from tests.support.viewed_page import (
    VIEWER,
    map_methods,
    offline_page,
    opened,
    shows_static_pictures,
)
from tests.support.worded import assert_worded

TOML = """
images = "{images}"
table = "labels.csv"
{models}
[explain]
target = ["Nodule", "Mass"]
method = {methods}
"""


def write_checkpoint(folder, number):
    """Other weights of the same small network."""
    spec = importlib.util.spec_from_file_location("net", folder / "net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.build(3)
    generator = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    torch.save(net.state_dict(), folder / f"seed{number}.pth")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds in one run; a run of the second fold on other films."""
    folder = tmp_path_factory.mktemp("runs")
    write_model(folder)
    for i in range(8):
        write_image(folder / f"films{'ab'[i // 5]}/{i}.png", i)
    rows = [f"{i},p{i},{i % 2},1" for i in range(8)]
    (folder / "labels.csv").write_text("\n".join(["image,patient,Nodule,Mass", *rows, ""]))
    entries = {}
    for number in (42, 43):
        write_checkpoint(folder, number)
        entries[number] = (
            f'[[models]]\ncard = "card.toml"\ncheckpoint = "seed{number}.pth"\nseed = {number}\n'
        )
    plan = {
        "seeds": ("filmsa", "".join(entries.values()), '"gradcam"'),
        "fold1": ("filmsa", entries[42] + "fold = 1\n", '["gradcam", "hirescam"]'),
        "fold2": ("filmsb", entries[42] + "fold = 2\n", '["gradcam", "hirescam"]'),
    }
    for name, (images, models, methods) in plan.items():
        (folder / f"{name}.toml").write_text(
            TOML.format(images=images, models=models, methods=methods)
        )
        execute(folder / f"{name}.toml", folder / name)
    return folder


def test_seeds_are_compared(runs, tmp_path, capsys):
    assert command("compare", runs / "seeds", "--by", "seed", "--out", tmp_path) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].split("\t")[:2] == ["first", "second"]
    assert "seed 42\tseed 43\t" in captured.out
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert len(pairs) == 3
    aucs = pd.read_csv(tmp_path / "aucs.csv", keep_default_na=False)
    # Every film has Mass, so that only Nodule has an AUC; five patients give no interval.
    assert aucs[["first", "second", "label", "interval_method"]].values.tolist() == [
        ["seed 42", "seed 43", "Nodule", "none"]
    ]
    assert "AUC of seed 42 − seed 43, Nodule: " in captured.out
    cases = pd.read_csv(tmp_path / "cases.csv")
    assert len(cases) == 5 * 2
    assert set(cases["verdict"]) <= {"artefact", "review", "consistent"}
    assert_worded(cases, "reason")
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert document["by"] == "seed"
    assert document["thresholds"] == {
        "factor": 2.0,
        "share": 0.2,
        "series_share": 0.5,
        "excess": 0.5,
    }
    assert document["rule"]["code"] == "consistency.rule"
    assert document["rule"]["values"]["series_share"] == 0.5
    assert sum(line["cases"] for line in document["verdicts"] if line["verdict"]) == 10
    for name in ("map_series", "consistency", "verdicts", "seed_panel"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    page = (tmp_path / "comparison.html").read_text()
    assert "Research use only" in page
    assert "seed_panel.png" in page
    assert "AUCs compared" in page
    assert "Intervals are by patient, of whom there are 5: under 10 patients none is given." in page
    maps = pd.read_csv(tmp_path / "maps.csv")
    assert len(maps) == 2 * len(cases)
    assert_worded(maps, "empty_reason")
    np.testing.assert_array_equal(maps["artefact_ratio"].isna(), maps["artefact_share"].isna())


def test_limits_count_the_patients_of_each_series():
    def fold(number, images):
        return {
            "name": f"m{number}",
            "seed": 1,
            "fold": number,
            "maps": {(f"{number}{k}", "x"): one_hot(k) for k in range(images)},
        }

    stored, *tables = world(
        [{**one, "said": dict.fromkeys(one["maps"], 0.9)} for one in (fold(1, 4), fold(2, 9))],
        runs=[0, 1],
    )
    (line, *_) = limits(compare(stored, *tables, by="fold"))
    patients = Message("comparison_limits.range", {"fewest": 4, "most": 9})
    values = {"patients": patients, "needed": 10}
    assert line == Message("comparison_limits.no_intervals", values)


def test_methods_that_are_the_same_are_one_series(runs, tmp_path, capsys):
    """A pooling and linear head: Grad-CAM and HiResCAM are one."""
    assert command("compare", runs / "fold1", "--by", "method", "--out", tmp_path) == 0
    assert (
        "gradcam and hirescam have the same maps up to a factor: they count as one map series"
        in capsys.readouterr().err
    )
    assert set(pd.read_csv(tmp_path / "cases.csv")["verdict"]) <= {"not_compared", "artefact"}
    assert not (tmp_path / "consistency.png").exists()
    assert "no agreement of two" in (tmp_path / "comparison.html").read_text()


def test_folds_stand_side_by_side(runs, tmp_path, capsys):
    assert (
        command("compare", runs / "fold1", runs / "fold2", "--by", "fold", "--out", tmp_path) == 0
    )
    assert (
        "no image is shared by fold 1 · gradcam, fold 2 · gradcam: no case is compared"
        in capsys.readouterr().err
    )
    assert pd.read_csv(tmp_path / "map_series.csv")["images"].tolist() == [5, 3, 5, 3]
    assert not (tmp_path / "verdicts.png").exists()
    page = (tmp_path / "comparison.html").read_text()
    assert "No case is compared" in page


@pytest.mark.parametrize(
    ("names", "by", "message"),
    [
        (
            ["fold1"],
            "seed",
            "these runs have one seed (42): nothing to compare "
            "(what varies: method (gradcam, hirescam))",
        ),
        (["seeds"], "layer", "these runs have one layer (features): nothing to compare"),
        (["seeds"], "colour", "cannot compare by 'colour'"),
        (["nowhere"], "seed", "is not the folder of a run"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(runs, tmp_path, capsys, names, by, message):
    out = tmp_path / "out"
    assert command("compare", *(runs / name for name in names), "--by", by, "--out", out) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not out.exists()


def test_the_cases_open_in_the_viewer_each_film_once(runs, tmp_path):
    assert command("compare", runs / "seeds", "--by", "seed", "--out", tmp_path) == 0
    assert not (tmp_path / "view").exists()  # few films stand in the page
    with offline_page(tmp_path / "comparison.html") as page:
        data = opened(page)
        assert {name.partition(" · ")[0] for name in map_methods(data)} == {"seed 42", "seed 43"}
        shown = page.locator(".viewer-dialog").get_by_label("Images").get_by_role("option")
        titles = [text.splitlines()[0] for text in shown.all_inner_texts()]
        assert len(titles) == len(set(titles)) > 1
        assert data["film"]["id"] == titles[0]
        page.keyboard.press("d")
        assert page.evaluate(f"{VIEWER}.settings.mode") == "side"
        assert shows_static_pictures(page)


def test_films_that_are_gone_do_not_open(runs, tmp_path):
    films = runs / "filmsa"
    elsewhere = films.rename(runs / "elsewhere")
    try:
        assert command("compare", runs / "seeds", "--by", "seed", "--out", tmp_path) == 0
    finally:
        elsewhere.rename(films)
    page = (tmp_path / "comparison.html").read_text()
    assert "seed_panel.png" in page
    assert "data-case" not in page
