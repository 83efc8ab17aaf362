"""A map beside the agreement of readers."""

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlucida.datasets.public_truth import read_public_truth
from camlucida.evaluation.maps.readers import reader_notes, reader_scores
from camlucida.metrics.statistics import mean_interval


def square(start, stop):
    mask = np.zeros((10, 10), bool)
    mask[start:stop, start:stop] = True
    return mask


def test_pairs_and_the_map():
    first, second, third = square(0, 4), square(0, 4), square(2, 6)
    scores = reader_scores(square(0, 4).astype(float), {"R1": first, "R2": second, "R3": third})
    apart = 4 / 28
    assert scores["reader_iou"] == pytest.approx((1 + 2 * apart) / 3)
    assert scores["map_iou"] == pytest.approx((2 + apart) / 3)
    assert scores["readers"] == 3


def test_one_reader_agrees_with_nobody():
    scores = reader_scores(square(0, 4).astype(float), {"R1": square(0, 4)})
    assert np.isnan(scores["reader_iou"])
    assert scores["map_iou"] == 1


def test_notes():
    keys = {"label": "Mass", "method": "gradcam", "layer": "a"}
    rows = [
        {**keys, "image": "a", "patient": "p", "readers": 2, "reader_iou": 0.5, "map_iou": 0.2},
        {**keys, "image": "b", "patient": "q", "readers": 1, "reader_iou": np.nan, "map_iou": 0.4},
    ]
    (note,) = reader_notes(pd.DataFrame(rows))
    assert str(note) == (
        "Mass: the boxes of two readers have an IoU of 0.50 (1 image that two or more marked); "
        "gradcam, cut to the area of each reader's boxes, has 0.30 with a reader (2 images)"
    )
    assert reader_notes(pd.DataFrame(rows[1:])) == []
    assert reader_notes(pd.DataFrame()) == []


def test_intervals_are_by_patient():
    """Each patient's image twice: the interval is that of the patients, not of the rows."""
    keys = {"label": "Mass", "method": "gradcam", "layer": "a", "readers": 2}
    rng = np.random.default_rng(0)
    once = [
        {**keys, "patient": str(i), "reader_iou": iou, "map_iou": iou / 2}
        for i, iou in enumerate(rng.uniform(0.3, 0.9, 40))
    ]
    (single,) = reader_notes(pd.DataFrame(once))
    (double,) = reader_notes(pd.DataFrame(once * 2))
    mean = mean_interval([row["reader_iou"] for row in once], range(40))
    assert single.values["interval"].values["low"] == pytest.approx(mean.low)
    assert double.values["interval"].values["low"] == pytest.approx(mean.low)
    words = f"(95% interval {mean.low:.2f} to {mean.high:.2f} by patient; 40 images that two"
    assert words in str(single)
    worded = str(double)
    assert "80 images that two" in worded
    assert worded.count("by patient") == 2


def evaluated(tmp_path, film, truth, side):
    """Evaluate a network of two labels on one film with public ground truth."""
    from PIL import Image

    from camlucida.cli import main

    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),"
        " nn.Flatten(), nn.Linear(4, 2))\n"
    )
    card = tmp_path / "card.toml"
    card.write_text(
        'factory = "net.py:build"\ntask = "multilabel"\nlayer = "0"\n'
        'labels = ["Cardiomegaly", "Atelectasis"]\n[input]\nsize = 32\nchannels = 1\n'
    )
    films = tmp_path / "films"
    films.mkdir()
    picture = np.arange(side * side).reshape(side, side) // 8 % 251
    Image.fromarray(picture.astype(np.uint8)).save(films / film)
    words = ["evaluate", str(films), "--model", str(card), "--truth", truth]
    words += ["--metrics", "hit", "--baselines", "none", "--out", str(tmp_path / "out")]
    with contextlib.suppress(SystemExit):
        main(words)


def test_an_evaluation_with_readers(tmp_path, capsys):
    """Three readers' boxes of a VinBigData film: their agreement stands beside the map's."""
    evaluated(tmp_path, "9a5094b2563a1ef3ff50dc5c7ff71345.png", "vinbig", 2400)
    output = capsys.readouterr()
    assert "1 of 1 image is in the tables of vinbig" in output.err
    rows = pd.read_csv(tmp_path / "out" / "readers.csv")
    assert rows["label"].tolist() == ["Cardiomegaly"]
    assert 0.5 < rows["reader_iou"].iloc[0] < 1
    assert 0 <= rows["map_iou"].iloc[0] <= 1
    page = (tmp_path / "out" / "evaluation.html").read_text("utf-8")
    section = page.partition('id="readers"')[2].partition("</section>")[0]
    for name in ("reader_iou", "map_iou"):
        assert f"{rows[name].iloc[0]:.2f}" in section
    assert "Reader and reader" in section


def test_an_evaluation_with_views(tmp_path):
    evaluated(tmp_path, "00013118_008.png", "nih", 1024)
    rows = pd.read_csv(tmp_path / "out" / "rows.csv")
    public = read_public_truth("nih", [Path("00013118_008.png")], ("Atelectasis",))
    assert set(rows["view"]) == {public.views["00013118_008"]} <= {"PA", "AP"}


def test_a_box_outside_of_a_label_that_the_model_lacks_costs_nothing(tmp_path, capsys):
    """Pleural thickening reaches column 1524, outside the image, and is no label of the model."""
    evaluated(tmp_path, "4d911f55a3576833aa411f5718c8021e.png", "vinbig", 1000)
    rows = pd.read_csv(tmp_path / "out" / "rows.csv")
    assert set(rows["label"]) == {"Atelectasis"}
    assert "outside the image" not in capsys.readouterr().err
