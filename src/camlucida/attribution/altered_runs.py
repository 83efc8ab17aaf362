"""A model on many altered images of one image, as fast as it gives the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from camlucida.attribution.folding import Fold, Foldable, folded
from camlucida.attribution.memory_order import in_fastest_order
from camlucida.models.remembered import Remembered

TOLERANCE = 1e-4
"""Largest difference of logits with folded normalisation, as a share of the largest."""


_VERDICTS: Remembered[object, bool] = Remembered()
"""What would be folded, with its weights, and whether the logits are the same; the last of each
model."""

Run = Callable[[Tensor], Tensor]
"""images (N, C, *spatial) → logits of them, (N, …)"""


class AlteredRuns:
    """Runs a model, its weights unchanged meanwhile, on altered images batch by batch.

    The first batch runs as the model is. If more follow on a CPU, batch normalisation is folded
    into the convolutions from then on, provided that the first image has the same logits with it:
    that is tried once a model, until its weights change.

    Args:
        model: that is run, frozen.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._first: tuple[Tensor, Tensor, Run] | None = None
        self._found: Foldable | None = None
        self._folds: Sequence[Fold] = ()

    @torch.no_grad()
    def logits(self, images: Tensor, run: Run) -> Tensor:
        """Logits of altered images.

        Args:
            images: (N, C, *spatial).
            run: runs the model on images; after the first batch it may round more than that did.

        Raises:
            CamlucidaError: as of ``run``.
        """
        if images.device.type != "cpu" or not len(images):
            return run(images)
        if self._first is None:
            return self._run_first(images, run)
        if self._found is not None:
            self._folds, self._found = self._checked(self._found.folds()), None
        with folded(self._folds):
            return run(in_fastest_order(self._model, images, run))

    def _run_first(self, images: Tensor, run: Run) -> Tensor:
        self._found = Foldable(self._model)
        with self._found.watching():
            logits = run(in_fastest_order(self._model, images, run))
        self._first = images[:1].clone(), logits[:1].clone(), run
        return logits

    def _checked(self, folds: Sequence[Fold]) -> Sequence[Fold]:
        """What is to be folded: all, or nothing where logits would differ."""
        if not folds or self._first is None:
            return ()
        image, logits, run = self._first
        key = image.shape, tuple(_numbers(each) for each in folds)
        verdicts = _VERDICTS.of(self._model)
        if key not in verdicts:
            with folded(folds):
                again = run(in_fastest_order(self._model, image, run))
            tolerance = TOLERANCE * float(logits.abs().max())
            verdicts.clear()  # weights that change leave nothing behind
            verdicts[key] = torch.allclose(again, logits, rtol=0, atol=tolerance)
        return folds if verdicts[key] else ()


def _numbers(fold: Fold) -> tuple[object, ...]:
    """Which parts are folded, and numbers that change with their weights."""
    parts = id(fold.convolution), id(fold.norm)
    return *parts, float(fold.weight.sum()), float(fold.weight.norm()), float(fold.bias.sum())
