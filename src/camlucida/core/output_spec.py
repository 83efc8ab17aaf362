"""What a model's output means, as far as it is known before the model is run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Task = Literal["multilabel", "multiclass", "binary", "regression", "segmentation"]

TaskSource = Literal["given", "card", "module", ""]

RegionScore = Literal["mean", "sum"]


@dataclass(frozen=True)
class OutputSpec:
    """What a model's output means.

    Attributes:
        task: None if unknown; ``explain`` then takes it from the output's shape and records that.
        labels: one name an output channel, in order; "" for a channel without trained weights; ()
            when unknown.
        output: whether ``forward`` returns logits or probabilities (ignored for regression).
        logits_from: dotted path of the module whose output is the logits, for models that return
            probabilities; None to look for a final sigmoid or softmax, "" to take the output as it
            is.
        head: which of several outputs is meant, by name or index; None takes the only one, its
            ``logits``, or the one that the labels fit.
        task_from: where the task comes from: "given" in the call, the "card", the "module", or ""
            where it is not known beforehand.
        overlapping: whether channels can overlap (a sigmoid each) or exclude each other (a
            softmax); None where the output itself has to show it. It decides how a segmentation is
            read, and a task that is not known.
        operating_points: a probability a label, where ``forward`` scales its sigmoid piecewise
            linearly so that this probability becomes 0.5; () where it does not.
        region_score: of a region of a segmentation, the mean of its logits or their sum.

    >>> OutputSpec("multilabel", ("nodule", "effusion")).output
    'logits'
    """

    task: Task | None = None
    labels: tuple[str, ...] = ()
    output: Literal["logits", "probabilities"] = "logits"
    logits_from: str | None = None
    head: str | int | None = None
    task_from: TaskSource = ""
    overlapping: bool | None = None
    operating_points: tuple[float, ...] = ()
    region_score: RegionScore = "mean"

    def with_output(self, output: str | int) -> OutputSpec:
        """With ``output`` as a card or a call states it.

        Args:
            output: "logits" or "probabilities", what the output holds; else the name or index of
                the one that is meant.

        >>> OutputSpec().with_output("probabilities").output, OutputSpec().with_output("side").head
        ('probabilities', 'side')
        """
        if output == "logits":
            return replace(self, output="logits")
        if output == "probabilities":
            return replace(self, output="probabilities")
        return replace(self, head=output)
