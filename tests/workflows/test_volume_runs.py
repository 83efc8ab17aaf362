"""``run``, ``evaluate`` and ``report`` of a model of volumes, with masks on three axes."""

import numpy as np
import pandas as pd
import pytest

from camlucida.cli import main
from camlucida.core.volume_scan import VolumeScan
from camlucida.runs import Run
from camlucida.runs.compute import Worker
from camlucida.runs.stored_scan import NO_PICTURE
from tests.support.viewed_page import offline_page, opened
from tests.support.volumes import with_lesion, write_nifti, write_series, write_volume_model

COHORT = """
images = "volumes"
masks = "truth"
model = "card.toml"

[explain]
target = "Lesion"
method = ["gradcam", "eigencam"]
"""
SIZE = (10, 12, 14)


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three volumes, their lesions at different places, and masks around them; a run."""
    folder = tmp_path_factory.mktemp("cohort")
    write_volume_model(folder)
    (folder / "cohort.toml").write_text(COHORT)
    for name in ("volumes", "truth"):
        (folder / name).mkdir()
    for number in range(3):
        lesion = (3, 8, 5 + number)
        write_nifti(folder / "volumes" / f"v{number}.nii.gz", with_lesion(SIZE, lesion))
        write_nifti(folder / "truth" / f"v{number}.nii.gz", with_lesion(SIZE, lesion, lesion=1))
    assert run("run", folder / "cohort.toml", "--out", folder / "run") == 0
    return folder


def test_a_run_keeps_signed_maps_of_three_axes(cohort):
    opened = Run.open(cohort / "run")
    table = opened.explanations()
    assert list(table["image"]) == ["v0", "v0", "v1", "v1", "v2", "v2"]
    assert [list(grid) for grid in table["grid"]] == [list(SIZE)] * 6
    explanation = opened.explanation(2)
    assert isinstance(explanation.scan, VolumeScan)
    # the first axis of the file runs to the left, that of the model to the right
    assert np.unravel_index(int(explanation.raw.argmax()), SIZE) == (6, 8, 6)


def test_a_volume_that_is_gone_leaves_its_map(cohort, tmp_path):
    path = cohort / "volumes" / "v2.nii.gz"
    kept = path.read_bytes()
    path.unlink()
    try:
        explanation = Run.open(cohort / "run").explanation(4)
        assert explanation.scan.warnings == (NO_PICTURE,)
        assert np.unravel_index(explanation.numpy().argmax(), SIZE) == (6, 8, 7)
    finally:
        path.write_bytes(kept)


def test_maps_are_evaluated_against_masks_of_three_axes(cohort, capsys):
    out = cohort / "evaluation"
    assert run("evaluate", cohort / "run", "--out", out, "--baselines", "oracle,center") == 0
    rows = pd.read_parquet(out / "rows.parquet").set_index(["method", "metric"])
    assert (rows.loc[("gradcam", "hit"), "value"] == 1).all()
    assert (rows.loc[("gradcam", "relevance_mass"), "value"] == 1).all()
    assert (rows.loc[("center", "hit"), "value"] == 0).all()
    assert np.allclose(rows.loc[("gradcam", "hit"), "chance"], 1 / np.prod(SIZE))
    assert "road" not in rows.index.get_level_values("metric")
    assert "left out, for they are defined on images alone" in capsys.readouterr().err
    assert len(list(out.glob("case_*.png"))) == 3
    assert all('"runs":' in path.read_text() for path in out.glob("case_*.view.js"))


def test_deletion_and_insertion_are_measured_and_road_alone_is_refused(cohort, tmp_path, capsys):
    volumes = (cohort / "volumes", "--model", cohort / "card.toml", "--baselines", "none")
    out = tmp_path / "out"
    assert run("evaluate", *volumes, "--metrics", "deletion,insertion", "--out", out) == 0
    rows = pd.read_parquet(out / "rows.parquet")
    assert set(rows["metric"]) == {"deletion", "insertion"}
    assert rows["value"].notna().all()
    assert run("evaluate", *volumes, "--metrics", "road", "--out", tmp_path / "no") == 2
    assert "road: defined on images alone" in capsys.readouterr().err


def test_a_series_that_is_unchanged_is_not_computed_again(tmp_path, monkeypatch):
    write_volume_model(tmp_path)
    slices = with_lesion((14, 12, 10), (9, 2, 7)).astype(np.int16)
    write_series(tmp_path / "volumes" / "ct", slices)
    text = COHORT.replace('masks = "truth"\n', "")
    (tmp_path / "cohort.toml").write_text(text)
    options = (tmp_path / "cohort.toml", "--out", tmp_path / "run")
    assert run("run", *options) == 0
    monkeypatch.setattr(Worker, "process", None)
    assert run("run", *options, "--resume") == 0
    assert list(Run.open(tmp_path / "run").predictions()["image"]) == ["ct"]


def test_a_report_shows_three_planes_of_each_case(cohort):
    assert run("report", cohort / "run", "--out", cohort / "report") == 0
    figures = sorted(path.name for path in (cohort / "report" / "figures").glob("*.png"))
    assert "gradcam_1_Lesion.png" in figures
    page = (cohort / "report" / "report.html").read_text()
    assert "too many values" not in page
    assert "10 × 12 × 14 voxels" in page
    assert "1 × 1 × 1" in page  # the cell of a map, in voxels


def test_the_volumes_of_a_comparison_open_in_the_viewer(cohort, tmp_path):
    assert run("compare", cohort / "run", "--by", "method", "--out", tmp_path) == 0
    with offline_page(tmp_path / "comparison.html") as page:
        volume = opened(page)["volume"]
    names = [each["method"].partition(" · ")[0] for each in volume["maps"]]
    assert names == ["gradcam = eigencam"]
