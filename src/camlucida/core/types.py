"""What flows through the house: a Scan goes in, Evidence is captured; an Explanation comes out (``explanation.py``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message


@dataclass(frozen=True)
class Scan:
    """One image, twice: as the model wants it, and as a person looks at it. The two pipelines never mix.

    Attributes:
        tensor: (C, *spatial) float32 model input, preprocessed as the model was trained.
        display: (H, W) or (H, W, 3) uint8 in original pixels (EXIF orientation applied, DICOM windowed), for people; None for a
            bare tensor, of which :meth:`picture` then shows the grey levels.
        geometry: original pixels ↔ model pixels.
        id: short name, unique in a batch (the file's stem, plus the frame number for a multi-frame file).
        source: where it came from: {"path", "sha256", "format", "frame", …}; no patient attributes.
        preprocessing: what was done to get ``tensor``, in order.
        synthetic: True for generated images; every figure then says SYNTHETIC.
        warnings: for the person who reads the result.
    """

    tensor: Tensor
    display: NDArray[np.uint8] | None
    geometry: Geometry
    id: str
    source: dict[str, Any] = field(default_factory=dict)
    preprocessing: tuple[Message, ...] = ()
    synthetic: bool = False
    warnings: tuple[Message, ...] = ()

    def picture(self) -> NDArray[np.uint8]:
        """``display``; or the tensor's mean over channels, its own minimum black and maximum white."""
        if self.display is not None:
            return self.display
        grey = np.nan_to_num(self.tensor.float().cpu().numpy(), posinf=0, neginf=0).mean(0)
        low, high = grey.min(), grey.max()
        levels = (grey - low) * (255 / (high - low) if high > low else 0)
        return np.asarray(levels.round(), np.uint8)


Task = Literal["multilabel", "multiclass", "binary", "regression", "segmentation"]


@dataclass(frozen=True)
class OutputSpec:
    """What a model's output means.

    Attributes:
        task: None when nobody said; ``explain`` then takes it from the output's shape and says so.
        labels: one name an output channel, in order; "" for a channel without trained weights; () when unknown.
        output: whether ``forward`` returns logits or probabilities (ignored for regression).
        logits_from: dotted path of the module whose output is the logits, for models that return probabilities; None
            to look for a final sigmoid or softmax module.
    """

    task: Task | None = None
    labels: tuple[str, ...] = ()
    output: Literal["logits", "probabilities"] = "logits"
    logits_from: str | None = None


@dataclass(frozen=True)
class Evidence:
    """What a method sees of one layer.

    Attributes:
        activations: (B, K, *grid) as the layer produced them.
        gradients: ∂score/∂activations, same shape; None for methods that do not use them.
    """

    activations: Tensor
    gradients: Tensor | None
