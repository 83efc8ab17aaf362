"""Splits as a checkpoint or a configuration records them: how they were made, and their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from camlucida.datasets.splits import NAMES
from camlucida.io.tables import fold

Function = Literal["train_test_split", "KFold", "StratifiedKFold", "GroupKFold", "random_split"]

_SEEDS = ("split_seed", "random_state", "seed", "random_seed")
_COUNTS = ("n_{}", "num_{}", "{}_count", "{}_samples", "n_{}_samples", "num_{}_samples")
_STRATIFIED = ("stratify", "stratified")
_QUANTILES = ("q", "quantiles", "n_quantiles", "num_quantiles")
_EDGES = ("bins", "bin_edges", "stratify_bins", "age_bins", "value_bins")
_BIN_COUNTS = ("n_bins", "num_bins", "nbins")
_BIN_METHODS = ("binning", "bin_method", "bin_strategy", "binning_method", "binning_strategy")


@dataclass(frozen=True)
class Bins:
    """Bins of a continuous value, by which a split was stratified.

    Attributes:
        edges: number of bins, or their edges.
        quantiles: whether they hold equal numbers of rows, as ``pandas.qcut`` makes them, or are
            of the value, as ``pandas.cut``; None where the record does not say.
        right, lowest: ``right`` and ``include_lowest`` of ``pandas.cut``.
    """

    edges: int | tuple[float, ...]
    quantiles: bool | None
    right: bool = True
    lowest: bool = False


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
        bins: of the label, by which it is stratified; None for the label itself.
    """

    function: Function
    seed: int | None
    sizes: tuple[float | None, float | None] = (None, None)
    stratified: bool = False
    folds: int = 0
    fold: int = 0
    bins: Bins | None = None


def recorded_split(metadata: Mapping[str, Any]) -> SplitRecord | None:
    """The split that a checkpoint, or a configuration beside it, records; None for none.

    It is recorded under ``split``, or at the top: a seed, with ``test_size`` or ``val_size`` (as
    of scikit-learn's ``train_test_split``), ``n_splits`` and ``fold`` (``KFold``), or ``lengths``
    (PyTorch's ``random_split``); ``function`` or ``method`` names another of them. Bins by which
    it is stratified are recorded as ``q`` (``pandas.qcut``), ``bins`` (``pandas.cut``), or
    ``n_bins`` with ``binning``.

    Args:
        metadata: plain values, as they were read.

    >>> recorded_split({"split": {"seed": 7, "test_size": 0.2, "stratify": True}})
    SplitRecord(function='train_test_split', seed=7, sizes=(None, 0.2), stratified=True, \
folds=0, fold=0, bins=None)
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
            _bins(part) if stratified or function == "StratifiedKFold" else None,
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


def _bins(part: Mapping[str, Any]) -> Bins | None:
    """The bins of a stratified split; None where none are recorded."""
    words = [part.get(key) for key in (*_BIN_METHODS, *_STRATIFIED)]
    method = fold(" ".join(word for word in words if isinstance(word, str)))
    quantiles: bool | None = None
    if "qcut" in method or "quantile" in method:
        quantiles = True
    elif any(word in method for word in ("cut", "uniform", "width")):
        quantiles = False
    limits = bool(part.get("right", True)), bool(part.get("include_lowest", False))
    for keys, usual in ((_QUANTILES, True), (_EDGES, False), (_BIN_COUNTS, None)):
        edges = _edges(_first(part, keys))
        if edges is not None:
            return Bins(edges, usual if quantiles is None else quantiles, *limits)
    return None


def _edges(value: Any) -> int | tuple[float, ...] | None:
    """A number of bins, or their edges; None for anything else."""
    if _whole(value):
        return int(value)
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 1:
        numbers = [item for item in value if isinstance(item, (int, float, np.number))]
        return tuple(map(float, numbers)) if len(numbers) == len(value) else None
    return None
