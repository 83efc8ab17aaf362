"""Does the map change where the prediction changes, and stay where it stays?

Zhang 2023: the correlation of the change of the prediction with the change of the map under small
alterations of the image. A sensitive map moves where the prediction moves; a robust one stays where
it stays.

Where this differs from the publication: it builds an adversarial copy of each image that moves the
prediction or the map alone, by a second gradient, and correlates over images. Here each image is
altered along the sign of the gradient of the score, up and down, and by random noise, at three
strengths; the correlation is over these copies, each strength apart, so that it is not the strength
that moves both. Maps are compared by the structural similarity on the grid of the layer. The
publication's definition is known from its abstract and its authors' code for the copies (many small
steps within 3 % of the range); its exact formula was not at hand, and values do not compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from camlucida.core.errors import UsageError
from camlucida.core.tensors import full
from camlucida.metrics.agreement import ssim
from camlucida.metrics.base import metric
from camlucida.metrics.chance import constant
from camlucida.metrics.correlation import NAN, pearson
from camlucida.metrics.stability import noisy_copies

STRENGTHS = (0.01, 0.02, 0.05)
"""Largest change of a pixel, as a share of the data range."""
NOISY = 2
"""Copies with random noise, at each strength, beside the two along the gradient."""
COPIES = len(STRENGTHS) * (NOISY + 2)

ZHANG = "Zhang 2023 (Radiology: AI); noise and the gradient's sign in place of adversarial images"


def altered_copies(image: Tensor, gradient: Tensor | None, seed: int = 0) -> Tensor:
    """At each of STRENGTHS two noisy copies, and two along the sign of the gradient.

    Args:
        image: (C, *spatial), not changed.
        gradient: (C, *spatial) of the score by the image; None: noise alone.
        seed: of the noise.

    Returns:
        (copies, C, *spatial), strength by strength.

    >>> altered_copies(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)).shape
    torch.Size([12, 1, 2, 2])
    """
    image = full(image.detach())
    span = float(image.max() - image.min())
    copies = []
    for strength in STRENGTHS:
        copies += list(noisy_copies(image, NOISY, strength, seed=seed))
        if gradient is not None:
            step = strength * span * gradient.detach().to(image).sign()
            copies += [image + step, image - step]
    return torch.stack(copies)


@metric(
    "psc",
    "Prediction–saliency correlation",
    "stability",
    direction="higher",
    range=(-1, 1),
    chance="0",
    chance_level=constant(0.0),
    cost=f"{COPIES} maps",
    inputs="altered maps",
    source=ZHANG,
)
def psc(heat: Tensor, altered: Sequence[Tensor], score: float, scores: ArrayLike) -> float:
    """Pearson correlation of |f(y) − f(x)| with 1 − SSIM(E(y), E(x)) over altered images y.

    Args:
        heat: E(x), (*grid); two axes.
        altered: E(y) of each of :func:`altered_copies`, in their order.
        score: f(x), the probability where the model has one.
        scores: (copies,) f(y).

    Returns:
        In [−1, 1]: the correlation of the deviations from the mean of each strength. NaN where no
        map or no score changes, where E(x) is constant, and on a grid under 3 cells a side. A map
        that has vanished has nothing in common with E(x): its 1 − SSIM is 1.

    Raises:
        UsageError: not as many maps as scores, or not the same number of copies at each strength.

    >>> maps = [torch.eye(3) + change * torch.ones(3, 3).triu() for change in (0, 1, 2, 3, 4, 5)]
    >>> psc(torch.eye(3), maps, 0.5, [0.5, 0.6, 0.5, 0.6, 0.5, 0.6]) > 0.4
    True
    """
    values = np.asarray(scores, np.float64)
    if len(altered) != len(values) or not len(values) or len(values) % len(STRENGTHS):
        raise UsageError(
            f"{len(altered)} maps and {len(values)} scores of altered images",
            f"give one of each for each copy, the same number at {len(STRENGTHS)} strengths",
        )
    reference = _unit(heat)
    moved = np.array([_change(reference, _unit(other)) for other in altered])
    changed = np.abs(values - score)
    if not (np.isfinite(moved).all() and np.isfinite(changed).all()):
        return NAN
    by_strength = [part.reshape(len(STRENGTHS), -1) for part in (changed, moved)]
    deviations = [part - part.mean(1, keepdims=True) for part in by_strength]
    return pearson(*deviations)


def _change(reference: ArrayLike, other: ArrayLike) -> float:
    """1 − SSIM; 1 where only the other map is constant."""
    if np.ptp(np.asarray(other)) == 0 < np.ptp(np.asarray(reference)):
        return 1.0
    return 1 - ssim(reference, other)


def _unit(heat: Tensor) -> ArrayLike:
    """A map scaled to [0, 1] by its own extremes; a constant one is 0."""
    values = full(heat.detach()).cpu().double()
    low, span = values.min(), values.max() - values.min()
    scaled = (values - low) / span if span > 0 else torch.zeros_like(values)
    return np.asarray(scaled.numpy())
