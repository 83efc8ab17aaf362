"""Splits made again by the functions that made them, of scikit-learn and PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.datasets.split_records import Bins, SplitRecord
from camlucida.io.tables import with_points


def reproduce(
    record: SplitRecord, labels: Sequence[str], groups: Sequence[str] | None = None
) -> list[str]:
    """The split of each row: ``train``, ``val`` or ``test``.

    Two sizes are taken off one after the other: the test rows from all, then the validation rows
    from the rest, as shares of the rest, both with the same seed.

    Args:
        record: of :func:`recorded_split`.
        labels: of the rows, in the order of the table; used where it is stratified. Numbers
            count as numbers: scikit-learn sorts classes before it draws.
        groups: patients of the rows, for ``GroupKFold``.

    Raises:
        UsageError: the split cannot be made of these rows.

    >>> record = SplitRecord("train_test_split", 0, (None, 0.5))
    >>> reproduce(record, ["a", "b", "a", "b"])
    ['train', 'train', 'test', 'test']
    """
    rows = np.arange(len(labels))
    try:
        if record.function == "random_split":
            return _random_split(record, len(rows))
        if record.folds:
            return _folds(record, labels, groups)
        return _train_test(record, labels)
    except ValueError as error:
        raise UsageError(
            f"the recorded split ({record.function}) cannot be made of {len(rows)} rows: {error}",
            "give the table that the model was trained with, or name the split's column",
        ) from error


def strata_of(record: SplitRecord, labels: Sequence[str]) -> np.ndarray:
    """The class of each row, (rows,), as a stratified split has it.

    Args:
        record: of the split.
        labels: of the rows.

    Raises:
        ValueError: bins of labels that are no numbers, or of which the record does not say what
            they are.

    >>> record = SplitRecord("train_test_split", 0, stratified=True, bins=Bins(2, quantiles=True))
    >>> strata_of(record, ["1", "2", "3", "40"]).tolist()
    [0, 0, 1, 1]
    """
    numbers = pd.to_numeric(pd.Series(with_points(labels)), errors="coerce").to_numpy(float)
    are_numbers = bool(np.isfinite(numbers).all())
    if record.bins is None or not record.stratified:
        return numbers if are_numbers else np.array(labels, object)
    if not are_numbers:
        raise ValueError("it is stratified by bins of a number, and not every row has one")
    return _binned(record.bins, numbers)


def _binned(bins: Bins, numbers: np.ndarray) -> np.ndarray:
    """The bin of each number, from 0."""
    if bins.quantiles is None:
        raise ValueError("whether its bins are quantiles is not recorded")
    if bins.quantiles:
        binned = pd.qcut(numbers, bins.edges, labels=False, duplicates="drop")
    else:
        binned = pd.cut(
            numbers, bins.edges, labels=False, right=bins.right, include_lowest=bins.lowest
        )
    if np.isnan(binned).any():
        raise ValueError("a row is in none of its bins")
    return np.asarray(binned, int)


def _train_test(record: SplitRecord, labels: Sequence[str]) -> list[str]:
    from sklearn.model_selection import train_test_split

    splits = np.full(len(labels), "train", object)
    rest = np.arange(len(labels))
    classes = strata_of(record, labels)
    for name, size in zip(("test", "val"), record.sizes[::-1]):
        if size is None:
            continue
        part = size if size < 1 else int(size)
        strata = classes[rest] if record.stratified else None
        rest, taken = train_test_split(
            rest, test_size=part, random_state=record.seed, stratify=strata
        )
        splits[taken] = name
    return [str(name) for name in splits]


def _folds(record: SplitRecord, labels: Sequence[str], groups: Sequence[str] | None) -> list[str]:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    blank = np.zeros(len(labels))
    if record.function == "GroupKFold":
        if groups is None:
            raise ValueError("it has no patients")
        parts = list(GroupKFold(record.folds).split(blank, None, list(groups)))
    else:
        kind = StratifiedKFold if record.stratified else KFold
        shuffled = record.seed is not None
        splitter = kind(record.folds, shuffle=shuffled, random_state=record.seed)
        parts = list(splitter.split(blank, strata_of(record, labels)))
    if not 0 <= record.fold < len(parts):
        raise ValueError(f"there is no fold {record.fold} of {len(parts)}")
    splits = np.full(len(labels), "train", object)
    splits[parts[record.fold][1]] = "val"
    return [str(name) for name in splits]


def _random_split(record: SplitRecord, rows: int) -> list[str]:
    """As PyTorch's ``random_split`` with a generator of this seed: training first."""
    import torch

    sizes = _random_sizes(record.sizes, rows)
    if sizes[0] < 1:
        raise ValueError("its lengths leave nothing for training")
    generator = torch.Generator().manual_seed(record.seed or 0)
    order = torch.randperm(rows, generator=generator).tolist()
    names = np.repeat(["train", "val", "test"], sizes).tolist()
    by_row = dict(zip(order, names))
    return [by_row[row] for row in range(rows)]


def _random_sizes(sizes: Sequence[float | None], rows: int) -> list[int]:
    """Numbers of rows for training, validation and test; of shares as PyTorch rounds them."""
    given = [size or 0.0 for size in sizes]
    if any(size >= 1 for size in given):
        held_out = [int(size) for size in given]
        return [rows - sum(held_out), *held_out]
    shares = [1 - sum(given), *given]
    counts = [int(np.floor(rows * share + 1e-9)) for share in shares]
    # What rounding leaves goes to the parts in turn.
    used = [number for number, share in enumerate(shares) if share > 0]
    for rest in range(rows - sum(counts)):
        counts[used[rest % len(used)]] += 1
    return counts
