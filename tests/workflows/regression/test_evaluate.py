"""``camlucida evaluate-regression`` on the folders of a training system.

A checkpoint without a card, images, masks, a table.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from camlucida.analysis.cases.region_shares import ALL_IMAGES
from camlucida.core.messages import Message
from camlucida.evaluation.predictions.evaluate import evaluate_file
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.models import load_model
from camlucida.runs import Run
from camlucida.workflows.regression.sheet import SheetColumns
from tests.support.figures import DPI
from tests.support.models_on_disk import write_model
from tests.support.regression_study import COUNT, command, evaluated, read, write_study

pytestmark = pytest.mark.usefixtures("drawn_figures")

FIGURES = (
    *("evaluation_results", "bland_altman", "age_group_comparison"),
    *("gradcam_best_sample", "gradcam_worst_sample", "gradcam_sample_2"),
)
FILES = {
    *(
        "test_metrics.json",
        "predictions.json",
        "high_error_samples.txt",
        "low_error_samples.txt",
        "metrics.csv",
    ),
    *("mask_evidence.csv", "concentration.csv", "inputs", "run"),
    *(f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")),
}


def test_the_files_of_the_source_system(cohort_folder):
    assert {path.name for path in (cohort_folder / "out").iterdir()} == FILES
    for name in FIGURES:
        with Image.open(cohort_folder / "out" / f"{name}.png") as picture:
            assert picture.info["dpi"] == pytest.approx((DPI, DPI), rel=1e-2)
            assert min(picture.size) > 2 * DPI


def test_metrics_are_those_of_the_predictions(cohort_folder):
    records, metrics = read(cohort_folder)
    assert list(records["index"]) == list(range(COUNT))
    assert list(records["truth"]) == [30 + 5 * i for i in range(COUNT)]
    error = records["value"] - records["truth"]
    assert metrics["mae"] == pytest.approx(error.abs().mean())
    assert metrics["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert metrics["bias"] == pytest.approx(error.mean())
    assert metrics["within_10"] == pytest.approx((error.abs() <= 10).mean())
    assert metrics["groups"]["sex=f"]["mae"]["estimate"] == pytest.approx(
        error[records["sex"] == "f"].abs().mean()
    )
    assert "truth 40 to 50" in metrics["groups"]
    assert metrics["patients"] == 4
    np.testing.assert_allclose(records["absolute_error"], error.abs())
    again = evaluate_file(
        cohort_folder / "out/predictions.json", "regression", PredictionSettings()
    )
    assert again.document["mae"] == pytest.approx(metrics["mae"])


def test_what_the_checkpoint_cannot_show_is_a_note(cohort_folder):
    _, metrics = read(cohort_folder)
    notes = [Message.from_json(note) for note in metrics["notes"]]
    words = "\n".join(map(str, notes))
    assert (
        "recognised from its keys and shapes: small_resnet under 'backbone' "
        "with its head at 'fc', 1 output" in words
    )
    assert "backbone.fc.2: no weights there, so its kind cannot be known; taken for a ReLU" in words
    assert (
        "preprocessing: 64 × 64 pixels as given; assumed, not known: 1 channel, black −1, white 1"
        in words
    )
    assert metrics["model"]["resolved"]["input"]["size"] == 64
    assert "1 image without a mask: anon_3_1" in words


def test_best_and_worst_by_the_rule_that_is_stated(cohort_folder):
    records, metrics = read(cohort_folder)
    chosen = metrics["selection"]
    for name, row in (
        ("best", records["absolute_error"].idxmin()),
        ("worst", records["absolute_error"].idxmax()),
    ):
        case = chosen[f"gradcam_{name}_sample"]
        assert case["image"] == records["file"][row]
        extreme = "smallest" if name == "best" else "largest"
        assert f"{name}: 1 of {COUNT} cases: {extreme} |error| first" in str(
            Message.from_json(case["rule"])
        )


def test_lists_of_high_and_low_errors(cohort_folder):
    records, _ = read(cohort_folder)
    high, low = (
        (cohort_folder / "out" / f"{name}_error_samples.txt").read_text("utf-8").splitlines()
        for name in ("high", "low")
    )
    assert high[0].startswith("# images with an absolute error of at least 5, largest first:")
    assert high[1] == low[1] == "image\ttrue\tpredicted\terror"
    rows = [line.split("\t") for line in (*high[2:], *low[2:])]
    assert sorted(name for name, *_ in rows) == sorted(records["file"])
    errors = [abs(float(line.split("\t")[3])) for line in high[2:]]
    assert errors == sorted(errors, reverse=True)
    assert min(errors) >= 5 > max(abs(float(line.split("\t")[3])) for line in low[2:])


def test_evidence_in_the_masks_is_that_of_the_maps(cohort_folder):
    records, metrics = read(cohort_folder)
    assert records["mask_area"].tolist() == pytest.approx(
        [float("nan") if i == 3 else 0.25 for i in range(COUNT)], nan_ok=True
    )
    run = Run.open(cohort_folder / "out/run")
    maps = run.explanations()
    first = run.explanation(
        maps.index[(maps["image"] == "anon_0_1") & maps["target"].str.endswith("↑")][0]
    ).numpy()
    assert records["raises_in_mask"][0] == pytest.approx(
        first[12:36, 16:48].sum() / first.sum(), rel=1e-4
    )
    all_images = metrics["mask_evidence"][0]
    assert all_images["group"] == ALL_IMAGES == "all"
    assert (all_images["images"], all_images["interval_method"]) == (7, "none")
    assert all_images["share"] == pytest.approx(records["raises_in_mask"].mean())


def test_the_same_command_resumes(cohort_folder):
    before = {path: path.read_bytes() for path in (cohort_folder / "out").glob("*.*")}
    parts = {path: path.stat().st_mtime_ns for path in (cohort_folder / "out/run/maps").iterdir()}
    evaluated(cohort_folder, columns=SheetColumns(groups=("sex",)), layer="backbone.features.5")
    assert {path: path.read_bytes() for path in (cohort_folder / "out").glob("*.*")} == before
    assert {
        path: path.stat().st_mtime_ns for path in (cohort_folder / "out/run/maps").iterdir()
    } == parts


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sample", 8], "no sample 8 (8 rows can be used, counted from 0)"),
        (["--method", "gradcma"], "did you mean gradcam"),
        (["--layer", "backbone.layer9"], "no layer 'backbone.layer9'"),
        (["--colormap", "jett"], "did you mean jet"),
        (["--within", 0], "--within 0 (give a number above 0)"),
        (["--bin-width", -1], "--bin-width -1 (give a number above 0)"),
        (["--value-column", "agee"], "did you mean age?"),
        (["--model", "net.tom"], "neither a model card nor a factory"),
    ],
)
def test_a_wrong_request_is_one_line(cohort_folder, tmp_path, capsys, options, words):
    assert command(cohort_folder, tmp_path / "out", *options) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out/run/ledger.sqlite").exists()


def test_what_is_broken_costs_itself_alone(tmp_path):
    folder = write_study(tmp_path)
    (folder / "Images/anon_1_1.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (folder / "Masks/anon_2_1.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (folder / "Images/anon_4_1.png").unlink()
    result = evaluated(folder, samples=(1,), method="hirescam", colormap="jet")
    for words in (
        "Images/anon_1_1.png",
        "Masks/anon_2_1.png",
        "1 row without its image: anon_4_1",
        "sample 1, ",
    ):
        assert any(words in str(line) for line in result.failures), words
    assert len(result.failures) == 4
    records, metrics = read(folder)
    assert metrics["images"] == len(records) == COUNT - 2
    assert np.isnan(records.set_index("image")["mask_area"]["anon_2_1"])
    assert list(records["index"]) == [0, 2, 3, 4, 5, 6]


def test_nothing_can_be_read(tmp_path, capsys):
    folder = write_study(tmp_path)
    for path in (folder / "Images").iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\n cut")
    assert command(folder, folder / "out") == 1
    assert capsys.readouterr().err.count("error: ") == COUNT
    assert not (folder / "out/test_metrics.json").exists()


def test_a_method_that_does_not_fit_is_one_line(tmp_path, capsys):
    folder = write_study(tmp_path)
    assert command(folder, folder / "out", "--method", "legrad") == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert "self-attention" in error
    assert "choose a method that works at a layer" in error


def test_a_model_of_two_values_is_refused(tmp_path, capsys):
    folder = write_study(tmp_path, outputs=2)
    assert command(folder, folder / "out") == 2
    assert "has 2 outputs, not 1" in capsys.readouterr().err


def test_a_named_card_one_image_no_mask_and_no_evidence(tmp_path, capsys):
    folder = write_study(tmp_path)
    card = write_model(folder, "regression", ("years",))
    state = load_model(card, device="cpu").module.state_dict()
    torch.save(
        {key: value * (0 if key == "head.weight" else 1) for key, value in state.items()},
        folder / "weights.pt",
    )
    for path in (folder / "Masks").iterdir():
        path.unlink()
    pd.DataFrame({"id": ["anon_0_1"], "age": [30]}).to_excel(
        folder / "characteristics.xlsx", index=False
    )
    assert (
        command(
            folder,
            folder / "out",
            "--model",
            card,
            "--checkpoint",
            folder / "weights.pt",
            "--size",
            32,
        )
        == 0
    )
    assert "mae" in capsys.readouterr().out
    assert "anon_0_1" in (folder / "out/report/report.html").read_text("utf-8")
    records, metrics = read(folder)
    assert metrics["model"]["resolved"]["labels"] == ["years"]
    assert metrics["notes"][0]["code"] == "regression.model_named"
    assert metrics["mae"] == pytest.approx(records["absolute_error"][0])
    assert metrics["mask_evidence"] == []
    assert records["raises_in_mask"].isna().all()
    assert (folder / "out/gradcam_best_sample.png").exists()
