"""Multi-class predictions: all of it follows from the confusion matrix, of everybody and of each
replicate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from camlucida.metrics.bootstrap import (
    Floats,
    Integers,
    Sampling,
    by_patient,
    divide,
    mean_of_known,
    numbered,
    sampled_sums,
)
from camlucida.metrics.score_table import Counts, Proportion, Row, sampled_row

OVERALL = ("accuracy", "balanced_accuracy", "quadratic_kappa", "macro_f1")
PER_CLASS = ("recall", "precision", "f1", "prevalence", "predicted_share")
METRICS = (*OVERALL, *PER_CLASS)


def evaluate_multiclass(
    frame: pd.DataFrame, classes: Sequence[str], sampling: Sampling | None = None
) -> list[Row]:
    """Overall figures, then those of each class.

    - ``accuracy``; ``balanced_accuracy``: mean recall of the classes that are truly there.
    - ``quadratic_kappa``: agreement beyond chance, weighted by the squared distance of the classes
      in their order (Cohen 1968).
    - ``macro_f1``: mean over the classes that are there or predicted.
    - ``recall``, ``precision``, ``f1`` of a class; ``prevalence``, ``predicted_share``: share of
      rows truly, and called, so.

    Intervals of ``accuracy``, ``recall``, ``precision`` and the shares are Wilson's, clustered by
    patient; all others are BCa (:mod:`camlucida.metrics.intervals`). None is given where fewer than
    10 patients truly have the class (``recall``, ``f1``; for ``balanced_accuracy`` and ``macro_f1``
    the rarest class there is) or were called so (``precision``). Chance: the commonest class for
    the accuracy, otherwise answers independent of the truth, each class as often as here.

    Args:
        frame: columns patient, truth, predicted; rows where either is not one of the classes are
            left out; no figures if all are.
        classes: in their order.
        sampling: of the intervals.

    Returns:
        A row a figure; kappa in [−1, 1], all others in [0, 1].

    Raises:
        KeyError: a column is missing.
        pandas.errors.InvalidIndexError: a class is named twice.

    >>> frame = pd.DataFrame({"patient": range(3), "truth": list("aab"), "predicted": list("abb")})
    >>> row = evaluate_multiclass(frame, ["a", "b"])[1]
    >>> row.metric, row.estimate
    ('balanced_accuracy', 0.75)
    """
    sampling = sampling or Sampling()
    truth = class_numbers(frame["truth"], classes)
    predicted = class_numbers(frame["predicted"], classes)
    both_named = (truth >= 0) & (predicted >= 0)
    if not both_named.any():
        return []
    truth, predicted = truth[both_named], predicted[both_named]
    index, count = numbered(frame["patient"][both_named].tolist())
    many = len(classes)
    cells = np.eye(many * many)[truth * many + predicted]
    sums = by_patient(cells, index, count)
    sampled = sampled_sums(lambda totals: _figures(totals.reshape(-1, many, many)), sums, sampling)
    proportions = _proportions(sums.reshape(-1, many, many))
    matrix = cells.sum(0).reshape(many, many)
    overall, each = _chances(matrix)
    have = [len(np.unique(index[truth == k])) for k in range(many)]
    called = [len(np.unique(index[predicted == k])) for k in range(many)]
    rarest = min((h for h in have if h), default=0)
    rows = []
    for number, metric in enumerate(OVERALL):
        # A mean over classes rests on the rarest class.
        fewest = rarest if metric in ("balanced_accuracy", "macro_f1") else count
        counts = Counts(len(truth), count, fewest)
        rows.append(
            sampled_row(
                metric,
                sampled,
                (number,),
                counts,
                overall[number],
                sampling,
                proportion=proportions.get((metric, -1)),
            )
        )
    for k, name in enumerate(classes):
        needs = {"recall": have[k], "f1": have[k], "precision": called[k]}
        positives = float(matrix[k].sum())
        for number, metric in enumerate(PER_CLASS):
            counts = Counts(len(truth), count, needs.get(metric, count), positives)
            index_of_figure = (len(OVERALL) + number * many + k,)
            chance = each[number][k]
            rows.append(
                sampled_row(
                    metric,
                    sampled,
                    index_of_figure,
                    counts,
                    chance,
                    sampling,
                    name,
                    proportions.get((metric, k)),
                )
            )
    return rows


def confusion(frame: pd.DataFrame, classes: Sequence[str]) -> Integers:
    """(K, K) rows counted by truth (down) and prediction (across), as scikit-learn counts them.

    Others are left out.

    Args:
        frame: columns truth, predicted.
        classes: K names in their order.

    Returns:
        (K, K) counts; all 0 if no row has two names of the classes.

    Raises:
        KeyError: a column is missing.
        pandas.errors.InvalidIndexError: a class is named twice.

    >>> frame = pd.DataFrame({"patient": range(3), "truth": list("aab"), "predicted": list("abb")})
    >>> confusion(frame, ["a", "b"]).tolist()
    [[1, 1], [0, 1]]
    """
    truth = class_numbers(frame["truth"], classes)
    predicted = class_numbers(frame["predicted"], classes)
    both_named = (truth >= 0) & (predicted >= 0)
    if not both_named.any():
        return np.zeros((len(classes), len(classes)), np.int64)

    from sklearn.metrics import confusion_matrix  # a second, where no predictions are evaluated

    return np.asarray(
        confusion_matrix(truth[both_named], predicted[both_named], labels=range(len(classes))),
        np.int64,
    )


def class_numbers(column: pd.Series, classes: Sequence[str]) -> Integers:
    """(rows,) number of each name among the classes, from 0; −1 for another name.

    Args:
        column: (rows,) of names.
        classes: in their order.

    Returns:
        (rows,) from −1 to the number of classes − 1.

    Raises:
        pandas.errors.InvalidIndexError: a class is named twice.

    >>> class_numbers(pd.Series(["b", "x"]), ["a", "b"]).tolist()
    [1, -1]
    """
    index = pd.Index(list(classes))
    names = pd.Index(column.tolist())
    return np.asarray(index.get_indexer(names), np.int64)


def _proportions(counts: Floats) -> dict[tuple[str, int], Proportion]:
    """(figure, class; −1 for all of them) → the proportion, of counts (patients, K, K)."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    have, called, rows = counts.sum(2), counts.sum(1), counts.sum((1, 2))
    shares = {("accuracy", -1): (hits.sum(1), rows)}
    for k in range(counts.shape[1]):
        shares["recall", k] = (hits[:, k], have[:, k])
        shares["precision", k] = (hits[:, k], called[:, k])
        shares["prevalence", k] = (have[:, k], rows)
        shares["predicted_share", k] = (called[:, k], rows)
    return shares


def _figures(totals: Floats) -> Floats:
    """(r, K, K) → (r, OVERALL + PER_CLASS × K)."""
    hits = np.diagonal(totals, axis1=1, axis2=2)
    have, called, n = totals.sum(2), totals.sum(1), totals.sum((1, 2))
    recall, precision, f1 = (
        divide(hits, have),
        divide(hits, called),
        divide(2 * hits, have + called),
    )
    everything = n[:, None]
    overall = [
        divide(hits.sum(1), n),
        mean_of_known(recall),
        _kappa(totals, have, called, n),
        mean_of_known(f1),
    ]
    shares = [divide(have, everything), divide(called, everything)]
    return np.concatenate([np.stack(overall, axis=1), recall, precision, f1, *shares], axis=1)


def _kappa(totals: Floats, have: Floats, called: Floats, n: Floats) -> Floats:
    """1 − Σ w·observed ÷ Σ w·expected, w the squared distance of the classes."""
    number = np.arange(totals.shape[1])
    weight = np.square(number[:, None] - number).astype(np.float64)
    expected = np.einsum("ri,ij,rj->r", have, weight, called)
    return 1 - divide(n * (totals * weight).sum((1, 2)), expected)


def _chances(matrix: Floats) -> tuple[list[float], list[Floats]]:
    """Of the overall figures, and of those of each class."""
    n = matrix.sum(keepdims=True)[0]
    share, predicted_share = divide(matrix.sum(1), n), divide(matrix.sum(0), n)
    f1 = divide(2 * share * predicted_share, share + predicted_share)
    there = int((share > 0).sum())
    overall = [
        float(share.max()),
        1 / there if there else float("nan"),
        0.0,
        float(mean_of_known(f1[None])[0]),
    ]
    return overall, [
        predicted_share,
        share,
        f1,
        np.full_like(share, np.nan),
        np.full_like(share, np.nan),
    ]
