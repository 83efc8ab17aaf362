"""Pipelines tried on images: no film is prepared twice, no input is run twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.errors import ModelError
from camlucida.io.image import RawImage
from camlucida.models.preprocessing import prepared_inputs
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.workflows.preprocessing_fit.agreement import Agreement, StoredOutputs, agreement
from camlucida.workflows.preprocessing_fit.candidates import card_keys
from camlucida.workflows.preprocessing_fit.outputs import Outputs, batch_size

Floats = NDArray[np.float64]
Progress = Callable[..., object]
Digest = tuple[tuple[int, ...], bytes]


@dataclass(frozen=True)
class Ranked:
    """A pipeline and how well it reproduces the stored predictions."""

    spec: InputSpec
    keys: dict[str, Any]
    agreement: Agreement


@dataclass
class Trials:
    """Outputs of a model on images as pipelines prepare them, against stored ones.

    Attributes:
        outputs: of the model.
        images: read, in the order of ``stored``.
        stored: the predictions.
        seconds: after which nothing more is computed, except where a call asks for it.
        progress: of the pipelines tried.
        tried: pipelines tried so far.
        cut: whether the time was too short for what was to be computed.
    """

    outputs: Outputs
    images: Sequence[RawImage]
    stored: StoredOutputs
    seconds: float = 600.0
    progress: Progress = lambda done=0, total=None: None
    cut: bool = False
    _start: float = field(default_factory=time.monotonic)
    _of: dict[InputSpec, dict[int, Floats]] = field(default_factory=dict)
    _of_input: dict[Digest, Floats] = field(default_factory=dict)
    _refused: set[tuple[int, ...]] = field(default_factory=set)

    @property
    def tried(self) -> int:
        """Pipelines tried so far."""
        return len(self._of)

    @property
    def informative_rows(self) -> list[int]:
        """Rows of the images, those first whose outputs follow the input most.

        A probability near 0 or 1 hardly changes with the preprocessing.
        """
        if self.stored.task == "regression":
            return _spread(len(self.images))
        scores = np.nan_to_num(self.stored.scores, nan=0.5)
        uncertain = (scores * (1 - scores)).mean(1)
        return [int(row) for row in np.argsort(-uncertain, kind="stable")]

    def ranked(
        self, specs: Iterable[InputSpec], rows: Sequence[int], *, limited: bool = True
    ) -> list[Ranked]:
        """Pipelines on some of the images, the best first.

        Args:
            specs: the pipelines; those that the model cannot take are left out.
            rows: of the images.
            limited: whether the time may run out.

        Raises:
            UsageError: the model's outputs are not those of the predictions.
        """
        specs = list(dict.fromkeys(specs))
        for row in rows:
            missing = [spec for spec in specs if row not in self._of.get(spec, ())]
            self._compute(missing, row, limited)
        stored = self.stored.rows(rows)
        ranked = []
        for spec in specs:
            outputs = self._of.get(spec, {})
            if all(row in outputs for row in rows):
                computed = np.stack([outputs[row] for row in rows])
                ranked.append(Ranked(spec, card_keys(spec), agreement(computed, stored)))
        return sorted(ranked, key=lambda each: each.agreement.rank)

    def _compute(self, specs: Sequence[InputSpec], row: int, limited: bool) -> None:
        # Steps that pipelines share, and inputs of one size, come one after the other.
        ordered = sorted(specs, key=lambda spec: (spec.height_width, str(spec.pipeline())))
        for batch in _batches(ordered, prepared_inputs(self.images[row], ordered)):
            if limited and time.monotonic() - self._start > self.seconds:
                self.cut = True
                return
            digests = [_digest(tensor) for _, tensor in batch]
            self._run(dict(zip(digests, (tensor for _, tensor in batch))))
            for (spec, _), digest in zip(batch, digests):
                if digest in self._of_input:
                    if spec not in self._of:
                        self.progress(1)
                    self._of.setdefault(spec, {})[row] = self._of_input[digest]

    def _run(self, inputs: dict[Digest, Tensor]) -> None:
        """Outputs of the inputs that were not run yet; none of a size that the model refuses."""
        fresh = [digest for digest in inputs if digest not in self._of_input]
        if not fresh or fresh[0][0] in self._refused:
            return
        try:
            outputs = self.outputs.of([inputs[digest] for digest in fresh])
        except (ModelError, RuntimeError):
            self._refused.add(fresh[0][0])
            return
        self._of_input.update(zip(fresh, outputs))


def _batches(
    specs: Sequence[InputSpec], inputs: Iterable[Tensor]
) -> Iterator[list[tuple[InputSpec, Tensor]]]:
    """Pipelines with their inputs, some of one shape at a time."""
    batch: list[tuple[InputSpec, Tensor]] = []
    for spec, tensor in zip(specs, inputs):
        if batch and _is_full(batch, tensor):
            yield batch
            batch = []
        batch.append((spec, tensor))
    if batch:
        yield batch


def _is_full(batch: Sequence[tuple[InputSpec, Tensor]], following: Tensor) -> bool:
    shape = batch[0][1].shape
    return len(batch) == batch_size(shape) or following.shape != shape


def _digest(tensor: Tensor) -> Digest:
    pixels = tensor.numpy()
    return pixels.shape, blake2b(pixels.tobytes(), digest_size=16).digest()


def _spread(count: int) -> list[int]:
    """All rows, in an order in which the first few are evenly over the table.

    >>> _spread(5)
    [0, 2, 4, 1, 3]
    """
    order: list[int] = []
    for wanted in (3, count):
        order += [round(k * (count - 1) / max(1, wanted - 1)) for k in range(wanted)]
    return [row for row in dict.fromkeys(order) if row < count]
