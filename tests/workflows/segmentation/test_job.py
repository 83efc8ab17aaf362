"""The workflow on a folder of SYNTHETIC squares, with a network whose prediction is known.

It predicts every pixel brighter than half.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from camlucida.core.errors import LayerError
from camlucida.core.messages import named
from camlucida.io import write_synthetic_png
from camlucida.metrics.contrast import inside_outside
from camlucida.metrics.score_table import table
from camlucida.metrics.segmentation import evaluate_segmentation
from camlucida.runs import Run
from camlucida.runs.compute import Worker
from camlucida.workflows.segmentation import explain_segmentation, one_image, sampled_images
from camlucida.workflows.segmentation.image_choice import Images
from tests.support.segmentation_project import CARD, NET, square
from tests.support.worded import assert_worded

LAYERS = ("encoder[-1]", "seg_head")


def explained(project: Path, out: Path, **options):
    images = sampled_images(project / "Dataset")
    model = str(project / "card.toml")
    options = {
        "targets": ("predicted", "true"),
        "methods": ("gradcam", "hirescam"),
        "layers": LAYERS,
    } | options
    return explain_segmentation(
        project / "models_1", images, out, model=model, device="cpu", **options
    )


@pytest.fixture(scope="module")
def study(project, tmp_path_factory):
    return explained(project, tmp_path_factory.mktemp("out"))


def test_a_row_a_map(study):
    rows = pd.read_csv(study.out / "statistics.csv")
    assert_worded(rows, "empty_reason")
    keys = rows[["image", "target", "method", "layer"]].apply(tuple, axis=1)
    expected = {
        *(
            ("a", target, method, layer)
            for target in ("predicted", "true")
            for method in ("gradcam", "hirescam")
            for layer in LAYERS
        ),
        *(
            ("c", "predicted", method, layer)
            for method in ("gradcam", "hirescam")
            for layer in LAYERS
        ),
    }
    assert set(keys) == expected
    assert len(keys) == len(expected)
    assert set(rows["path"]) == {"encoder[2]", "segmentation_head.0"}


def test_ratios_are_those_of_the_stored_maps(study):
    run = Run.open(study.out / "run")
    predicted, true = (
        square(slice(8, 16), slice(8, 24)) > 0,
        square(slice(10, 18), slice(8, 24)) > 0,
    )
    rows = study.statistics
    for index, row in run.explanations().iterrows():
        if row["image"] == "a":
            values = run.explanation(index).numpy()
            ratio, truth = (
                inside_outside(values, mask)
                for mask in (true if "true" in row["target"] else predicted, true)
            )
            assert rows["ratio"][index] == pytest.approx(ratio, rel=1e-6, abs=1e-9)
            assert rows["truth_ratio"][index] == pytest.approx(truth, rel=1e-6, abs=1e-9)
            assert (rows["mean"][index], rows["max"][index]) == pytest.approx(
                (values.mean(), values.max())
            )
            assert (rows["area"][index], rows["truth_area"][index]) == (128 / 1024, 128 / 1024)
            assert (
                rows["shifted_low"][index]
                <= rows["shifted_median"][index]
                <= rows["shifted_high"][index]
            )
    assert rows["truth_ratio"][rows["image"] == "c"].isna().all()


def test_overlap_of_a_square_with_itself_moved_by_a_quarter(study):
    """Three quarters of each are shared: Dice ¾, IoU 3/5."""
    rows = pd.read_csv(study.out / "overlap.csv").set_index("image")
    assert (rows["dice"]["a"], rows["iou"]["a"], rows["hits"]["a"]) == (0.75, 0.6, 1)
    assert np.isnan(rows["dice"]["b"])  # both are empty
    assert "c" not in rows.index


def test_heads_are_circular_and_predicted_regions_partly(study):
    circular = study.statistics.set_index(["target", "layer"])["circular"].to_dict()
    assert circular == {
        ("predicted", "encoder[-1]"): "partly",
        ("predicted", "seg_head"): "yes",
        ("true", "encoder[-1]"): "",
        ("true", "seg_head"): "yes",
    }
    text = "\n".join(map(str, study.messages["limits"]))
    assert "seg_head" in text
    assert "restate the segmentation" in text


def test_nothing_predicted_as_the_truth_says_is_a_result(study):
    assert not study.failures
    figures = table(evaluate_segmentation(pd.read_csv(study.out / "overlap.csv")))
    agreement = figures.set_index("metric").loc["empty_agreement"]
    assert (agreement["estimate"], agreement["n"]) == (1, 1)
    text = "\n".join(map(str, study.messages["segmentation"]))
    assert "Empty true masks in which nothing is predicted (lesion): 1" in text
    assert "Nothing is predicted in 1 of 3 images: b. In 1 of the 1" in text


def test_a_missing_part_is_reported(study):
    text = (study.out / "report.md").read_text("utf-8")
    assert "c: " in text
    assert "no true mask of this image" in text
    assert "2 of 3 images have a map." in text
    assert "fewer than 10 patients" in text
    assert "SYNTHETIC" in text
    assert "excellent" not in text.lower()


def test_figures_and_page(study):
    names = {path.name for path in study.out.iterdir()}
    for image, kinds in {
        "a": (
            *("analysis", "hirescam_analysis", "true_analysis", "true_hirescam_analysis"),
            *("methods", "layers"),
        ),
        "c": ("analysis", "hirescam_analysis", "methods", "layers"),
    }.items():
        assert {f"{image}_{kind}.{suffix}" for kind in kinds for suffix in ("png", "pdf")} <= names
        assert study.figures[image] == [f"{image}_{kind}.png" for kind in kinds]
    assert not any(name.startswith("b_") for name in names)
    page = (study.out / "index.html").read_text("utf-8")
    assert page.count("<img") == 10
    assert "seg_head (circular)" in page
    assert "SYNTHETIC" in page


def test_summary(study):
    rows = pd.read_csv(study.out / "batch_summary.csv")
    assert set(rows["interval_method"]) == {"none"}
    one = rows[
        (rows["target"] == "predicted")
        & (rows["layer"] == "encoder[-1]")
        & (rows["method"] == "gradcam")
    ].set_index("metric")
    per_image = study.statistics[
        (study.statistics["layer"] == "encoder[-1]") & (study.statistics["method"] == "gradcam")
    ]
    mean = per_image["ratio"][per_image["target"] == "predicted"].mean()
    assert one["estimate"]["ratio"] == pytest.approx(mean)
    assert one["images"]["ratio"] == 2
    assert one["chance"]["share"] == pytest.approx((128 / 1024 + 32 / 1024) / 2)


@pytest.mark.usefixtures("no_figures")
def test_a_second_call_computes_nothing_and_writes_the_same(project, tmp_path, monkeypatch):
    def call() -> dict[str, bytes]:
        images = one_image(project / "Dataset/test/c.png")
        explain_segmentation(
            project / "models_1",
            images,
            tmp_path / "out",
            model=str(project / "card.toml"),
            device="cpu",
        )
        return {
            path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()
        }

    before = call()
    monkeypatch.setattr(Worker, "process", lambda self, members: pytest.fail("computed again"))
    assert call() == before


def test_components_and_pixels(project, tmp_path):
    images = one_image(project / "Dataset/test/a.png")
    assert images.masks == project / "Dataset/masks"
    options = {"targets": ("component", "pixel:12,10"), "layers": ["encoder_last"], "device": "cpu"}
    result = explain_segmentation(
        project / "models_1", images, tmp_path / "out", model=str(project / "card.toml"), **options
    )
    rows = result.statistics.set_index("target")
    assert list(rows.index) == ["component 1", "pixel 12,10"]
    assert rows["area"].tolist() == [128 / 1024, 1 / 1024]
    assert result.figures["a"] == ["a_analysis.png", "a_pixel_12_10_analysis.png"]
    first, second = result.messages["limits"]
    assert (first.values["targets"], first.values["reason"].code) == (
        ["component 1"],
        "circular.prediction",
    )
    assert (second.values["targets"], second.values["reason"].code) == (
        ["pixel 12,10"],
        "circular.pixel",
    )


def test_an_unknown_layer_is_an_error_that_lists_the_layers(project, tmp_path):
    with pytest.raises(
        LayerError,
        match=r"encoder_lst.*encoder\[2\] 2×16×16.*decoder 2×32×32.*segmentation_head.0 1×32×32",
    ):
        explained(project, tmp_path / "out", layers=("encoder_lst",))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_figures")
def test_a_mask_that_cannot_be_read_costs_the_truth_alone(project, tmp_path):
    (tmp_path / "masks").mkdir()
    write_synthetic_png(tmp_path / "masks/a.png", np.zeros((8, 8), np.uint8))
    images = Images((project / "Dataset/test/a.png",), tmp_path / "masks", named("one"))
    result = explain_segmentation(
        project / "models_1",
        images,
        tmp_path / "out",
        model=str(project / "card.toml"),
        layers=["encoder_last"],
        device="cpu",
    )
    (failure,) = result.failures
    assert failure.image == "a"
    assert "8×8 for an image of 32×32" in failure.what
    assert len(result.statistics) == 1
    assert "truth_ratio" not in result.statistics


def test_each_of_two_labels_has_a_sheet_and_means(project, tmp_path):
    """Grey pixels are tissue, white ones lesion: each has a sheet, and means do not mix them."""
    changes = {
        "Conv2d(2, 1, 1)": "Conv2d(2, 3, 1)",
        "[0].weight.fill_(1)": (
            "[0].weight.copy_(torch.tensor([0, 1, 2.]).view(3, 1, 1, 1).expand(3, 2, 1, 1))"
        ),
        "bias.fill_(-2)": "bias.copy_(torch.tensor([0, -2, -5.]))",
    }
    net = NET
    for old, new in changes.items():
        net = net.replace(old, new)
    (tmp_path / "net.py").write_text(net)
    (tmp_path / "card.toml").write_text(CARD.replace('["lesion"]', '["", "tissue", "lesion"]'))
    scope: dict = {}
    exec(net, scope)
    torch.save(scope["build"]().state_dict(), tmp_path / "best_model.pth")
    picture = square(slice(2, 12), slice(2, 20))
    picture[20:28, 4:28] = 153
    write_synthetic_png(tmp_path / "x.png", picture)
    (tmp_path / "masks").mkdir()
    write_synthetic_png(tmp_path / "masks/x.png", np.where(picture == 255, 255, 0).astype(np.uint8))
    options = {
        "targets": ("lesion", "tissue"),
        "methods": ("gradcam", "hirescam"),
        "layers": ["encoder_last"],
        "device": "cpu",
    }
    result = explain_segmentation(
        tmp_path,
        one_image(tmp_path / "x.png"),
        tmp_path / "out",
        model=str(tmp_path / "card.toml"),
        **options,
    )
    assert result.figures["x"] == [
        "x_analysis.png",
        "x_hirescam_analysis.png",
        "x_tissue_predicted_analysis.png",
        "x_tissue_predicted_hirescam_analysis.png",
        "x_methods.png",
    ]
    ratios = result.summary[result.summary["metric"] == "ratio"].set_index(["method", "label"])
    assert set(ratios["images"]) == {1}
    assert set(ratios.index) == {
        (method, label) for method in ("gradcam", "hirescam") for label in ("lesion", "tissue")
    }
    text = (tmp_path / "out/report.md").read_text()
    assert r"encoder\_last, gradcam, target tissue predicted" in text
    assert "A mask names no label" in text
    assert "Dice (lesion): 1 (" in text
    assert "2 images × labels" in text


@pytest.mark.parametrize(
    "methods", [("input_x_gradient", "gradcam"), ("input_x_gradient",), ("gradcam", "legrad")]
)
def test_methods_of_the_pixels_and_those_that_do_not_fit(project, tmp_path, methods):
    result = explained(project, tmp_path, methods=methods, targets=("predicted",))
    rows = pd.read_csv(result.out / "statistics.csv")
    expected = {"input_x_gradient": {"(input)"}, "gradcam": set(LAYERS)}
    fitting = [method for method in methods if method in expected]
    for method in fitting:
        assert set(rows["layer"][rows["method"] == method]) == expected[method]
    assert set(rows["method"]) == set(fitting)
    assert rows["ratio"].notna().any()
    sheets = {path.name for path in result.out.rglob("*_analysis.png")}
    assert len(sheets) == rows["image"].nunique() * len(fitting)
