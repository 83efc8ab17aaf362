"""Pearson's and Spearman's correlation of two maps, in one place for the whole package."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import UsageError

NAN = float("nan")


def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Linear correlation over the cells of two maps, in [−1, 1].

    Args:
        a, b: maps with the same number of cells.

    Returns:
        NaN where either is constant or not finite.

    Raises:
        UsageError: the numbers of cells differ.

    >>> pearson([1, 2, 3], [2, 4, 6])
    1.0
    """
    x = np.asarray(a, float).reshape(-1)
    y = np.asarray(b, float).reshape(-1)
    if x.shape != y.shape:
        raise UsageError(
            f"correlation of maps of {x.size} and {y.size} cells", "compare maps on one grid"
        )
    finite = np.isfinite(x).all() and np.isfinite(y).all()
    if not x.size or not finite or np.ptp(x) == 0 or np.ptp(y) == 0:
        return NAN
    # Scaled first, so that tiny maps do not underflow.
    x = (x - x.mean()) / np.ptp(x)
    y = (y - y.mean()) / np.ptp(y)
    r = x @ y / np.sqrt((x @ x) * (y @ y))
    # Rounding may carry |r| beyond 1.
    return float(np.clip(r, -1, 1))


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation over the cells of two maps, ties averaged, in [−1, 1].

    Args:
        a, b: maps with the same number of cells.

    Returns:
        NaN where either is constant or not finite.

    Raises:
        UsageError: the numbers of cells differ.

    >>> spearman([1, 2, 3], [1, 4, 100])
    1.0
    """
    from scipy.stats import rankdata  # half a second, which a command without ranks is spared

    x = np.asarray(a, float).reshape(-1)
    y = np.asarray(b, float).reshape(-1)
    finite = np.isfinite(x).all() and np.isfinite(y).all()
    return pearson(rankdata(x), rankdata(y)) if finite else NAN


def spearman_of_rows(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """:func:`spearman` of each row, as fast as of one.

    Args:
        a, b: (R, N).

    Returns:
        (R,) in [−1, 1]; NaN where either row is constant or not finite.

    >>> spearman_of_rows(np.array([[1.0, 2.0, 3.0]] * 2), np.array([[1.0, 4.0, 9.0], [5.0] * 3]))
    array([ 1., nan])
    """
    from scipy.stats import rankdata

    known = np.isfinite(a).all(1) & np.isfinite(b).all(1) & (np.ptp(a, 1) > 0) & (np.ptp(b, 1) > 0)
    result = np.full(len(a), NAN)
    if known.any():
        x, y = (rankdata(values[known], axis=1) for values in (a, b))
        x, y = (ranks - ranks.mean(1, keepdims=True) for ranks in (x, y))
        covariance = (x * y).sum(1)
        result[known] = covariance / np.sqrt((x * x).sum(1) * (y * y).sum(1))
    return np.asarray(np.clip(result, -1, 1))
