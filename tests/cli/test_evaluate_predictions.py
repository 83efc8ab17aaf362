"""camlucida evaluate-predictions as a user meets it."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from camlucida.cli import main
from tests.support.figures import DPI


def run(*arguments):
    """Exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main(["evaluate-predictions", *map(str, arguments)])
    return stop.value.code or 0


@pytest.fixture
def ages(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 90, 40)
    records = [
        {
            "image": f"{k}.png",
            "who": f"p{k}",
            "sex": "FM"[k % 2],
            "true_age": y,
            "pred_age": y + k % 7,
        }
        for k, y in enumerate(truth)
    ]
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({"predictions": records}))
    return path


@pytest.mark.usefixtures("drawn_figures")
def test_a_regression(ages, tmp_path, capsys):
    out = tmp_path / "out"
    options = (
        "--patient-column",
        "who",
        "--group-column",
        "sex",
        "--bin-width",
        35,
        "--within",
        2,
        "--out",
        out,
    )
    assert run(ages, "--task", "regression", *options) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].split("\t")[:3] == ["model", "metric", "label"]
    assert any(line.split("\t")[1] == "within_2" for line in shown.out.splitlines())
    assert "note: NO SPLIT IS RECORDED" in shown.err
    assert shown.err.count("\n") == 2  # and what was written
    figures = pd.read_csv(out / "metrics.csv")
    document = json.loads((out / "metrics.json").read_text())
    assert document["mae"] == pytest.approx(
        figures.query("metric == 'mae' and group == 'all'")["estimate"].item()
    )
    assert document["mae"] == pytest.approx(np.mean([k % 7 for k in range(40)]))
    assert len(json.loads((out / "predictions.json").read_text())) == 40
    for name in ("evaluation_results.png", "bland_altman.png", "group_comparison.png"):
        with Image.open(out / name) as picture:
            assert picture.info["dpi"] == pytest.approx((DPI, DPI), rel=1e-2)


def test_columns_and_classes(tmp_path, capsys):
    frame = pd.DataFrame(
        {
            "film": list("abcd"),
            "reader": ["low", "high", "low", "mid"],
            "net": ["low", "high", "mid", "mid"],
        }
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    named = ("--column", "image=film", "--column", "truth=reader", "--column", "prediction=net")
    classes = ("--class", "low", "--class", "mid", "--class", "high")
    assert (
        run(tmp_path / "p.csv", "--task", "multiclass", *named, *classes, "--out", tmp_path / "out")
        == 0
    )
    shown = capsys.readouterr()
    assert "each image counts as a patient of its own" in shown.err
    accuracy = next(line for line in shown.out.splitlines() if "\taccuracy" in line).split("\t")
    assert accuracy[4:7] == ["0.75", "none", "0.5"]
    assert (tmp_path / "out" / "confusion_matrix.png").is_file()


def test_labels_at_a_threshold_and_two_models(tmp_path):
    frame = pd.DataFrame(
        {
            "image": list("abab"),
            "model": ["m", "m", "n/n", "n/n"],
            "prob_A": [0.1, 0.3, 0.4, 0.6],
            "A": [0, 1, 0, 1],
        }
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    assert (
        run(tmp_path / "p.csv", "--task", "binary", "--threshold", 0.25, "--out", tmp_path / "out")
        == 0
    )
    document = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert document["models"]["m"]["specificity"] == 1
    assert document["models"]["n/n"]["specificity"] == 0
    assert (tmp_path / "out" / "n_n" / "calibration.png").is_file()
    assert (tmp_path / "out" / "m" / "roc_pr_curves.png").is_file()


def test_masks_with_one_that_is_missing(tmp_path, capsys):
    np.save(tmp_path / "m.npy", np.eye(9, dtype=bool))
    frame = pd.DataFrame(
        {"image": ["a", "b"], "truth": ["m.npy", "none.npy"], "prediction": ["m.npy", "m.npy"]}
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    assert run(tmp_path / "p.csv", "--task", "segmentation", "--out", tmp_path / "out") == 1
    assert "none.npy" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["dice"] == 1
    frame[1:].to_csv(tmp_path / "p.csv", index=False)
    assert run(tmp_path / "p.csv", "--task", "segmentation", "--out", tmp_path / "out2") == 2
    assert (
        run(
            tmp_path / "p.csv", "--task", "segmentation", "--class", "x", "--out", tmp_path / "out2"
        )
        == 2
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "regresion"), "did you mean regression?"),
        (("--task", "regression", "--column", "truth"), "write ROLE=NAME"),
        (("--task", "regression", "--group-column", "size"), "no column 'size'"),
        (("--task", "regression", "--within", "-1"), "a tolerance of -1"),
        (("--task", "regression", "--bin-width", "0"), "groups of the truth 0 wide"),
    ],
)
def test_a_wrong_request_leaves_no_folder(ages, tmp_path, capsys, options, message):
    assert run(ages, *options, "--out", tmp_path / "out") == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert message in line
    assert not (tmp_path / "out").exists()
