"""A model of several inputs as one of the image that is altered, the others held as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from camlucida.attribution.capture import capture
from camlucida.attribution.explained_model import ExplainedModel, StatedModel
from camlucida.core.errors import UsageError
from camlucida.models.state import frozen

HELD = "model"
"""Name of the model inside :class:`HeldInputs`, and so the beginning of its layers' paths."""


class HeldInputs(nn.Module):
    """A model of several inputs, called with one of them.

    Args:
        model: of several inputs.
        inputs: of one image, each (1, …).
        position: of the input that the call gives.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[Tensor], position: int) -> None:
        super().__init__()
        self.model = model
        self._inputs, self._position = list(inputs), position

    def forward(self, images: Tensor) -> Tensor:
        """Run the model; what it returns."""
        inputs = []
        for held in self._inputs:
            like = images if held.is_floating_point() else None
            on_device = held.to(images.device) if like is None else held.to(like)
            inputs.append(on_device.expand(len(images), *held.shape[1:]))
        inputs[self._position] = images
        output: Tensor = self.model(*inputs)
        return output


@dataclass(frozen=True)
class SeenInput:
    """The layers that see one input.

    Attributes:
        position: of the input.
        layers: their paths in the model.
    """

    position: int
    layers: tuple[str, ...]


def seen_inputs(
    model: ExplainedModel, inputs: tuple[Tensor, ...], layers: Sequence[str]
) -> list[SeenInput]:
    """Which input each layer sees: the one that is altered to measure its maps.

    Args:
        model: the model that is explained.
        inputs: of one image or more, each (B, …).
        layers: as they are requested.

    Raises:
        UsageError: a layer sees more than one input, or it is not known which.
    """
    weight = next(model.module.parameters(), None)
    if weight is not None:
        inputs = tuple(x.to(weight if x.is_floating_point() else weight.device) for x in inputs)
    with frozen(model.module):
        forward = capture(model.module, inputs, list(layers), model.spec, stated=model.tokens)
    by_position: dict[int, list[str]] = {}
    for captured in forward.layers:
        if len(captured.images) != 1:
            raise UsageError(
                f"layer {captured.name!r} does not see one input alone, so that its maps cannot be "
                "measured by altering one",
                "evaluate a layer before the inputs are joined",
            )
        by_position.setdefault(captured.images[0], []).append(captured.name)
    return [SeenInput(position, tuple(names)) for position, names in by_position.items()]


def held_model(model: ExplainedModel, inputs: Sequence[Tensor], position: int) -> StatedModel:
    """The model of one input, with what is known of its output.

    Args:
        model: of several inputs.
        inputs: of one image, each (1, …).
        position: of the input that is altered.
    """
    spec, about = model.spec, model.provenance["model"]
    if spec.logits_from:
        spec = replace(spec, logits_from=f"{HELD}.{spec.logits_from}")
    module = HeldInputs(model.module, inputs, position)
    return StatedModel(module, about["name"], about["sha256"], spec)
