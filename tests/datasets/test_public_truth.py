"""Public ground truth by name, joined to files that are named as in the data sets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.datasets import public_truth
from camlucida.datasets.ground_truth import ground_truth_of
from camlucida.datasets.public_truth import NAMES, read_public_truth, table_path

LABELS = ("Cardiomegaly", "Infiltration", "Pneumonia", "Effusion", "Pneumothorax", "Nodule/Mass")


def truth_of(name, *files, labels=LABELS):
    public = read_public_truth(name, [Path("films", file) for file in files], labels)
    return public, ground_truth_of(public.join)


def test_nih_boxes_patients_and_views():
    public, truth = truth_of("nih", "00013118_008.png", "00000001_001.png", "mine.png")
    assert public.patients == {"00013118_008": "13118", "00000001_001": "1"}
    assert public.views["00000001_001"] == "PA"
    assert public.labels["00000001_001"] == ("Cardiomegaly", "Emphysema")
    boxes = truth.boxed["00013118_008"]["Atelectasis"].rows
    np.testing.assert_allclose(boxes, [[225.0847, 547.0192, 86.7797, 79.1864]], atol=1e-3)
    assert [str(note) for note in public.notes] == [
        "2 of 3 images are in the tables of nih; 1 has annotations of findings"
    ]


def test_a_smaller_copy_is_scaled():
    _, truth = truth_of("nih", "00013118_008.png", labels=("Atelectasis",))
    large = truth.boxes("00013118_008", "films/00013118_008.png", (1024, 1024))["Atelectasis"]
    small = truth.boxes("00013118_008", "films/00013118_008.png", (256, 256))["Atelectasis"]
    np.testing.assert_allclose(small * 4, large)
    assert len(truth.scaled) == 1


def test_names_of_the_same_finding():
    table = pd.read_csv(table_path("BBox_List_2017.csv.gz"))
    stem = table[table["Finding Label"] == "Infiltrate"]["Image Index"].iloc[0]
    _, truth = truth_of("nih", stem)
    assert "Infiltration" in truth.has(stem[:-4], stem)


def test_rsna():
    stem = "00436515-870c-4b36-a041-de91049b9ab4"
    negative = "0004cfab-14fd-4e49-80ba-63a80b6bddd6"
    public, truth = truth_of("rsna", f"{stem}.dcm", f"{negative}.dcm")
    boxes = truth.boxes(stem, f"films/{stem}.dcm", (1024, 1024))["Pneumonia"]
    assert boxes.tolist() == [[264, 152, 213, 379], [562, 152, 256, 453]]
    assert public.labels == {stem: ("Pneumonia",), negative: ()}
    assert set(public.views) == {stem, negative}


def test_siim_runs_go_down_the_columns():
    stem = "1.2.276.0.7230010.3.1.4.8323329.13666.1517875247.117800"
    public, truth = truth_of("siim", f"{stem}.dcm")
    mask = truth.masks(stem, f"films/{stem}.dcm", (1024, 1024))["Pneumothorax"]
    column, row = divmod(557374, 1024)
    assert mask[row : row + 2, column].all()
    assert not mask[row - 1, column]
    assert not mask[:, :column].any()
    # the second run: 1015 pixels after the first, 8 long
    column, row = divmod(557374 + 2 + 1015, 1024)
    assert mask[row : row + 8, column].all()
    assert not mask[row + 8, column]
    assert public.labels == {stem: ("Pneumothorax",)}


def test_vinbig_has_readers():
    stem = "9a5094b2563a1ef3ff50dc5c7ff71345"
    public, truth = truth_of("vinbig", f"{stem}.dicom")
    readers = public.readers[stem]["Cardiomegaly"]
    assert readers["R10"].rows.tolist() == [[691.0, 1375.0, 962.0, 456.0]]
    union = truth.boxed[stem]["Cardiomegaly"].rows
    assert len(union) == sum(len(boxes.rows) for boxes in readers.values())
    assert "Effusion" in public.labels[stem] or "Pleural effusion" not in public.labels[stem]


@pytest.mark.parametrize("name", NAMES)
def test_files_with_other_names_are_refused(name):
    with pytest.raises(UsageError, match=f"--truth {name}: none of 1 images is in its tables"):
        read_public_truth(name, [Path("a.png")], LABELS)


def test_what_is_not_there(monkeypatch):
    with pytest.raises(UsageError, match="nih"):
        read_public_truth("nhi", [Path("a.png")], LABELS)
    monkeypatch.setattr(public_truth, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'camlucida\[zoo\]'"):
        read_public_truth("nih", [Path("a.png")], LABELS)
