"""Efficient model parameter randomisation: is the map of the trained model simpler than that of a
model of random weights?

Hedström 2024. No pair of maps is compared, so no similarity has to be chosen: the entropy of a
map's values rises where the weights are noise. The publication takes maps of the size of the input;
here a map is enlarged from its grid to the input of the model first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from camlucida.metrics.annotations import as_map
from camlucida.metrics.base import metric
from camlucida.metrics.chance import constant
from camlucida.metrics.correlation import NAN

BINS = 100
"""Of equal width, from the smallest value of a map to its largest."""
DRAWS = 3
"""Random draws of all weights."""


def histogram_entropy(values: ArrayLike, bins: int = BINS) -> float:
    """−Σ p ln p over the histogram of a map's values, in nats; the map's scale does not matter.

    Args:
        values: map, any size.
        bins: their number.

    Returns:
        0 for a constant map, ln(bins) at most.

    Raises:
        NoEvidenceError: the map is not finite.

    >>> histogram_entropy([1.0, 1.0, 1.0]), round(histogram_entropy([0.0, 1.0]), 3)
    (0.0, 0.693)
    """
    counts, _ = np.histogram(as_map(values), bins)
    p = counts[counts > 0] / counts.sum()
    return abs(float((p * np.log(p)).sum()))


@metric(
    "emprt",
    "Efficient MPRT",
    "sanity",
    direction="higher",
    range=(-1, None),
    chance="0, for a map that does not depend on the weights",
    chance_level=constant(0.0),
    cost=f"{DRAWS} maps",
    inputs="randomised map",
    failures={"": ("falls", "flat", "blur")},
    source="Hedström 2024 (efficient MPRT): histogram entropy, all weights random",
)
def emprt(trained: ArrayLike, randomised: ArrayLike) -> float:
    """(H(randomised) − H(trained)) / H(trained), H the entropy of the map's histogram.

    Args:
        trained: map of the trained model, enlarged to its input.
        randomised: map of the model once all its weights are random, same size.

    Returns:
        −1 or more; NaN where a map is constant: dead maps are no simple ones.

    Raises:
        NoEvidenceError: a map is not finite.

    >>> emprt([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]) > 0
    True
    >>> emprt([0.0, 1.0, 3.0], [0.0, 1.0, 3.0])
    0.0
    """
    before, after = histogram_entropy(trained), histogram_entropy(randomised)
    return (after - before) / before if before > 0 and after > 0 else NAN
