"""The model card: one TOML file that says how to build a model, what goes in and what comes out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from camlucida.types import OutputSpec, Task


class InputSpec(BaseModel):
    """``[input]``: what the model was trained on. Either ``range``, or ``mean`` and ``std``; [0, 1] if neither is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int | tuple[int, int] = 224
    """Height and width in pixels, or one number for a square."""
    channels: Literal[1, 3] = 3
    range: tuple[float, float] | None = None
    """Value of black and of white (the ends of the full grey scale, not of this image)."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    """Per channel, applied after scaling to [0, 1]."""
    resize: Literal["antialias", "bilinear", "nearest"] = "antialias"
    fit: Literal["stretch", "center-crop", "pad"] = "stretch"
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """With ``fit = "center-crop"``: the share of the largest fitting window that is kept (0.875 for 256 → 224)."""
    dicom: Literal["stored", "windowed"] = "stored"
    """DICOM pixels for the model: the stored values over their bit depth, or the windowed display values."""

    @property
    def height_width(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @model_validator(mode="after")
    def _one_scale(self) -> InputSpec:
        if self.range is not None and (self.mean is not None or self.std is not None):
            raise ValueError("give either range, or mean and std, not both")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("std must be positive")
        if min(self.height_width) < 1:
            raise ValueError("size must be at least 1 pixel")
        return self


class Card(BaseModel):
    """A model card. See ``docs/model-cards.md`` for the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factory: str
    args: dict[str, Any] = {}
    checkpoint: str | None = None
    task: Task | None = None
    labels: tuple[str, ...] = ()
    output: Literal["logits", "probabilities"] = "logits"
    logits_from: str | None = None
    layer: str | tuple[str, ...] = "auto"
    name: str | None = None
    description: str = ""
    input: InputSpec = InputSpec()

    def output_spec(self) -> OutputSpec:
        """The part of the card that ``explain`` needs."""
        return OutputSpec(self.task, self.labels, self.output, self.logits_from)
