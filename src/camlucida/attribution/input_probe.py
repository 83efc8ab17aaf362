"""What methods see that make a map of the image's own pixels, whatever layer is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from camlucida.attribution.altered_runs import AlteredRuns
from camlucida.attribution.capture_breaks import altered, where_gradient_stops
from camlucida.attribution.capture_inputs import no_picture
from camlucida.attribution.graph import Graph, Score
from camlucida.attribution.graph_nodes import reaches
from camlucida.attribution.steps import Steps
from camlucida.attribution.watch import Captured
from camlucida.core.errors import LayerError, NoEvidenceError
from camlucida.core.messages import Message
from camlucida.core.tensors import full
from camlucida.models.unexplainable import QUANTISED, has_quantised_head

INPUT = "(input)"
"""The layer's name of a map of the image's pixels, in requests and results."""


class InputProbe:
    """One image and T targets: scores of altered images, and their gradients by the pixels.

    Args:
        image: (1, C, *spatial).
        logits: images (N, C, *spatial) → logits (N, C, …).
        targets: functions logits (N, C, …) → (N,).
        reference: the image's logits (1, C, …).
        batch_size: altered images in one forward.
        module: the model itself.
        others: what the model takes beside the image, of this image.
        coarsest: number of grids, images → the last layer of each of the coarsest grids, and the
            logits of their graph.

    Attributes:
        inputs: (1, C, *spatial) the image.
        targets: as above.
        scores: (T,) of the image as it is.
        batch_size: altered images in one forward.
        module: the model itself.
        cautions: what is to be said of the maps; a method adds to them.
        product: the layers whose maps the method multiplied; () of none.
        steps: how far the method is; one that runs its images in several calls says at first how
            many there are.
    """

    def __init__(
        self,
        image: Tensor,
        logits: Callable[[Tensor], Tensor],
        targets: Sequence[Score],
        reference: Tensor,
        batch_size: int,
        module: nn.Module,
        others: tuple[Tensor, ...],
        coarsest: Callable[[int, Tensor], tuple[list[Captured], Tensor]],
    ) -> None:
        self._logits, self.module = logits, module
        self._runs = AlteredRuns(module)
        self._coarsest, self._others = coarsest, others
        self._is_reached: bool | None = None
        self.inputs, self.targets, self.batch_size = image, targets, batch_size
        self.scores = self._score(reference)[:, 0]
        self.cautions: list[Message] = []
        self.product: tuple[str, ...] = ()
        self.steps = Steps()

    @torch.no_grad()
    def score(self, images: Tensor) -> Tensor:
        """Scores of altered images, in forwards of ``batch_size``.

        Args:
            images: (N, C, *spatial).

        Returns:
            (T, N).
        """
        self.steps.begin(len(images))
        scores = []
        for part in images.split(self.batch_size):
            scores.append(self._score(self._runs.logits(part, self._logits)))
            self.steps.end(len(part))
        return torch.cat(scores, 1)

    def graph(self, images: Tensor) -> Graph:
        """One forward pass of altered images, from the pixels on a graph.

        Args:
            images: (N, C, *spatial), in one piece.

        Raises:
            NoEvidenceError: the score depends on the pixels, and has no gradient by them.
        """
        leaf = images.detach().clone().requires_grad_()
        # A clone goes in, for a model may overwrite its input.
        logits = self._logits(leaf.clone())
        self._check_reached(logits, leaf)
        return Graph(leaf, logits, self._score(logits))

    @torch.enable_grad()
    def coarsest_layers(self, most: int) -> dict[str, Graph]:
        """One forward pass of the image, with the last layer of each of the coarsest grids.

        Args:
            most: number of grids.

        Returns:
            Layer → the graph from there on, in order of the forward pass.

        Raises:
            LayerError: the map of a layer lies over no image.
            NoEvidenceError: no gradient reaches a layer.
        """
        layers, logits = self._coarsest(most, self.inputs)
        scores = self._score(logits)
        for layer in layers:
            problem = no_picture(layer)
            if problem is not None:
                raise LayerError(
                    str(problem).rstrip("."), "choose a method that works at one layer"
                )
        return {layer.name: Graph(layer.activations, logits, scores) for layer in layers}

    def gradients(
        self, images: Tensor, during: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> Tensor:
        """The gradient of each score by the pixels, in passes of ``batch_size``.

        Args:
            images: (N, C, *spatial).
            during: makes what surrounds each forward pass.

        Returns:
            (T, N, C, *spatial), in at least float32; 0 where a score does not depend on the pixels.

        Raises:
            ModelError: the graph cannot be differentiated.
            NoEvidenceError: as of :meth:`graph`.
        """
        self.steps.begin(len(images))
        parts = []
        for part in images.split(self.batch_size):
            with during():
                graph = self.graph(part)
            parts.append(graph.gradients())
            self.steps.end(len(part))
        return torch.cat(parts, 1)

    def _check_reached(self, logits: Tensor, leaf: Tensor) -> None:
        if self._is_reached is None:
            self._is_reached = reaches(logits, leaf)
            if not self._is_reached:
                self._check_independent()

    @torch.no_grad()
    def _check_independent(self) -> None:
        """Raises NoEvidenceError where other pixels change a score that has no gradient."""
        scores = self._score(self._logits(altered(self.inputs)))[:, 0]
        if torch.allclose(scores, self.scores):
            return
        where = where_gradient_stops(self.module, (self.inputs, *self._others), None)
        if not where and has_quantised_head(self.module):
            where = QUANTISED
        what = "the gradient of the score does not reach the pixels, on which it depends"
        raise NoEvidenceError(
            f"{what}: {where or 'a detach(), no_grad, or an operation without a gradient'}",
            "take it out of forward, or choose occlusion or rise, which need no gradient, or a "
            "layer behind it",
        )

    def _score(self, logits: Tensor) -> Tensor:
        return torch.stack([target(full(logits)) for target in self.targets])
