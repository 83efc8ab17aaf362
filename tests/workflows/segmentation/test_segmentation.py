"""The command on a folder of SYNTHETIC squares, with a network whose prediction is known.

It predicts every pixel brighter than half.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from camlucida.cli import main
from camlucida.core.errors import LayerError, ModelError, UsageError
from camlucida.core.messages import named
from camlucida.core.numbers import number_or_dash
from camlucida.io import write_synthetic_png
from camlucida.metrics.contrast import inside_outside
from camlucida.runs import Run
from camlucida.runs.compute import Worker
from camlucida.workflows.segmentation import (
    explain_segmentation,
    one_image,
    sampled_images,
    segmentation_card,
)
from camlucida.workflows.segmentation.image_choice import Images
from camlucida.workflows.segmentation.inputs import input_of, method_name, target_word
from camlucida.workflows.segmentation.numbers import percent
from camlucida.workflows.segmentation.report import map_messages
from camlucida.workflows.segmentation.statistics import summarise
from tests.support.worded import assert_worded

NET = """
import torch
from torch import nn

class Encoder(nn.Module):
    out_channels = (1, 2, 2)

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, 1, 1), nn.MaxPool2d(2)

    def forward(self, x):
        first = self.first(x).relu()
        return [x, first, self.second(first)]

class Decoder(nn.Module):
    def forward(self, maps):
        return maps[1] + nn.functional.interpolate(maps[2], scale_factor=2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        self.segmentation_head = nn.Sequential(nn.Conv2d(2, 1, 1), nn.Identity())

    def forward(self, x):
        return self.segmentation_head(self.decoder(self.encoder(x)))

def build():
    net = Net()
    with torch.no_grad():
        net.encoder.first.weight.zero_(), net.encoder.first.bias.zero_()
        net.encoder.first.weight[:, :, 1, 1] = 1
        net.segmentation_head[0].weight.fill_(1), net.segmentation_head[0].bias.fill_(-2)
    return net
"""
CARD = """factory = "net.py:build"
task = "segmentation"
labels = ["lesion"]
[input]
size = 32
channels = 1
"""
LAYERS = ("encoder[-1]", "seg_head")


def square(rows: slice, columns: slice) -> np.ndarray:
    picture = np.zeros((32, 32), np.uint8)
    picture[rows, columns] = 255
    return picture


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Image "a": the mask is the square moved down by a quarter; "b" is dark; "c" has no mask."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("Dataset/test", "Dataset/masks", "models_1"):
        (folder / name).mkdir(parents=True)
    write_synthetic_png(folder / "Dataset/test/a.png", square(slice(8, 16), slice(8, 24)))
    write_synthetic_png(folder / "Dataset/masks/a.png", square(slice(10, 18), slice(8, 24)))
    for name in ("test", "masks"):
        write_synthetic_png(folder / f"Dataset/{name}/b.png", square(slice(0, 0), slice(0, 0)))
    write_synthetic_png(folder / "Dataset/test/c.png", square(slice(4, 8), slice(20, 28)))
    (folder / "net.py").write_text(NET)
    (folder / "card.toml").write_text(CARD)
    scope: dict = {}
    exec(NET, scope)
    torch.save(
        {"state_dict": scope["build"]().state_dict(), "epoch": 3},
        folder / "models_1/best_model.pth",
    )
    return folder


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch):
    """The same figures with fewer pixels."""
    for module in ("files", "panels"):
        monkeypatch.setattr(f"camlucida.figures.{module}.DPI", 40)


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr("camlucida.workflows.segmentation.job.write_pictures", lambda *given: [])


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
    with pytest.MonkeyPatch.context() as patch:
        for module in ("files", "panels"):
            patch.setattr(f"camlucida.figures.{module}.DPI", 40)
        yield explained(project, tmp_path_factory.mktemp("out"))


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


def test_a_missing_part_is_reported(study):
    (failure,) = study.failures
    assert failure.image == "b"
    assert "the model predicts no such pixel" in failure.what
    text = (study.out / "report.md").read_text("utf-8")
    assert "b.png" in text
    assert "c: " in text
    assert "no true mask of this image" in text
    assert "2 of 3 images have a map." in text
    assert "fewer than 10 patients" in text
    assert "SYNTHETIC" in text
    assert "excellent" not in text.lower()


def test_figures_and_page(study):
    names = {path.name for path in study.out.iterdir()}
    for image, kinds in {
        "a": ("analysis", "true_analysis", "methods", "layers"),
        "c": ("analysis", "methods", "layers"),
    }.items():
        assert {f"{image}_{kind}.{suffix}" for kind in kinds for suffix in ("png", "pdf")} <= names
        assert study.figures[image] == [f"{image}_{kind}.png" for kind in kinds]
    assert not any(name.startswith("b_") for name in names)
    page = (study.out / "index.html").read_text("utf-8")
    assert page.count("<img") == 7
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


def test_intervals_from_ten_patients_on_and_infinite_ratios_left_out():
    numbers = [*np.linspace(1, 2, 12), np.inf]
    about = {
        "layer": "l",
        "label": "lesion",
        "method": "m",
        "target": "predicted",
        "share": 0.5,
        "area": 0.1,
        "reached": 0.01,
        "shifted_median": 1.0,
    }
    rows = pd.DataFrame(
        [
            about | {"ratio": value, "patient": str(i), "empty_reason_code": ""}
            for i, value in enumerate(numbers)
        ]
    )
    summary = summarise(rows).set_index("metric")
    assert summary["estimate"]["ratio"] == pytest.approx(1.5)
    assert summary["low"]["ratio"] < 1.5 < summary["high"]["ratio"]
    assert (summary["images"]["ratio"], summary["left_out"]["ratio"]) == (12, 1)
    assert (summary["estimate"]["beyond_chance"], summary["chance"]["beyond_chance"]) == (
        1,
        pytest.approx(0.05),
    )
    (message,) = map_messages(summary.reset_index(), rows)
    low, high = summary["low"]["ratio"], summary["high"]["ratio"]
    assert f"1.5 [{low:.3g}, {high:.3g}]" in str(message)
    assert "in 13 of 13 maps" in str(message)
    assert "1 left out" in str(message)


def test_numbers_for_people():
    assert [number_or_dash(value) for value in (None, float("nan"), float("inf"), 1.2345)] == [
        "–",
        "–",
        "∞",
        "1.23",
    ]
    assert [percent(value) for value in (float("nan"), 0.004, 0.5)] == ["–", "0.4 %", "50 %"]


# --- what is handed over ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "masks", "expected"),
    [
        ("test", "masks", "masks"),
        ("test/images", "test/masks", None),  # the cohort finds these itself
        ("Test/Images", "Test/Masks", None),
        ("images", "Mask", "Mask"),
        ("", "masks", "masks"),
        ("test", None, None),
    ],
)
def test_where_images_and_masks_are(tmp_path, images, masks, expected):
    for folder in filter(lambda name: name is not None, (images, masks)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        write_synthetic_png(tmp_path / folder / "x.png", np.zeros((4, 4), np.uint8))
    chosen = sampled_images(tmp_path)
    assert chosen.paths == (tmp_path / images / "x.png",)
    assert chosen.masks == (None if expected is None else tmp_path / expected)


def test_the_draw_is_repeatable_and_stated(tmp_path):
    for i in range(9):
        write_synthetic_png(tmp_path / f"{i}.png", np.zeros((4, 4), np.uint8))
    draws = [sampled_images(tmp_path, count=4, seed=seed) for seed in (1, 1, 5)]
    assert draws[0] == draws[1]
    assert draws[0].paths != draws[2].paths
    assert list(draws[0].paths) == sorted(draws[0].paths)
    assert draws[0].rule.code == "image_choice.sample"
    values = draws[0].rule.values
    assert (values["count"], values["total"], values["seed"]) == (4, 9, 1)
    assert len(sampled_images(tmp_path, count=40).paths) == 9


def test_spellings():
    spelled = [
        "gradcam++",
        "Grad-CAM",
        "GradCAMPlusPlus",
        "score-cam",
        "layercam",
        "GRADCAM_PP",
        "gradcam_elementwise",
    ]
    wanted = [
        "gradcam_pp",
        "gradcam",
        "gradcam_pp",
        "scorecam",
        "layercam",
        "gradcam_pp",
        "gradcam_elementwise",
    ]
    assert [method_name(words) for words in spelled] == wanted
    assert [
        target_word(words)
        for words in ("predicted", "True", "component", "component:2", "pixel:3,4", "lesion")
    ] == [*("region", "truth", "component:1", "component:2", "pixel:3,4", "lesion")]
    with pytest.raises(UsageError, match="did you mean gradcam"):
        method_name("gradcma")
    with pytest.raises(UsageError, match="ROW,COLUMN"):
        target_word("pixel")


def test_a_checkpoint_is_recognised_and_assumptions_are_noted(tmp_path):
    smp = pytest.importorskip("segmentation_models_pytorch", reason="an optional extra")
    net = smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1)
    torch.save(net.state_dict(), tmp_path / "best_model.pth")
    recognised = segmentation_card(tmp_path)
    card = recognised.card
    assert (card.factory, card.args["encoder_name"], card.input.size, card.labels) == (
        "smp:Unet",
        "resnet18",
        640,
        ("foreground",),
    )
    assert recognised.notes[-1].values["height"] == 640
    assert str(input_of(card)).startswith("640 × 640 pixels (stretch), 3 channels, mean 0.485,")
    given = segmentation_card(tmp_path, image_size=96)
    assert given.card.input.size == 96
    assert given.notes[-1].code == "assumed.preprocessing_but_size"
    named = segmentation_card(
        tmp_path, architecture="UnetPlusPlus", encoder="resnet18", image_size=96
    ).card
    assert (named.factory, named.args["classes"], named.input.size) == ("smp:UnetPlusPlus", 1, 96)
    assert (
        segmentation_card(tmp_path, architecture="Unet").card.args["encoder_name"]
        == "efficientnet-b5"
    )
    with pytest.raises(ModelError):
        segmentation_card(tmp_path / "nowhere.pth")


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
def test_command(project, tmp_path, capsys):
    arguments = [
        "explain-segmentation",
        "--model_path",
        f"{project}/models_1",
        "--model",
        f"{project}/card.toml",
    ]
    out = ["--output-dir", f"{tmp_path}/out", "--device", "cpu"]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *arguments,
                "--data_dir",
                f"{project}/Dataset",
                "--methods",
                "gradcam,layercam",
                "--target_layer",
                "encoder_last",
                *out,
            ]
        )
    assert ended.value.code == 1  # film b has no region
    captured = capsys.readouterr()
    assert "b.png" in captured.err
    assert "encoder_last\tlayercam\tpredicted" in captured.out
    assert (tmp_path / "out/index.html").is_file()


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(("mode", "images"), [("single", ["c"]), ("batch", ["a", "c"])])
def test_the_command_line_of_the_source_system(project, tmp_path, mode, images):
    """Both places given, the mode picks one; lists with blanks between their words."""
    words = f"""explain-segmentation --model_path {project}/models_1 --mode {mode}
        --image_path {project}/Dataset/test/c.png --data_dir {project}/Dataset --num_samples 10
        --output_dir {tmp_path}/out --target_layer encoder_last seg_head
        --methods gradcam gradcam++ --device cpu --model {project}/card.toml"""
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    rows = pd.read_csv(tmp_path / "out/statistics.csv")
    assert (ended.value.code, sorted(set(rows["image"]))) == (
        (0, images) if mode == "single" else (1, images)
    )
    assert set(rows["layer"]) == {"encoder_last", "seg_head"}
    assert set(rows["method"]) == {"gradcam", "gradcam_pp"}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([], "either --image-path or --data-dir"),
        (
            ["--data-dir", "{0}/Dataset", "--image-path", "{0}/Dataset/test/a.png"],
            "--mode single or --mode batch",
        ),
        (["--mode", "single", "--data-dir", "{0}/Dataset"], "--mode single needs --image-path"),
        (
            ["--mode", "batch", "--image-path", "{0}/Dataset/test/a.png"],
            "--mode batch needs --data-dir",
        ),
        (["--mode", "bach", "--data-dir", "{0}/Dataset"], "unknown mode 'bach'"),
        (
            ["--data-dir", "{0}/Dataset", "--methods", "gradcam", "gradcamm"],
            "unknown method 'gradcamm'",
        ),
        (["--data-dir", "{0}/nowhere"], "no folder"),
        (["--data-dir", "{0}/models_1"], "no image in"),
        (["--image-path", "{0}/nowhere.png"], "nowhere.png"),
        (
            ["--image-path", "{0}/Dataset/test"],
            "holds 3 images (give one of them, or the folder as --data-dir)",
        ),
        (["--data-dir", "{0}/Dataset", "--mask-dir", "{0}/nowhere"], "--mask-dir: no folder"),
        (
            ["--data-dir", "{0}/Dataset", "--methods", "gradcam,gradcamm"],
            "unknown method 'gradcamm'",
        ),
        (["--data-dir", "{0}/Dataset", "--target", "pixel"], "pixel:ROW,COLUMN"),
        (["--data-dir", "{0}/Dataset", "--target", "lesoin"], "unknown label 'lesoin'"),
    ],
)
def test_wrong_requests_leave_nothing(project, tmp_path, capsys, more, why):
    arguments = [
        "explain-segmentation",
        "--model-path",
        f"{project}/models_1",
        "--model",
        f"{project}/card.toml",
        "--device",
        "cpu",
    ]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *arguments,
                "--output-dir",
                f"{tmp_path}/out",
                *(word.format(project) for word in more),
            ]
        )
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


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
        "x_tissue_predicted_analysis.png",
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
