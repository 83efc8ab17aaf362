"""What a model put out for one image, and the labels among which targets are looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from camlucida.attribution.targets import Label, Truth
from camlucida.core.errors import UnknownTargetError, did_you_mean
from camlucida.core.geometry import Geometry
from camlucida.core.output_spec import RegionScore, Task
from camlucida.core.scan import Scan
from camlucida.models.outputs import BatchOutput, on_host


@dataclass(frozen=True)
class ModelOutput:
    """What the model put out for one image, and what it means.

    Attributes:
        logits: (C,) or (C, *spatial).
        probabilities: same shape; None for a regression.
        task: how to read them.
        labels: a name a channel; "" for a channel without trained weights.
        geometry: of the image, for targets given in original pixels.
        truth: the image's true labels, or its true mask, bool (*original), or label → mask; None
            if unknown.
        overlapping: whether the channels of a segmentation can overlap, a sigmoid each.
        scaled: (C,) the model's output where it scales its probabilities to operating points.
        region_score: of a region: the mean of its logits, or their sum.

    >>> import torch
    >>> logits, size = torch.tensor([0.0, 2.0]), Geometry.identity((4, 4))
    >>> output = ModelOutput(logits, logits.softmax(0), "multiclass", ("healthy", "sick"), size)
    >>> output.candidates()[0].name
    'sick'
    """

    logits: Tensor
    probabilities: Tensor | None
    task: Task
    labels: tuple[str, ...]
    geometry: Geometry
    truth: tuple[str | int, ...] | Tensor | Mapping[str, Tensor] | None = None
    overlapping: bool = False
    scaled: Tensor | None = None
    region_score: RegionScore = "mean"

    @property
    def count(self) -> int:
        """Labels to choose from: both of a single-logit binary model, else the output channels."""
        return 2 if self._single_logit else len(self.logits)

    @property
    def _single_logit(self) -> bool:
        return self.task == "binary" and len(self.logits) == 1

    def label(self, index: int) -> Label:
        """The target of label ``index``.

        Args:
            index: of the output channel. Of a single-logit binary model: of its label, the last of
                which is the positive one (with one label, 0 is that label and 1 its negation).

        Returns:
            The label with its probability; None for the probability of a regression.
        """
        if self._single_logit:
            return self._binary_label(index)
        probability = None
        if self.probabilities is not None and self.probabilities.ndim == 1:
            probability = float(self.probabilities[index])
        scaled = None if self.scaled is None else float(self.scaled[index])
        return Label(index, self.labels[index], probability, scaled_output=scaled)

    def _binary_label(self, index: int) -> Label:
        positive = None if self.probabilities is None else float(self.probabilities[0])
        both_named = len(self.labels) == 2
        names = self.labels if both_named else (self.labels[0], f"not {self.labels[0]}")
        if index == len(self.labels) - 1:
            return Label(0, names[index], positive)
        negative = None if positive is None else 1 - positive
        label = names[index] if both_named else self.labels[0]
        return Label(0, names[index], negative, -1, label)

    def candidates(self) -> list[Label]:
        """Every label with trained weights, most probable first.

        A model that scales its output to operating points has its labels in the order of that
        output. The logit decides between values that have rounded to the same number.
        """
        names = self.labels
        labels = [self.label(i) for i in range(self.count) if names[i % len(names)]]
        return sorted(labels, key=lambda label: (-label.decided, -self._score(label)))

    def _score(self, label: Label) -> float:
        return float(label(self.logits[None])) if self.logits.ndim == 1 else 0.0

    def find(self, name: str | int) -> Label:
        """A label by its name or index.

        Args:
            name: an index, counted from the last label where it is negative; or a name, taken
                exactly, else ignoring case, else as an index.

        Raises:
            UnknownTargetError: there is no such label; the message names near matches.
        """
        if isinstance(name, str):
            match = self._by_name(name)
            if match is not None:
                return match
        index = int(name)
        # The negation of a single label has the index 1, and is not the last label.
        if not -len(self.labels) <= index < self.count:
            raise UnknownTargetError(
                f"target {index} is outside the model's {self.count} outputs",
                f"give 0 to {self.count - 1}, or -1 for the last",
            )
        index = index if index >= 0 else index + len(self.labels)
        if not self.labels[index % len(self.labels)]:
            raise UnknownTargetError(
                f"output {index} has no trained weights", "choose a label that has a name"
            )
        return self.label(index)

    def _by_name(self, name: str) -> Label | None:
        """The label of this name; None for a number that is no label's name."""
        if self.task == "regression":
            labels = [self.label(i) for i in range(len(self.logits))]
        else:
            labels = self.candidates()
        exact = [label for label in labels if label.name == name]
        # What is requested comes without blanks at its ends; a label of a table may have some.
        wanted = name.strip().casefold()
        folded = [label for label in labels if label.name.strip().casefold() == wanted]
        if exact or folded:
            return (exact or folded)[0]
        if re.fullmatch(r"-?\d+", name):
            return None
        names = [label.name for label in labels]
        raise UnknownTargetError(f"unknown label {name!r}", did_you_mean(name, names))


def model_outputs(
    batch: BatchOutput, scans: Sequence[Scan], truth: Sequence[Truth] | None = None
) -> list[ModelOutput]:
    """A batch's output, image by image.

    Args:
        batch: of as many images as there are scans.
        scans: the images, in order.
        truth: one entry an image; None if unknown.
    """
    logits = on_host(batch.logits)
    probabilities = None if batch.probabilities is None else on_host(batch.probabilities)
    scaled = None if batch.scaled is None else on_host(batch.scaled)
    return [
        ModelOutput(
            logits[i],
            None if probabilities is None else probabilities[i],
            batch.task,
            batch.labels,
            scan.geometry,
            None if truth is None else _one_or_more(truth[i]),
            batch.overlapping,
            None if scaled is None else scaled[i],
            batch.region_score,
        )
        for i, scan in enumerate(scans)
    ]


def _one_or_more(truth: Truth) -> tuple[str | int, ...] | Tensor | Mapping[str, Tensor]:
    if isinstance(truth, (Tensor, Mapping)):
        return truth
    return (truth,) if isinstance(truth, (str, int)) else tuple(truth)
