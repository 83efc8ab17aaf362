"""Splits into training, validation and test: columns of a table, and splits that are recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables import fold, listing

declare(
    "notes",
    {
        "split_unknown": (
            "NO SPLIT IS RECORDED: images on which the model was trained may be among those that "
            "are evaluated"
        ),
        "training_included": (
            "{count} {count:|image|images} of the split {split} {count:|is|are} among those that "
            "are evaluated; --split {other} leaves {count:|it|them} out"
        ),
        "split_reproduced": (
            "the split {split} is reproduced from {source}: {function}, seed {seed}, {count} "
            "{count:|row|rows}"
        ),
    },
)

SPLIT_COLUMNS = ("split", "subset", "partition", "fold", "set", "datasplit", "phase")
"""Names that a split column usually has, folded."""

NAMES = {
    "train": ("train", "training", "tr", "trn"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing", "tst", "holdout", "heldout"),
}
"""Split → the words for it, folded."""

Function = Literal["train_test_split", "KFold", "StratifiedKFold", "GroupKFold", "random_split"]


def usual_name(cell: str) -> str:
    """``train``, ``val`` or ``test`` for a usual word of it; else the cell.

    Args:
        cell: of a split column.

    >>> usual_name("Validation"), usual_name("fold 3")
    ('val', 'fold 3')
    """
    folded = fold(cell).replace("-", "")
    return next((name for name, words in NAMES.items() if folded in words), cell)


def find_split(requested: str, cells: Sequence[str], where: object) -> str:
    """The split of a table that the user means: as it is written there, or by another word for it.

    Args:
        requested: what the user named.
        cells: of the split column; "" where unknown.
        where: the table's file, for the message.

    Raises:
        UsageError: no such split, or none at all, or two of the words meant.

    >>> find_split("val", ["train", "Validation"], "t.csv")
    'Validation'
    """
    splits = sorted({cell for cell in cells if cell})
    if not splits:
        raise UsageError(
            f"split {requested!r} requested, but {where} has no split column",
            "say which column it is",
        )
    if requested in splits:
        return requested
    meant = [split for split in splits if usual_name(split) == usual_name(requested)]
    meant = meant or [split for split in splits if fold(split) == fold(requested)]
    if len(meant) != 1:
        raise UsageError(f"no split {requested!r} in {where}", f"its splits: {listing(splits, 12)}")
    return meant[0]


def training_notes(splits: Sequence[str | None], requested: str | None) -> Iterator[Message]:
    """That images of training may be, or are, among those that are evaluated.

    Args:
        splits: of the images that are evaluated; None where unknown.
        requested: the split that the user named.

    >>> [note.code for note in training_notes([None, None], None)]
    ['notes.split_unknown']
    """
    if requested is not None or not splits:
        return
    stated = [split for split in splits if split]
    if not stated:
        yield Message("notes.split_unknown")
        return
    training = [split for split in stated if usual_name(split) == "train"]
    others = sorted({split for split in stated if usual_name(split) in ("val", "test")})
    if training:
        values: dict[str, Value] = {"count": len(training), "split": training[0]}
        yield Message("notes.training_included", {**values, "other": "|".join(others) or "test"})


# ---- splits that a checkpoint or a configuration records ----------------------------------------

_SEEDS = ("split_seed", "random_state", "seed", "random_seed")
_COUNTS = ("n_{}", "num_{}", "{}_count", "{}_samples", "n_{}_samples", "num_{}_samples")
_STRATIFIED = ("stratify", "stratified")


@dataclass(frozen=True)
class SplitRecord:
    """A split as a training run recorded it.

    Attributes:
        function: that made it.
        seed: its random state; None for an unshuffled one.
        sizes: of validation and test: shares in (0, 1), or numbers of rows; None for none.
        stratified: by the label.
        folds: number of them, for the functions of folds.
        fold: that was held out, from 0.
    """

    function: Function
    seed: int | None
    sizes: tuple[float | None, float | None] = (None, None)
    stratified: bool = False
    folds: int = 0
    fold: int = 0


def recorded_split(metadata: Mapping[str, Any]) -> SplitRecord | None:
    """The split that a checkpoint, or a configuration beside it, records; None for none.

    It is recorded under ``split``, or at the top: a seed, with ``test_size`` or ``val_size`` (as
    of scikit-learn's ``train_test_split``), ``n_splits`` and ``fold`` (``KFold``), or ``lengths``
    (PyTorch's ``random_split``); ``function`` or ``method`` names another of them.

    Args:
        metadata: plain values, as they were read.

    >>> recorded_split({"split": {"seed": 7, "test_size": 0.2, "stratify": True}})
    SplitRecord(function='train_test_split', seed=7, sizes=(None, 0.2), stratified=True, \
folds=0, fold=0)
    >>> recorded_split({"seed": 7}) is None
    True
    """
    for part in _parts(metadata):
        seed = _first(part, _SEEDS)
        validation = _first(part, ("val_size", "valid_size", "val_ratio", "val_fraction"))
        test = _first(part, ("test_size", "test_ratio", "test_fraction"))
        stratified = bool(_first(part, _STRATIFIED))
        folds = _first(part, ("n_splits", "n_folds", "num_folds", "k_folds", "folds"))
        function = _function(part, stratified, folds)
        sizes = (_number(validation), _number(test))
        if function == "random_split":
            sizes = _lengths(part)
        if function is None or (not _whole(folds) and sizes == (None, None)):
            continue
        fold_number = _first(part, ("fold", "fold_index", "fold_idx"))
        return SplitRecord(
            function,
            int(seed) if _whole(seed) else None,
            sizes,
            stratified or function == "StratifiedKFold",
            int(folds) if _whole(folds) else 0,
            int(fold_number) if _whole(fold_number) else 0,
        )
    return None


def recorded_counts(metadata: Mapping[str, Any]) -> dict[str, int]:
    """Split → number of its rows, of the part that records a split; empty where none is recorded.

    Args:
        metadata: plain values, as they were read.

    >>> recorded_counts({"split": {"seed": 7, "test_size": 0.2, "n_train": 8, "n_test": 2}})
    {'train': 8, 'test': 2}
    >>> recorded_counts({"method": "random_split", "lengths": [8, 2], "seed": 1})
    {'train': 8, 'val': 2}
    """
    for part in _parts(metadata):
        counts = {}
        for name, words in NAMES.items():
            keys = [key.format(word) for word, key in product(words, _COUNTS)]
            count = _first(part, keys)
            if _whole(count) and count >= 0:
                counts[name] = int(count)
        lengths = part.get("lengths")
        if not counts and isinstance(lengths, Sequence) and all(map(_whole, lengths)):
            counts = dict(zip(NAMES, map(int, lengths)))
        # The rows of training alone say nothing on what was held out.
        if "train" in counts and len(counts) > 1:
            return counts
    return {}


def reproduce(
    record: SplitRecord, labels: Sequence[str], groups: Sequence[str] | None = None
) -> list[str]:
    """The split of each row: ``train``, ``val`` or ``test``.

    Two sizes are taken off one after the other: the test rows from all, then the validation rows
    from the rest, as shares of the rest, both with the same seed.

    Args:
        record: of :func:`recorded_split`.
        labels: of the rows, in the order of the table; used where it is stratified.
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


def split_note(record: SplitRecord, split: str, source: object, count: int) -> Message:
    """That a split was reproduced, and from what.

    Args:
        record: of :func:`recorded_split`.
        split: that is used.
        source: the file that records it.
        count: rows that it has.
    """
    values: dict[str, Value] = {
        "split": split,
        "source": str(source),
        "function": record.function,
        "seed": str(record.seed),
        "count": count,
    }
    return Message("notes.split_reproduced", values)


def _parts(metadata: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parts of a record that may describe a split, the most telling first."""
    keys = ("split", "data_split", "split_config", "data", "dataset", "config", "args")
    for key in (*keys, "hyper_parameters"):
        part = metadata.get(key)
        if isinstance(part, Mapping):
            yield from _parts(part)
    yield metadata


def _first(part: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((part[key] for key in keys if part.get(key) is not None), None)


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return float(value) if is_number and value > 0 else None


def _lengths(part: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The lengths of validation and test of ``random_split``, after that of training."""
    lengths = part.get("lengths")
    if not isinstance(lengths, Sequence) or not 2 <= len(lengths) <= 3:
        return None, None
    numbers = [_number(length) for length in lengths]
    return numbers[1], (numbers[2] if len(numbers) == 3 else None)


def _function(part: Mapping[str, Any], stratified: bool, folds: Any) -> Function | None:
    """The function by its name in the record, or by what else the record holds."""
    stated = str(_first(part, ("function", "method", "splitter", "type")) or "")
    functions: tuple[Function, ...] = (
        *("StratifiedKFold", "GroupKFold", "KFold", "random_split", "train_test_split"),
    )
    for function in functions:
        if fold(function) == fold(stated.rpartition(".")[2]):
            return function
    if stated:
        return None
    if _whole(folds):
        return "StratifiedKFold" if stratified else "KFold"
    return "random_split" if "lengths" in part else "train_test_split"


def _train_test(record: SplitRecord, labels: Sequence[str]) -> list[str]:
    from sklearn.model_selection import train_test_split

    splits = np.full(len(labels), "train", object)
    rest = np.arange(len(labels))
    for name, size in zip(("test", "val"), record.sizes[::-1]):
        if size is None:
            continue
        part = size if size < 1 else int(size)
        strata = [labels[int(row)] for row in rest] if record.stratified else None
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
        parts = list(splitter.split(blank, list(labels)))
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
