"""One image and one score while parts of the image are hidden: a map's claim, tested by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from camlucida.attribution.batches import DEFAULT_BATCH
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.targets import Target
from camlucida.core.errors import UsageError
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.measure import UnitScale
from camlucida.evaluation.maps.target_scores import target_scores
from camlucida.metrics.annotations import Mask
from camlucida.metrics.chance import placed_at_random
from camlucida.metrics.curves import CELL_STEPS
from camlucida.metrics.imputation import Fill, Perturbation, PerturbedImage, impute
from camlucida.metrics.perturbation import step_counts
from camlucida.metrics.queue import Done, Plan, Step, evaluate
from camlucida.models.state import frozen

Floats = NDArray[np.float64]

Cover = Literal["blur", "mean", "inpaint"]
"""What stands where a part is hidden: a strong blur of the image; its mean; what its border
suggests (ROAD's imputation)."""

Action = Literal["hide", "keep"]

PLACES = 25
"""Random positions of an equally large region that a change is compared with."""

RANDOM_ORDERS = 5
"""Random orders beside the map's order in a deletion curve."""

_FILLS: dict[Cover, Fill] = {"blur": "strong blur", "mean": "mean"}


@dataclass(frozen=True)
class RegionChange:
    """The score of an image, and of the image with a region hidden, or alone kept.

    Attributes:
        share: of the model's input that the region takes.
        before, after: (score, probability); the probability is NaN where the model has none.
        elsewhere: (N, 2) ``after`` of the same region at random other positions in the image.
    """

    share: float
    before: Floats
    after: Floats
    elsewhere: Floats


@dataclass(frozen=True)
class DeletionCurve:
    """The score while the hottest cells of a map are hidden, and cells in a random order.

    Attributes:
        counts: (steps,) of cells that are hidden.
        shares: (steps,) of the image that is hidden.
        hottest: (steps, 2) score and probability, hottest cells first.
        random: (orders, steps, 2) the same in random orders.
    """

    counts: NDArray[np.int64]
    shares: Floats
    hottest: Floats
    random: Floats


@dataclass
class TestedImage:
    """An image whose score is measured while parts of it are hidden.

    Attributes:
        model: that is run.
        scan: the image, prepared for it.
        target: whose score is measured.
        unit: so that the image is altered in [0, 1], before it is normalised; None: as it is.
        progress: called with the target's scores in the altered images that were run since the last
            call, in order.
    """

    __test__ = False  # no test, whatever its name says to pytest

    model: ExplainedModel
    scan: Scan
    target: Target
    unit: UnitScale | None = None
    progress: Callable[[Sequence[float]], object] = field(default=lambda scores: None)

    def __post_init__(self) -> None:
        to_unit, to_model = self.unit if self.unit is not None else (None, None)
        tensor = self.scan.tensor if to_unit is None else to_unit(self.scan.tensor)
        self.image = PerturbedImage("image", tensor, (False, True), to_model)

    def region_change(
        self, region: Mask, action: Action = "hide", cover: Cover = "blur", places: int = PLACES
    ) -> RegionChange:
        """Hide a region, or all but the region, and see what the score does.

        Args:
            region: (H, W) bool in original pixels.
            action: "hide" or "keep".
            cover: what stands where something is hidden.
            places: random positions inside the film that it is compared with, at most; 0 for none.

        Raises:
            UsageError: the region has no pixel that the model sees, or all of them.
        """
        mask = self._on_input(region)
        moved = list(placed_at_random(mask, places, self._film())) if places else []
        masks = [mask, *moved]
        hidden = masks if action == "hide" else [~each for each in masks]
        steps = [Step("original", lambda: self.image.ready(self.image.tensor))]
        for number, each in enumerate(hidden):
            steps.append(Step(("hidden", number), partial(self.hidden, each, cover)))
        scores = self._scores(steps)
        return RegionChange(float(mask.mean()), scores[0], scores[1], scores[2:])

    def occlusion(self, cells: int, cover: Cover = "blur") -> tuple[Floats, Floats]:
        """Hide one cell of an even grid over the input after the other.

        Args:
            cells: of the grid, a side.
            cover: what stands where a cell is hidden.

        Returns:
            (2,) score and probability of the image; (cells, cells, 2) those with a cell hidden.

        Raises:
            UsageError: fewer than 2 cells, or more than pixels.
        """
        size = tuple(self.image.tensor.shape[1:])
        if not 2 <= cells <= min(size):
            raise UsageError(f"a grid of {cells} cells a side", f"give 2 to {min(size)}")
        steps = [Step("original", lambda: self.image.ready(self.image.tensor))]
        for number in range(cells * cells):
            one = torch.zeros(cells * cells)
            one[number] = 1
            grid = one.reshape(1, 1, cells, cells)
            mask = F.interpolate(grid, size, mode="nearest-exact")[0, 0] > 0.5
            steps.append(Step(("cell", number), partial(self.hidden, mask.numpy(), cover)))
        scores = self._scores(steps)
        return scores[0], scores[1:].reshape(cells, cells, 2)

    def deletion_curve(
        self,
        heat: Tensor,
        cover: Cover = "blur",
        count: int | None = None,
        orders: int = RANDOM_ORDERS,
    ) -> DeletionCurve:
        """Hide the hottest cells of a map, more and more of them.

        Args:
            heat: (*grid) the map on the grid of its layer.
            cover: what stands where a cell is hidden.
            count: of cells, which is a step of the curve, too; as of :func:`hidden_counts`.
            orders: random orders beside that of the map.

        Raises:
            UsageError: ``count`` is out of range, or a volume is to be inpainted.
        """
        counts = hidden_counts(heat.numel(), cover, count)
        steps = [Step("original", lambda: self.image.ready(self.image.tensor))]
        for seed, each in enumerate((heat.double(), *_random_maps(heat, orders))):
            map_ = Perturbation(self.image, each, seed)
            steps += [self._without_hottest(map_, number, cover) for number in counts[1:]]
        scores = self._scores(steps)
        curves = scores[1:].reshape(1 + orders, len(counts) - 1, 2)
        whole = np.broadcast_to(scores[0], (1 + orders, 1, 2))
        hottest, *random = np.concatenate([whole, curves], axis=1)
        return DeletionCurve(
            np.array(counts), np.array(counts) / heat.numel(), hottest, np.array(random)
        )

    def _without_hottest(self, map_: Perturbation, count: int, cover: Cover) -> Step:
        """The image with the hottest cells of a map hidden."""

        def altered() -> Tensor:
            return self.hidden(map_.hottest("cells", count).numpy(), cover)

        # Of an image that is hidden as a whole there is one, whatever the order.
        is_whole = count == map_.native.numel()
        return Step("whole" if is_whole else (map_.token, count), altered)

    def hidden(self, mask: Mask, cover: Cover) -> Tensor:
        """The model's input with what ``mask`` covers hidden.

        Args:
            mask: (H, W) bool in pixels of the model's input.
            cover: what stands there.
        """
        if cover == "inpaint":
            return self.image.ready(impute(self.image.tensor, mask))
        there = torch.from_numpy(mask)
        filled = self.image.filled(_FILLS[cover])
        return self.image.ready(torch.where(there, filled, self.image.tensor))

    def _on_input(self, region: Mask) -> Mask:
        """The region in pixels of the model's input."""
        geometry = self.scan.geometry
        if region.shape != geometry.original:
            raise UsageError(f"a region of shape {region.shape} on an image {geometry.original}")
        values = torch.from_numpy(region).float()[None]
        mask: Mask = (geometry.map_to_model(values)[0] >= 0.5).numpy()
        if not mask.any():
            raise UsageError(
                "the region has no pixel that the model sees", "draw it larger, inside the film"
            )
        if mask.all():
            raise UsageError("the region is the whole film", "draw it smaller")
        return mask

    def _film(self) -> Mask:
        """Where the model's input shows the film, and no padding."""
        whole = torch.ones(1, *self.scan.geometry.original)
        film: Mask = (self.scan.geometry.map_to_model(whole)[0] > 0.5).numpy()
        return film

    def _scores(self, steps: Sequence[Step]) -> Floats:
        """(steps, 2) score and probability."""
        (done,) = self._run([Plan("image", steps, lambda scores: {})])
        return done.scores

    def _run(self, plans: Sequence[Plan]) -> Iterator[Done]:
        def score(inputs: Tensor, images: Sequence[object]) -> list[Tensor]:
            rows = target_scores(self.model, inputs, [[self.target]] * len(inputs))
            self.progress([float(row[0]) for row in rows])
            return rows

        weight = next(self.model.module.parameters(), None)
        device = "cpu" if weight is None else weight.device.type
        with frozen(self.model.module):
            yield from evaluate(plans, score, DEFAULT_BATCH.get(device, 8))


def _random_maps(heat: Tensor, orders: int) -> Iterator[Tensor]:
    for seed in range(orders):
        generator = torch.Generator().manual_seed(seed)
        yield torch.rand(heat.shape, generator=generator, dtype=torch.float64)


def hidden_counts(cells: int, cover: Cover, count: int | None = None) -> list[int]:
    """How many cells are hidden at each step of a deletion curve, from none on.

    Args:
        cells: of the map.
        cover: what stands where a cell is hidden. Where it is made of what is left, the curve ends
            before nothing is.
        count: that is a step, too.

    Raises:
        UsageError: ``count`` is none of 1 to the last step.

    >>> hidden_counts(4, "blur"), hidden_counts(4, "inpaint")
    ([0, 1, 2, 3, 4], [0, 1, 2, 3])
    """
    most = cells - 1 if cover == "inpaint" else cells
    if count is not None and not 1 <= count <= most:
        raise UsageError(f"{count} cells of a map that has {cells}", f"give 1 to {most}")
    steps = {*step_counts(cells, CELL_STEPS), count or 0, most}
    return sorted(step for step in steps if step <= most)


def curve_passes(counts: Sequence[int], cells: int, orders: int = RANDOM_ORDERS) -> int:
    """How many images a deletion curve runs.

    Args:
        counts: of :func:`hidden_counts`.
        cells: of the map.
        orders: random orders beside that of the map.

    >>> curve_passes([0, 1, 2, 3, 4], 4)  # the image, three steps in six orders, and all hidden
    20
    """
    whole = counts.count(cells)
    return 1 + (len(counts) - 1 - whole) * (1 + orders) + whole
