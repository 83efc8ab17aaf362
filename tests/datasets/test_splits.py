"""Splits that a table or a training run records, made again by the functions that made them."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, train_test_split

from camlucida.core.errors import UsageError
from camlucida.datasets.split_functions import reproduce
from camlucida.datasets.split_records import recorded_split
from camlucida.datasets.splits import (
    find_split,
    training_notes,
)

LABELS = [*"aabbabababbaababbaab"]
ROWS = np.arange(len(LABELS))


def of(splits, name):
    return [row for row, split in enumerate(splits) if split == name]


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("size", [0.2, 5])
def test_train_test_split(stratify, size):
    record = recorded_split({"config": {"seed": 3, "test_size": size, "stratify": stratify}})
    strata = LABELS if stratify else None
    _, test = train_test_split(ROWS, test_size=size, random_state=3, stratify=strata)
    splits = reproduce(record, LABELS)
    assert of(splits, "test") == sorted(test)
    assert set(splits) == {"train", "test"}


def test_validation_is_taken_of_what_the_test_leaves():
    record = recorded_split({"random_state": 1, "test_size": 0.25, "val_size": 0.2})
    rest, test = train_test_split(ROWS, test_size=0.25, random_state=1)
    _, val = train_test_split(rest, test_size=0.2, random_state=1)
    splits = reproduce(record, LABELS)
    assert (of(splits, "test"), of(splits, "val")) == (sorted(test), sorted(val))


@pytest.mark.parametrize(
    ("about", "splitter"),
    [
        ({"n_splits": 4, "seed": 5, "fold": 2}, KFold(4, shuffle=True, random_state=5)),
        (
            {"k_folds": 4, "seed": 5, "fold": 2, "stratified": True},
            StratifiedKFold(4, shuffle=True, random_state=5),
        ),
        ({"n_splits": 4, "fold": 2, "splitter": "sklearn.GroupKFold"}, GroupKFold(4)),
    ],
)
def test_folds(about, splitter):
    groups = [str(row // 2) for row in ROWS]
    of_patients = groups if isinstance(splitter, GroupKFold) else None
    held_out = list(splitter.split(ROWS, LABELS, of_patients))[2][1]
    splits = reproduce(recorded_split({"split": about}), LABELS, groups)
    assert of(splits, "val") == held_out.tolist()


@pytest.mark.parametrize("lengths", [[14, 4, 2], [0.7, 0.3], [0.67, 0.22, 0.11]])
def test_random_split_of_torch(lengths):
    generator = torch.Generator().manual_seed(8)
    parts = torch.utils.data.random_split(range(20), lengths, generator)
    record = recorded_split({"split": {"method": "random_split", "seed": 8, "lengths": lengths}})
    splits = reproduce(record, LABELS)
    for name, part in zip(("train", "val", "test"), parts):
        assert of(splits, name) == sorted(part.indices)


@pytest.mark.parametrize(
    "about", [{}, {"seed": 1}, {"test_size": 0}, {"split": {"method": "by hand", "test_size": 0.2}}]
)
def test_nothing_is_made_up(about):
    assert recorded_split(about) is None


@pytest.mark.parametrize(
    "about",
    [
        {"seed": 1, "test_size": 40},
        {"seed": 1, "n_splits": 4, "fold": 4},
        {"splitter": "GroupKFold", "n_splits": 3},
        {"function": "random_split", "lengths": [0, 20], "seed": 1},
    ],
)
def test_a_split_that_does_not_fit_the_table_is_refused(about):
    with pytest.raises(UsageError, match="recorded split"):
        reproduce(recorded_split(about), LABELS)


def test_words_for_splits():
    cells = ["Training", "Validation", "hold-out", ""]
    assert find_split("val", cells, "t") == "Validation"
    assert find_split("test", cells, "t") == "hold-out"
    assert find_split("train", cells, "t") == "Training"
    with pytest.raises(UsageError, match="its splits: dev, val"):
        find_split("valid", ["val", "dev"], "t")


def test_training_images_are_told_loudly():
    (note,) = training_notes(["Train", "test", "Train"], None)
    assert str(note) == (
        "2 images of the split Train are among those that are evaluated; --split test leaves "
        "them out"
    )
    (note,) = training_notes([None], None)
    assert str(note).startswith("NO SPLIT IS RECORDED")
    assert not list(training_notes([None], "test"))
    assert not list(training_notes(["test"], None))


# ---- stratified by numbers, and by bins of a continuous value ------------------------------------

AGES = np.random.default_rng(4).uniform(18, 90, 60).round(1)
CELLS = [str(age) for age in AGES]


def test_numbers_are_strata_in_the_order_of_numbers():
    grades = np.random.default_rng(1).permutation([8, 9, 10, 11] * 10)
    _, test = train_test_split(np.arange(40), test_size=0.3, random_state=2, stratify=grades)
    record = recorded_split({"seed": 2, "test_size": 0.3, "stratify": True})
    assert of(reproduce(record, [str(grade) for grade in grades]), "test") == sorted(test)


@pytest.mark.parametrize(
    ("about", "bins"),
    [
        ({"q": 5}, pd.qcut(AGES, 5)),
        ({"n_bins": 4, "binning": "quantile"}, pd.qcut(AGES, 4, labels=False)),
        ({"bins": 6}, pd.cut(AGES, 6)),
        ({"num_bins": 6, "bin_method": "uniform"}, pd.cut(AGES, bins=6)),
        (
            {"age_bins": [0, 30, 50, 70, 120]},
            pd.cut(AGES, [0, 30, 50, 70, 120], labels=list("abcd")),
        ),
        ({"bins": [0, 30, 120], "right": False}, pd.cut(AGES, [0, 30, 120], right=False)),
        ({"stratify": "pd.qcut(age)", "n_bins": 3}, pd.qcut(AGES, 3)),
    ],
)
def test_a_split_stratified_by_bins(about, bins):
    codes = pd.Categorical(bins).codes
    rest, test = train_test_split(np.arange(60), test_size=0.2, random_state=9, stratify=codes)
    _, val = train_test_split(rest, test_size=0.25, random_state=9, stratify=codes[rest])
    split = {"seed": 9, "test_size": 0.2, "val_size": 0.25, "stratify": True, **about}
    splits = reproduce(recorded_split({"split": split}), CELLS)
    assert (of(splits, "test"), of(splits, "val")) == (sorted(test), sorted(val))


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({}, "least populated class"),
        ({"n_bins": 5}, "whether its bins are quantiles is not recorded"),
        ({"bins": [40, 60, 80]}, "a row is in none of its bins"),
    ],
)
def test_bins_that_are_not_recorded_are_not_guessed(about, problem):
    record = recorded_split({"seed": 9, "test_size": 0.2, "stratify": True, **about})
    with pytest.raises(UsageError, match=problem):
        reproduce(record, CELLS)


def test_bins_of_a_label_that_is_no_number_are_refused():
    record = recorded_split({"seed": 9, "test_size": 0.2, "stratify": True, "q": 4})
    with pytest.raises(UsageError, match="not every row has one"):
        reproduce(record, LABELS)
