"""Names of runs and of map series; the pixel spacing of a file."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from camlucida.report.tables import pixel_spacing, run_names, series_of
from camlucida.runs import Run
from tests.support.models_on_disk import write_image


def test_runs_of_folders_with_one_name_are_called_by_their_paths(small_run, tmp_path):
    shutil.copytree(small_run.folder.root, tmp_path / "run")
    names = run_names((small_run, Run.open(tmp_path / "run")))
    assert names == (str(small_run.folder.root), str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("all_series", "names"),
    [
        (
            ["a gradcam last", "a gradcam mid", "b gradcam last", "b gradcam mid"],
            ["a, last", "a, mid", "b, last", "b, mid"],
        ),
        (["a gradcam features", "b gradcam layer4"], ["a", "b"]),  # each model's only layer
        (["a gradcam last", "a layercam last"], ["gradcam", "layercam"]),
        (["a gradcam last"], ["a"]),
    ],
)
def test_all_series_have_names_of_their_own(all_series, names):
    rows = [dict(zip(("model", "method", "layer"), series.split())) for series in all_series]
    all_series_of_rows = series_of(pd.DataFrame(rows).assign(run=0), ("run",))
    assert [series.name for series in all_series_of_rows] == names


def test_an_image_that_is_no_dicom_file_has_no_pixel_spacing(tmp_path):
    assert pixel_spacing(write_image(tmp_path / "a.png")) is None
    assert pixel_spacing(tmp_path / "missing.dcm") is None
