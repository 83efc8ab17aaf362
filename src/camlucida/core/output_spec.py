"""What a model's output means, as far as it is known before the model is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["multilabel", "multiclass", "binary", "regression", "segmentation"]


@dataclass(frozen=True)
class OutputSpec:
    """What a model's output means.

    Attributes:
        task: None if unknown; ``explain`` then takes it from the output's shape and records that.
        labels: one name an output channel, in order; "" for a channel without trained weights; ()
            when unknown.
        output: whether ``forward`` returns logits or probabilities (ignored for regression).
        logits_from: dotted path of the module whose output is the logits, for models that return
            probabilities; None to look for a final sigmoid or softmax module, "" to take the
            output as it is.

    >>> OutputSpec("multilabel", ("nodule", "effusion")).output
    'logits'
    """

    task: Task | None = None
    labels: tuple[str, ...] = ()
    output: Literal["logits", "probabilities"] = "logits"
    logits_from: str | None = None
