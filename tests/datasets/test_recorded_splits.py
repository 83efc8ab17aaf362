"""The split that a checkpoint records, joined to the rows of a table."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from camlucida.core.errors import UsageError
from camlucida.datasets.images import read_labelled_images
from camlucida.datasets.recorded_splits import (
    SplitSource,
    TableRows,
    find_recorded_split,
    split_rows,
)

ABOUT = {"seed": 3, "test_size": 0.25, "n_train": 6, "n_test": 2}
TRAIN, TEST = train_test_split(np.arange(8), test_size=0.25, random_state=3)


def recorded(**about):
    return find_recorded_split(Path("run/best.pth"), {"split": {**ABOUT, **about}})


def rows(count=8, usable=None, labels=None):
    labels = labels or ["a"] * count
    return TableRows(Path("t.csv"), labels, [""] * count, usable or range(count), "'grade'")


def codes(splits):
    return [note.code.partition(".")[2] for note in splits.notes]


def test_the_split_of_the_table_counts_first():
    splits = split_rows(["train"] * 7 + ["test"], SplitSource(recorded()), rows(), None)
    assert (splits.cells[-1], splits.split, splits.notes) == ("test", None, ())


def test_the_recorded_split_leaves_training_out():
    splits = split_rows(None, SplitSource(recorded()), rows(), None)
    assert [row for row, cell in enumerate(splits.cells) if cell == "test"] == sorted(TEST)
    assert splits.split == "test"
    assert codes(splits) == ["reproduced", "order"]
    assert str(splits.notes[0]) == (
        "the split test is reproduced from best.pth: train_test_split, seed 3, 2 rows"
    )


@pytest.mark.parametrize(
    ("requested", "usable", "held_out", "split"),
    [
        ("all", None, True, None),
        ("train", None, True, "train"),
        (None, None, False, None),
        (None, [int(TRAIN[0])], True, None),
    ],
)
def test_what_is_requested_counts(requested, usable, held_out, split):
    source = SplitSource(recorded(), held_out)
    splits = split_rows(None, source, rows(usable=usable), requested)
    assert splits.split == split
    assert sorted(set(splits.cells)) == ["test", "train"]


def test_it_is_made_of_the_usable_rows_where_these_agree():
    usable = [0, 1, 2, 4, 5, 6, 7, 8]
    splits = split_rows(None, SplitSource(recorded()), rows(9, usable), None)
    assert splits.cells[3] == ""
    assert [usable.index(row) for row in range(9) if splits.cells[row] == "test"] == sorted(TEST)


@pytest.mark.parametrize(
    ("about", "count", "code"),
    [
        ({}, 9, "other_sizes"),
        ({"n_train": None}, 8, "no_sizes"),
        ({"stratify": True, "n_bins": 2}, 8, "not_made"),
        ({"n_train": 5, "n_test": 3}, 8, "other_sizes"),
    ],
)
def test_a_record_that_cannot_be_made_is_said_and_not_used(about, count, code):
    table = rows(count, labels=[str(age) for age in range(count)])
    source = SplitSource(recorded(**about))
    splits = split_rows(None, source, table, None)
    assert (codes(splits), splits.split, set(splits.cells)) == ([code], None, {""})
    with pytest.raises(UsageError, match=r"split 'test' requested: best\.pth records") as error:
        split_rows(None, source, table, "test")
    assert "name the table's split column" in error.value.fix


def test_a_split_that_the_record_has_not_is_refused():
    with pytest.raises(UsageError, match=r"no split 'val' in t\.csv"):
        split_rows(None, SplitSource(recorded()), rows(), "val")


def test_images_of_a_table(tmp_path):
    images = [tmp_path / f"f{number}.png" for number in range(8)]
    table = tmp_path / "labels.csv"
    grades = "01001101"
    lines = ["image,grade", *(f"f{number},{grades[number]}" for number in range(8))]
    table.write_text("\n".join(lines))
    source = SplitSource(recorded(stratify=True))
    joined = read_labelled_images(
        images, table=table, label_column="grade", labels=["low", "high"], split_source=source
    )
    _, test = train_test_split(np.arange(8), test_size=0.25, random_state=3, stratify=[*grades])
    assert [image.path for image in joined.images] == [images[row] for row in sorted(test)]
    assert {image.split for image in joined.images} == {"test"}
    (note,) = [note for note in joined.notes if note.code == "recorded_split.strata"]
    assert note.values["column"] == "'grade'"
