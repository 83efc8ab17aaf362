import json

import numpy as np
import pandas as pd
import pytest

from camlucida.cli import main
from camlucida.io import read_image
from tests.support.runs_on_disk import run_of, save
from tests.support.saliency_files import write_dataset

TRUTH = "gt_segmentations.json"


def call(*words):
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate-chexlocalize", *map(str, words)])
    return exit_.value.code


def test_thresholds_are_tuned_written_and_used_again(tmp_path, capsys):
    write_dataset(tmp_path / "val", 100, 4)
    write_dataset(tmp_path / "test", 500, 12)
    test, val, first, again = (tmp_path / name for name in ("test", "val", "first", "again"))
    tuning = ("--tune-maps", val / "maps", "--tune-truth", val / "gt_annotations.json")
    assert call(test / "maps", "--truth", test / TRUTH, *tuning, "--out", first) == 0
    names = ["chexlocalize.html", "chexlocalize.json", "pixels.csv", "rows.csv", "summary.csv"]
    assert sorted(path.name for path in first.iterdir()) == [*names, "tuning_results.csv"]
    assert "others than those evaluated" in capsys.readouterr().err
    file = first / "tuning_results.csv"
    assert not call(
        test / "maps", "--gt-path", test / TRUTH, "--threshold-path", file, "--out", again
    )
    assert (first / "summary.csv").read_bytes() == (again / "summary.csv").read_bytes()
    record = json.loads((first / "chexlocalize.json").read_text())
    assert set(record["thresholds"]) == {"Edema", "Lung Lesion"}
    page = (first / "chexlocalize.html").read_text()
    assert "Thresholds tuned per label" in page
    assert "ceiling" in page


def test_a_run_is_evaluated(tmp_path, capsys):
    run_of(
        tmp_path, "multilabel", ("Edema", "Mass"), "image,Edema,Mass\n0,1,0\n1,0,1\n2,1,1\n3,0,0\n"
    )
    mask = np.zeros(read_image(tmp_path / "films/0.png").pixels.shape, bool)
    mask[2:8, 2:8] = True
    save(tmp_path / "masks/Edema/0.png", mask)
    assert not call(tmp_path / "run", "--truth", tmp_path / "masks", "--out", tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out/rows.csv")
    assert set(rows["label"]) == {"Edema"}
    assert set(rows["image"].astype(str)) == {"0"}
    assert rows["model"].notna().all()
    page = (tmp_path / "out/chexlocalize.html").read_text()
    images = pd.read_csv(tmp_path / "out/pixels.csv")["image"].nunique()
    assert f"<td>{images} " in page
    assert "SYNTHETIC" not in page  # the films are drawn here, and do not say so
    assert "without ground truth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--tune-maps", "maps"), "give both"),
        (("--thresholds", "t.csv", "--tune-maps", "m", "--tune-truth", "t"), "are both given"),
        (("--thresholds", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_requests_that_do_not_fit_write_nothing(tmp_path, capsys, options, error):
    write_dataset(tmp_path, 100, 1)
    truth, out = tmp_path / TRUTH, tmp_path / "out"
    assert call(tmp_path / "maps", "--truth", truth, *options, "--out", out) == 2
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
