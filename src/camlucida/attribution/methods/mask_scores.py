"""Scores of the masks of a map: in bfloat16, where that is faster and the map the same.

Rounded scores make nearly the map of exact ones, for it consists of few masks. Those are scored
again in float32, which also shows how far rounded scores are off, until the rest no longer matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from camlucida.attribution.methods.base import VARIANTS, Method
from camlucida.attribution.probe import Probe
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import declare

declare("variants", {"float32": "{description}; all masks are scored in float32"})

FEWEST = 256
"""Masks below which all are scored in float32."""

FIRST = 16
"""Masks that are scored again at first because they weigh most, and as many all over the others."""

ROUND = 32
"""Masks that are scored again together, after these."""

GOAL = 0.9995
"""Correlation with the map of float32, as estimated, at which no more are scored again."""

ALIKE = 4.0
"""Factor of the variance of weights: errors of masks that are alike are so, too, and add up.

Without it the estimate was 0.9996 where the correlation was 0.9987 (EfficientNet-Lite0)."""

LARGEST = 50.0
"""Variance of errors beyond which nothing is known of a weight: its exponential stays finite."""

Score = Callable[[Tensor, bool], Tensor]
"""(n,) numbers of masks, whether in bfloat16 → (T, n) scores"""


def mask_scores(probe: Probe, channels: Tensor, score: Score, forwards: int = 1) -> Tensor:
    """The scores of all masks.

    Args:
        probe: one image, and T targets.
        channels: (K, *grid) activations, of a mask each.
        score: of some of the masks.
        forwards: that the score of one mask needs.

    Returns:
        (T, K).
    """
    numbers = torch.arange(len(channels), device=channels.device)
    probe.steps.expect(forwards * len(numbers))
    parts = numbers.split(probe.batch_size)
    if len(numbers) < FEWEST or probe.rounded is None:
        return _all(score, parts, False)
    first = score(parts[0], False)  # in which the probe sees how the model is run fastest
    try:
        rounded = _all(score, parts, True)
    except CamlucidaError:  # the model does not run in bfloat16
        rounded = first.new_full((1, 1), torch.nan)
    if not bool(rounded.isfinite().all()):
        return torch.cat([first, _all(score, parts[1:], False)], 1)
    known = _Known.of(channels, rounded).with_exact(parts[0], first)
    return _scored_again(probe, known, score)


def _all(score: Score, parts: tuple[Tensor, ...], rounded: bool) -> Tensor:
    return torch.cat([score(part, rounded) for part in parts], 1)


def _scored_again(probe: Probe, known: _Known, score: Score) -> Tensor:
    """Scores in float32 of those masks on which the map depends, with the rounded ones."""
    chosen = known.first()
    while len(chosen):
        for part in chosen.split(probe.batch_size):
            known = known.with_exact(part, score(part, False))
        chosen = known.next()
    exact = int(known.exact.sum())
    correlation = math.floor(1e4 * float(known.correlations().min())) / 1e4
    rounded = len(known.exact) - exact
    probe.precision = {"float32": exact, "bfloat16": rounded, "correlation": correlation}
    return known.scores().to(known.rounded)


@dataclass(frozen=True)
class _Known:
    """What is known of the scores.

    Attributes:
        channels: (K, cells) of a mask each, in float64.
        rounded: (T, K) the scores in bfloat16.
        exact: (K,) whether the score in float32 is known.
        errors: (T, K) that less the rounded one, in float64; 0 where it is not known.
    """

    channels: Tensor
    rounded: Tensor
    exact: Tensor
    errors: Tensor

    @classmethod
    def of(cls, channels: Tensor, rounded: Tensor) -> _Known:
        """The (T, K) rounded scores of the masks of (K, *grid) channels."""
        exact = torch.zeros_like(rounded[0], dtype=torch.bool)
        errors = torch.zeros_like(rounded, dtype=torch.float64)
        return cls(channels.flatten(1).double(), rounded, exact, errors)

    def with_exact(self, numbers: Tensor, scores: Tensor) -> _Known:
        """With the (T, n) scores of some masks in float32."""
        exact, errors = self.exact.clone(), self.errors.clone()
        exact[numbers] = True
        errors[:, numbers] = scores.double() - self.rounded[:, numbers].double()
        return replace(self, exact=exact, errors=errors)

    def scores(self) -> Tensor:
        """(T, K) those in float32, and the rounded ones less their mean error."""
        mean = self.errors[:, self.exact].mean(1, keepdim=True)
        return self.rounded.double() + torch.where(self.exact, self.errors, mean)

    def first(self) -> Tensor:
        """The masks of the largest parts, and others at equal distances in the order of these."""
        parts = self._parts().amax(0)
        parts[self.exact] = -1
        order = parts.argsort(descending=True, stable=True)[: int((~self.exact).sum())]
        others = order[FIRST:]
        step = max(1, len(others) // FIRST)
        return torch.cat([order[:FIRST], others[::step][:FIRST]])

    def next(self) -> Tensor:
        """The masks to score again; none where the map is near enough, or all are exact."""
        failing = self.correlations() < GOAL
        if not bool(failing.any()):
            return self.exact.nonzero()[:0, 0]
        parts = self._parts()[failing].amax(0)
        parts[self.exact] = -1
        count = min(ROUND, int((~self.exact).sum()))
        return parts.argsort(descending=True, stable=True)[:count]

    def correlations(self) -> Tensor:
        """(T,) of the map with that of exact scores, as the known errors let expect."""
        variance = self.errors[:, self.exact].var(1).clamp(max=LARGEST)
        # E (e^ε − 1)² of normal ε: nearly the variance where that is small.
        of_weights = (2 * variance).exp() - 2 * (variance / 2).exp() + 1
        rest = self._parts()[:, ~self.exact].sum(1)
        return (1 + ALIKE * of_weights * rest).rsqrt()

    def _parts(self) -> Tensor:
        """(T, K) how much an error of each score changes the map, as a share of the map.

        With ``M = relu(Σ_k w_k A_k)``, w the softmax of the scores, ``∂M/∂s_k = w_k (A_k − M)``
        where M > 0. Squares, of what differs from the mean over the cells.
        """
        weights = self.scores().softmax(1)
        return torch.stack([self._parts_of(each) for each in weights])

    def _parts_of(self, weights: Tensor) -> Tensor:
        total = weights @ self.channels
        changes = torch.where(total > 0, self.channels - total, 0)
        changes = changes - changes.mean(1, keepdim=True)
        positive = total.relu()
        size = (positive - positive.mean()).square().sum().clamp(min=1e-200)
        parts: Tensor = weights.square() * changes.square().sum(1) / size
        return parts


def float32(method: Method) -> Method:
    """A method of masks all of which are scored in the model's own precision.

    Args:
        method: Score-CAM, SS-CAM or IS-CAM.

    Raises:
        UsageError: any other method.

    >>> from camlucida.attribution.methods import METHODS
    >>> METHODS["scorecam:float32"].title
    'Score-CAM, in float32'
    """
    if method.name not in ("scorecam", "sscam", "iscam"):
        raise UsageError(
            f"{method.name} runs in the model's own precision anyway", f"choose {method.name}"
        )

    def run(probe: Probe) -> Tensor:
        probe.rounded = None
        made: Tensor = method.run(probe)
        return made

    name, title = f"{method.name}:float32", f"{method.title}, in float32"
    return replace(method, name=name, title=title, run=run)


VARIANTS.add("float32", float32)
