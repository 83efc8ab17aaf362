"""``camlucida explain-segmentation`` on a folder of SYNTHETIC squares."""

from pathlib import Path

import pandas as pd
import pytest

from camlucida.cli import main
from tests.support.segmentation_project import write_project
from tests.support.viewed_page import map_methods, offline_page, opened, shows_static_pictures


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr("camlucida.workflows.segmentation.job.write_pictures", lambda *given: [])


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
    assert ended.value.code == 0  # nothing is predicted in b, which is a result
    captured = capsys.readouterr()
    assert "error" not in captured.err
    assert "Nothing is predicted in 1 of 3 images: b." in captured.out
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
    assert (ended.value.code, sorted(set(rows["image"]))) == (0, images)
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


def test_nothing_predicted_is_no_error_of_explain(project, tmp_path, capsys):
    film, card = str(project / "Dataset/test/b.png"), str(project / "card.toml")
    request = ["--target", "region", "--target", "pixel:3,3"]
    with pytest.raises(SystemExit) as ended:
        main(["explain", film, "-m", card, "-o", str(tmp_path / "out"), *request])
    captured = capsys.readouterr()
    assert ended.value.code == 0
    assert "1 of 1 images explained, 1 explanation:" in captured.out
    assert "1 image: the model predicts no pixel of 'lesion'" in captured.err


def test_the_figures_of_an_image_open_the_viewer_with_every_map(project, tmp_path):
    words = f"""explain-segmentation --model_path {project}/models_1 --data_dir
        {project}/Dataset --output_dir {tmp_path}/out --methods gradcam layercam
        --target predicted --target true --device cpu --model {project}/card.toml"""
    with pytest.raises(SystemExit):
        main(words.split())
    with offline_page(tmp_path / "out/index.html") as page:
        data = opened(page)
        assert shows_static_pictures(page)
    assert set(map_methods(data)) == {"gradcam", "layercam"}
    assert [outline["label"] for outline in data["outlines"]] == ["true"]
