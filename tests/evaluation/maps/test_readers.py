"""A map beside the agreement of readers."""

import contextlib

import numpy as np
import pandas as pd
import pytest

from camlucida.evaluation.maps.readers import reader_notes, reader_scores


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
        {**keys, "image": "a", "readers": 2, "reader_iou": 0.5, "map_iou": 0.2},
        {**keys, "image": "b", "readers": 1, "reader_iou": np.nan, "map_iou": 0.4},
    ]
    (note,) = reader_notes(pd.DataFrame(rows))
    assert str(note) == (
        "Mass: the boxes of two readers have an IoU of 0.50 (1 image that two or more marked); "
        "gradcam, cut to the area of each reader's boxes, has 0.30 with a reader (2 images)"
    )
    assert reader_notes(pd.DataFrame(rows[1:])) == []
    assert reader_notes(pd.DataFrame()) == []


def test_an_evaluation_with_readers(tmp_path, capsys):
    """Three readers' boxes of a VinBigData film: their agreement stands beside the map's."""
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
        'labels = ["Cardiomegaly", "Hernia"]\n[input]\nsize = 32\nchannels = 1\n'
    )
    films = tmp_path / "films"
    films.mkdir()
    picture = np.arange(200 * 200).reshape(200, 200) % 251
    large = np.kron(picture, np.ones((12, 12))).astype(np.uint8)
    Image.fromarray(large).save(films / "9a5094b2563a1ef3ff50dc5c7ff71345.png")
    words = ["evaluate", str(films), "--model", str(card), "--truth", "vinbig"]
    words += ["--metrics", "hit", "--baselines", "none", "--out", str(tmp_path / "out")]
    with contextlib.suppress(SystemExit):
        main(words)
    output = capsys.readouterr()
    assert "1 of 1 image is in the tables of vinbig" in output.err
    rows = pd.read_csv(tmp_path / "out" / "readers.csv")
    assert rows["label"].tolist() == ["Cardiomegaly"]
    assert 0.5 < rows["reader_iou"].iloc[0] < 1
    assert 0 <= rows["map_iou"].iloc[0] <= 1
