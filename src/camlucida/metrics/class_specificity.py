"""Is the heat on the label's own finding rather than on another finding of the same image?"""

from __future__ import annotations

from numpy.typing import ArrayLike

from camlucida.metrics.base import metric
from camlucida.metrics.localisation import average_precision

PERMUTED = "that of permuted labels: the mean over the image's maps of all labels"
"""Chance level of class specificity in words; the evaluation computes it of each image."""


@metric(
    "class_specificity",
    "Class specificity",
    "localisation",
    direction="higher",
    range=(-1, 1),
    chance=PERMUTED,
    source="Average precision on two labels' truths",
    inputs="two masks",
    of_mask=average_precision,
)
def class_specificity(values: ArrayLike, truth: ArrayLike, other: ArrayLike) -> float:
    """AP(mask of the label) − AP(mask of another label) of the map of one label, in [−1, 1].

    Args:
        values: map of the label.
        truth: mask of the label, same size.
        other: mask of another label in the same image.

    Returns:
        NaN if either mask is empty; 0 if the masks are the same.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> class_specificity([[1.0, 0.0]], [[1, 0]], [[0, 1]])
    0.5
    """
    return average_precision(values, truth) - average_precision(values, other)


@metric(
    "class_specificity_gain",
    "Class specificity over the average mask",
    "localisation",
    direction="higher",
    range=(-2, 2),
    chance=PERMUTED,
    source="Class specificity less that of the mean annotation of other patients",
    inputs="two masks and an average",
    of_mask=average_precision,
    counts_with="class_specificity",
)
def class_specificity_gain(
    values: ArrayLike, truth: ArrayLike, other: ArrayLike, average: ArrayLike
) -> float:
    """Class specificity of the map less that of the average mask, in [−2, 2].

    The average mask knows nothing of the image, only where the label usually lies.

    Args:
        values, truth, other: as for :func:`class_specificity`.
        average: mean annotation of the label in other patients, same size.

    Returns:
        0 for the average mask itself; NaN as :func:`class_specificity`.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: a map is not finite.

    >>> class_specificity_gain([[1.0, 0.0]], [[1, 0]], [[0, 1]], [[1.0, 1.0]])
    0.5
    """
    of_average = class_specificity(average, truth, other)
    return class_specificity(values, truth, other) - of_average
