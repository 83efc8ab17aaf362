"""Score-CAM from the scores of some of its masks: the others are predicted from these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from camlucida.attribution.methods.base import VARIANTS, Method
from camlucida.attribution.methods.scorecam import (
    input_masks,
    masked_scores,
    weighted_by_scores,
    with_range,
)
from camlucida.attribution.probe import Probe
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.core.tensors import min_max

declare(
    "variants",
    {
        "fast": (
            "{description}; 64 of the masks are scored (16 more for each further label), and the "
            "scores of the others predicted"
        )
    },
)
declare(
    "caution",
    {
        "predicted_scores": (
            "{run} of {channels} masks were scored, and the scores of the others predicted: the "
            "correlation with the map of all masks is estimated at {correlation:.3f}, which can be "
            "far too high where a single mask makes the map (scorecam scores all)"
        )
    },
)

FIRST = 48
"""Masks that are scored at first, as far from each other as there are: of 24, the one mask that an
exact map consists of was missed, and the estimate did not show it."""

BUDGET = 64
"""Masks that are scored for one label."""

FURTHER = 16
"""Masks more for each further label."""

ROUND = 8
"""Masks that are chosen together, by what is known until then."""

NUGGET = 0.01
"""Variance of a score that its mask does not explain, as a share of what the masks explain."""

DRAWS = 32
"""Sets of scores, as probable as the predicted ones, from which the correlation is estimated."""


def fast(method: Method) -> Method:
    """Score-CAM by 64 masks.

    Args:
        method: Score-CAM.

    Raises:
        UsageError: any other method.

    >>> from camlucida.attribution.methods import METHODS
    >>> METHODS["scorecam:fast"].title
    'Score-CAM, some masks scored'
    """
    if method.name != "scorecam":
        raise UsageError(f"{method.name} has no fast variant", "choose scorecam:fast")
    return replace(
        method,
        name="scorecam:fast",
        title="Score-CAM, some masks scored",
        run=scorecam_fast,
        cost=f"1 + {BUDGET} forwards, {FURTHER} more for each further label",
    )


def scorecam_fast(probe: Probe) -> Tensor:
    """Score-CAM of which most scores are predicted, as a smooth function of the mask.

    Ours, without a paper. The prediction is the mean of a Gaussian process on the masks, with the
    kernel ``exp(−d²/2ℓ²)`` of their distance on the layer's grid. Its first masks lie far apart;
    the next ones are those that would have the largest part in a map if their scores were one
    standard deviation above the prediction. With as many masks as channels it is Score-CAM.

    The estimated correlation is no bound: where one mask that was not scored has by far the highest
    score, it is missed without a sign.

    Args:
        probe: one image; scores altered inputs.

    Returns:
        (T, *grid), ≥ 0 where activations are, in activation units.
    """
    usable = with_range(probe.activations[0])
    channels = probe.activations[0][usable]
    count = len(channels)
    budget = min(count, BUDGET + FURTHER * (len(probe.scores) - 1))
    probe.steps.expect(budget)
    if count == 0:
        return weighted_by_scores(probe, usable, [])
    known = _Known(channels.cpu())
    chosen = known.far_apart(min(FIRST, budget))
    while chosen:
        for part in torch.tensor(chosen, device=channels.device).split(probe.batch_size):
            scores = masked_scores(probe, input_masks(probe, channels[part]))
            known.add(part.tolist(), scores.cpu().double())
        chosen = known.promising(min(ROUND, budget - len(known.chosen)))
    predicted = known.predicted()
    if budget < count:
        values = {"run": budget, "channels": count, "correlation": known.correlation(predicted)}
        probe.cautions.append(Message("caution.predicted_scores", values))
    return weighted_by_scores(probe, usable, [predicted.mean.to(probe.scores)])


@dataclass(frozen=True)
class _Predicted:
    """Scores of all masks, (T, K) each: those that are known, and the others as predicted.

    Attributes:
        mean: the scores; of a known one, itself.
        deviation: standard deviation of the prediction; 0 of a known one.
        errors: (T, n) each known score less its prediction from the others, in standard deviations.
    """

    mean: Tensor
    deviation: Tensor
    errors: Tensor


class _Known:
    """What is known of the scores of masks.

    Args:
        channels: (K, *grid) activations on the CPU, each with a range.

    Attributes:
        chosen: numbers of the masks whose score is known.
    """

    def __init__(self, channels: Tensor) -> None:
        self._channels = channels.flatten(1).double()
        self._masks = min_max(self._channels)[0]
        self.chosen: list[int] = []
        self._distances = self._masks.new_empty(0, len(channels))
        self._scores = self._masks.new_empty(0, 0)

    def _distances_from(self, number: int) -> Tensor:
        distances: Tensor = (self._masks - self._masks[number]).norm(dim=1)
        return distances

    def far_apart(self, count: int) -> list[int]:
        """The largest mask, then the one that is farthest from the nearest before it, and so on."""
        chosen = [int(self._masks.norm(dim=1).argmax())]
        nearest = self._distances_from(chosen[0])
        while len(chosen) < count:
            chosen.append(int(nearest.argmax()))
            nearest = torch.minimum(nearest, self._distances_from(chosen[-1]))
        return chosen

    def add(self, numbers: Sequence[int], scores: Tensor) -> None:
        """Add what was found.

        Args:
            numbers: of the masks.
            scores: (T, n) of these.
        """
        rows = [self._distances, *(self._distances_from(number)[None] for number in numbers)]
        self._distances = torch.cat(rows)
        self._scores = torch.cat([self._scores.reshape(len(scores), -1), scores], 1)
        self.chosen += numbers

    def predicted(self) -> _Predicted:
        """The scores of all masks."""
        among = self._distances[:, self.chosen[:FIRST]][:FIRST]
        length = among[among > 0].median() if bool((among > 0).any()) else among.new_ones(())
        kernel = (-0.5 * (self._distances / length) ** 2).exp()
        inverse = torch.linalg.inv(
            kernel[:, self.chosen] + NUGGET * torch.eye(len(kernel)).double()
        )
        centre = self._scores.mean(1, keepdim=True)
        parts = (self._scores - centre) @ inverse
        mean = centre + parts @ kernel
        precision = inverse.diagonal()
        # Each score less its prediction from all the others, in closed form.
        errors = parts / precision.sqrt()
        spread = errors.square().mean(1, keepdim=True).sqrt()
        variance = (1 - (kernel * (inverse @ kernel)).sum(0)).clamp(min=0)
        deviation = variance.sqrt() * spread
        mean[:, self.chosen] = self._scores
        deviation[:, self.chosen] = 0
        return _Predicted(mean, deviation, errors / spread.clamp(min=1e-12))

    def promising(self, count: int) -> list[int]:
        """The masks of the largest part in a map, were their scores one deviation higher."""
        if count < 1:
            return []
        predicted = self.predicted()
        top = predicted.mean.amax(1, keepdim=True)
        parts = (predicted.mean + predicted.deviation - top).exp() * self._channels.norm(dim=1)
        shares = parts / parts.sum(1, keepdim=True)
        shares[:, self.chosen] = -1
        order: list[int] = shares.amax(0).argsort(descending=True, stable=True).tolist()
        return order[:count]

    def correlation(self, predicted: _Predicted) -> float:
        """Pearson correlation with the map of all masks, as estimated; of the worst label."""
        generator = torch.Generator().manual_seed(0)
        maps, count = self._maps(predicted.mean), len(self._channels)
        total = maps.new_zeros(len(maps))
        for _ in range(DRAWS):
            which = torch.randint(len(self.chosen), (count,), generator=generator)
            drawn = predicted.mean + predicted.deviation * predicted.errors[:, which]
            total += _pearson(maps, self._maps(drawn))
        return float((total / DRAWS).amin())

    def _maps(self, scores: Tensor) -> Tensor:
        """(T, cells), after the ReLU."""
        return (scores.softmax(1) @ self._channels).relu()


def _pearson(first: Tensor, second: Tensor) -> Tensor:
    """(T,) of maps (T, cells); 0 for a constant one."""
    first, second = (x - x.mean(1, keepdim=True) for x in (first, second))
    length = first.norm(dim=1) * second.norm(dim=1)
    correlation: Tensor = (first * second).sum(1) / length.clamp(min=1e-300)
    return correlation


VARIANTS.add("fast", fast)
