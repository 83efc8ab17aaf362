"""From the model's scale to black 0, white 1, and back, for metrics that alter images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from camlucida.core.messages import Message, declare
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.preprocessing.steps import MinMax, Normalise, Percentiles, Scale, ZScore
from camlucida.models.preprocessing.values import scaled, unscaled
from camlucida.models.preprocessing.volume_spec import VolumeInput

declare(
    "unit_scale",
    {
        "per_image": (
            "each image has its own scale ({step}): metrics that blur or grey parts of an image "
            "work on the model's scale, where black and white have no fixed value"
        ),
        "stored": (
            "the volumes reach the model in the units of their files: metrics that blur or grey "
            "parts of a volume work on that scale, where black is 0"
        ),
    },
)

ToUnit = Callable[[Tensor], Tensor]


def unit_scale(spec: InputSpec | VolumeInput) -> tuple[ToUnit, ToUnit] | None:
    """Functions from model input to [0, 1] and back, for metrics that alter images.

    Where the preprocessing windows each image, 0 and 1 are the ends of the image's window.

    Args:
        spec: of the model.

    Returns:
        (C, *spatial) in the model's scale → black 0, white 1; and the inverse. None where each
        image has a scale of its own (:func:`no_unit_scale` says which).

    >>> import torch
    >>> to_unit, to_model = unit_scale(InputSpec(channels=1, range=(-1, 1)))
    >>> to_unit(torch.tensor([-1.0, 0.0, 1.0])), to_model(torch.tensor([0.5]))
    (tensor([0.0000, 0.5000, 1.0000]), tensor([0.]))
    """
    if no_unit_scale(spec) is not None:
        return None
    scalings: list[Scale | Normalise] = []
    for step in _steps(spec):
        if isinstance(step, (MinMax, Percentiles)):
            scalings = []  # their 0 and 1 are what a later scale starts from
        elif isinstance(step, (Scale, Normalise)):
            scalings.append(step)

    def to_unit(values: Tensor) -> Tensor:
        for step in reversed(scalings):
            values = unscaled(values, step)
        return values

    def to_model(values: Tensor) -> Tensor:
        for step in scalings:
            values = scaled(values, step)
        return values

    return to_unit, to_model


def no_unit_scale(spec: InputSpec | VolumeInput) -> Message | None:
    """Why a preprocessing has no fixed black and white; None where it has.

    Args:
        spec: of the model.

    >>> no_unit_scale(InputSpec(intensity="z-score")).code
    'unit_scale.per_image'
    """
    per_image = None
    if isinstance(spec, VolumeInput) and not spec.value_steps():
        per_image = Message("unit_scale.stored")
    for step in _steps(spec):
        if isinstance(step, ZScore):
            per_image = Message("unit_scale.per_image", {"step": step.do})
        elif isinstance(step, (MinMax, Percentiles)):
            per_image = None
    return per_image


def _steps(spec: InputSpec | VolumeInput) -> Sequence[object]:
    if isinstance(spec, VolumeInput):
        return [*spec.value_steps(), *spec.scale_steps()]
    return spec.pipeline()
