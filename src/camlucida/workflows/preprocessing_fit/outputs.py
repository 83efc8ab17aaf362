"""The model's outputs in the order of a table's labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.attribution.explained_model import ExplainedModel, explained_model, run_batch
from camlucida.core.errors import UsageError
from camlucida.io.tables import fold
from camlucida.models.load import LoadedModel
from camlucida.models.outputs import BatchOutput

Floats = NDArray[np.float64]

BATCH_PIXELS = 16 * 224 * 224
"""Pixels in one forward pass: many small images share what a pass costs by itself."""

MOST_IN_BATCH = 64


def batch_size(size: Sequence[int]) -> int:
    """Images of a size in one forward pass.

    Args:
        size: ends in height and width in pixels.

    >>> batch_size((3, 224, 224)), batch_size((3, 32, 32)), batch_size((3, 2048, 2048))
    (16, 64, 1)
    """
    fitting = BATCH_PIXELS // (size[-2] * size[-1])
    return max(1, min(fitting, MOST_IN_BATCH))


class Outputs:
    """A model that is run on prepared images.

    Args:
        model: the model.
        task: of the table.
        labels: of the table, in the order that the outputs are wanted in.
    """

    def __init__(self, model: LoadedModel, task: str, labels: Sequence[str]) -> None:
        self._model: ExplainedModel = explained_model(model)
        self._task, self._labels = task, tuple(labels)
        parameter = next(model.module.parameters(), torch.zeros(0))
        self._device = parameter.device

    def of(self, tensors: Sequence[Tensor]) -> Floats:
        """The outputs of images (C, H, W) of one size.

        Returns:
            (images, labels) probabilities, or (images, 1) values.

        Raises:
            UsageError: the model's labels are not those of the table.
            ModelError: the model cannot run on them.
        """
        parts = []
        count = batch_size(tensors[0].shape)
        for start in range(0, len(tensors), count):
            batch = torch.stack(list(tensors[start : start + count]))
            with torch.no_grad():
                output = run_batch(self._model, batch.to(self._device))
            parts.append(self._ordered(output))
        return np.concatenate(parts)

    def _numbers(self, output: BatchOutput) -> Floats:
        """(B, outputs) values of regression, or probabilities."""
        values = output.probabilities
        if values is None or self._task == "regression":
            values = output.logits
        numbers = values.detach().double().cpu().numpy()
        if numbers.ndim != 2:
            raise UsageError("the model's output is an image", "predictions of images are needed")
        return numbers

    def _ordered(self, output: BatchOutput) -> Floats:
        numbers = self._numbers(output)
        if self._task == "regression":
            return numbers[:, :1]
        wanted, names = list(map(fold, self._labels)), list(map(fold, map(str, output.labels)))
        if numbers.shape[1] == 1 and len(wanted) == 2:
            numbers = np.concatenate([1 - numbers, numbers], axis=1)
        if numbers.shape[1] == 1 and len(wanted) == 1:
            return numbers
        if set(wanted) <= set(names):
            return numbers[:, [names.index(label) for label in wanted]]
        if len(wanted) == numbers.shape[1]:
            # The model has no names of its own, or others: the order is that of the table.
            return numbers
        raise UsageError(
            f"the model has {numbers.shape[1]} outputs, the predictions {len(wanted)} labels",
            "are they of this model? Name the labels in the card",
        )
