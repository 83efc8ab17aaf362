"""What is explained: functions logits → one number an image, and what they are as data.

A *target* is called with logits (B, C) or (B, C, *spatial) and returns (B,).
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from camlucida.core.messages import declare
from camlucida.core.output_spec import RegionScore

# Here because both who finds a map without evidence and who reads one back import this module.
declare(
    "empty",
    {
        "target": "no cell supports the target",
        "zero": "the map is zero everywhere",
        "gradient": "the gradient of the score is zero everywhere on this layer",
        "independent": "the score does not depend on this layer's cells",
        "members": "no member of the ensemble has evidence",
    },
)

Truth = str | int | Sequence[str | int] | Tensor | Mapping[str, Tensor]
"""Ground truth of one image: its label or labels; of a segmentation its mask, bool (*original), or
label → mask."""


TargetKind = Literal["label", "difference", "region", "custom"]
RegionSource = Literal["predicted", "true", "given", "component", "pixel"]


@dataclass(frozen=True)
class TargetSpec:
    """What a target is, as data. The name that people read is made from it and never read back.

    Attributes:
        kind: a label's score, the difference of two, a region of a dense output, or a function of
            the user.
        label: the label, class or output that it is of; "" for none.
        other: of a difference: the label whose score is subtracted.
        sign: −1 for what speaks against the label, or lowers the value of a regression.
        source: of a region: where its mask comes from.
        component: of a region: number of the connected component, 1 is the largest.
        pixel: of a region: (row, column) in original pixels.
        mask: of a region: hash of the mask on the output's grid.
        reduction: of a region: whether its score is the mean of its logits or their sum.

    >>> TargetSpec("label", "nodule").to_json()
    {'kind': 'label', 'label': 'nodule'}
    """

    kind: TargetKind
    label: str = ""
    other: str = ""
    sign: int = 1
    source: RegionSource | None = None
    component: int | None = None
    pixel: tuple[int, ...] | None = None
    mask: str | None = None
    reduction: RegionScore | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain data; what is at its default is left out.

        Returns:
            ``kind`` and the attributes that are set, of JSON's kinds.

        >>> TargetSpec("difference", "a", "b").to_json()
        {'kind': 'difference', 'label': 'a', 'other': 'b'}
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["pixel"] = None if self.pixel is None else list(self.pixel)
        default = TargetSpec(self.kind)
        return {
            name: value
            for name, value in values.items()
            if name == "kind" or value != getattr(default, name)
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> TargetSpec:
        """The inverse of :meth:`to_json`.

        Args:
            data: ``kind`` and any other attributes.

        Raises:
            TypeError: ``kind`` is missing, or an attribute is unknown.

        >>> TargetSpec.from_json({"kind": "region", "label": "1", "pixel": [3, 4]}).pixel
        (3, 4)
        """
        values = dict(data)
        if values.get("pixel") is not None:
            values["pixel"] = tuple(int(p) for p in values["pixel"])
        return TargetSpec(**values)


CUSTOM = TargetSpec("custom")


@runtime_checkable
class Target(Protocol):
    """A number to explain.

    ``name`` is what people read; ``probability`` is the model's, None if it has none.
    """

    @property
    def name(self) -> str: ...
    @property
    def probability(self) -> float | None: ...
    def __call__(self, logits: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Label:
    """The logit of one label.

    Attributes:
        index: of the output channel.
        name: what people read.
        probability: in [0, 1]; None for a regression.
        sign: −1 for the negative class of a single-logit model or for the fall of a regression.
        label: the model's label that it is of; ``name`` if "".
        scaled_output: the model's output, where it scales the probability to an operating point
            (at 0.5); None elsewhere.

    >>> Label(1, "nodule")(torch.tensor([[0.5, 2.0]]))
    tensor([2.])
    """

    index: int
    name: str
    probability: float | None = None
    sign: int = 1
    label: str = ""
    scaled_output: float | None = None

    @property
    def decided(self) -> float:
        """What a threshold is compared with: ``scaled_output``, else the probability, else 0.

        >>> Label(0, "nodule", 0.3, scaled_output=0.6).decided, Label(0, "nodule", 0.3).decided
        (0.6, 0.3)
        """
        decided = self.probability if self.scaled_output is None else self.scaled_output
        return 0.0 if decided is None else decided

    @property
    def spec(self) -> TargetSpec:
        """The target as data.

        The second of two names of a single-logit model is a label like any other.
        """
        label = self.label or self.name
        return TargetSpec("label", label, sign=1 if self.name == label else self.sign)

    def __call__(self, logits: Tensor) -> Tensor:
        return self.sign * logits[:, self.index]


@dataclass(frozen=True)
class Difference:
    """The logit of one label less that of another: what speaks for the first, not the second.

    Attributes:
        first: the label that is supported.
        second: the label whose logit is subtracted.
        probability: None: a difference of logits has none.

    >>> Difference(Label(0, "a"), Label(1, "b"))(torch.tensor([[3.0, 1.0]]))
    tensor([2.])
    """

    first: Label
    second: Label
    probability: float | None = None

    @property
    def name(self) -> str:
        """What people read."""
        return f"{self.first.name} − {self.second.name}"

    @property
    def spec(self) -> TargetSpec:
        """The target as data."""
        first, second = self.first.spec, self.second.spec
        return TargetSpec("difference", first.label, second.label, first.sign)

    def __call__(self, logits: Tensor) -> Tensor:
        return self.first(logits) - self.second(logits)


@dataclass(frozen=True)
class RegionOrigin:
    """How the mask of a region came about; see :class:`TargetSpec`."""

    source: RegionSource
    component: int | None = None
    pixel: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Region:
    """The mean logit of one channel over a region of a dense output, or the sum of its logits.

    Seg-Grad-CAM, Vinogradova et al. 2020, AAAI Student Abstracts, takes the sum. Maps that are
    linear in the gradient differ by a factor; those of Grad-CAM++ differ in their shape.

    Attributes:
        channel: of the output.
        name: what people read.
        mask: bool (*spatial) on the output's grid.
        probability: mean over the mask; None for a model without probabilities.
        label: whose channel it is.
        origin: how the mask came about.
        reduction: "mean" or "sum".

    >>> Region(0, "lung", torch.tensor([[True, False]]))(torch.tensor([[[[3.0, 1.0]]]]))
    tensor([3.])
    """

    channel: int
    name: str
    mask: Tensor = field(repr=False)
    probability: float | None = None
    label: str = ""
    origin: RegionOrigin = RegionOrigin("given")
    reduction: RegionScore = "mean"

    @property
    def spec(self) -> TargetSpec:
        """The target as data, with a hash of the mask."""
        mask = self.mask.cpu().numpy()
        digest = hashlib.sha256(repr(mask.shape).encode() + mask.tobytes()).hexdigest()[:16]
        return TargetSpec(
            "region",
            self.label,
            source=self.origin.source,
            component=self.origin.component,
            pixel=self.origin.pixel,
            mask=digest,
            reduction=self.reduction,
        )

    def __call__(self, logits: Tensor) -> Tensor:
        inside = logits[:, self.channel][:, self.mask]
        return inside.sum(1) if self.reduction == "sum" else inside.mean(1)


def spec_of(target: Target) -> TargetSpec:
    """The target as data.

    Args:
        target: any.

    Returns:
        :data:`CUSTOM` for a target that is not of this module.

    >>> spec_of(Label(0, "nodule"))
    TargetSpec(kind='label', label='nodule', other='', sign=1, source=None, component=None, ...)
    """
    return target.spec if isinstance(target, (Label, Difference, Region)) else CUSTOM


def target_identity(target: Target) -> Hashable:
    """A key that is equal for targets that are the same number.

    Args:
        target: any; one that is not of this module equals itself alone.

    >>> target_identity(Label(0, "nodule")) == target_identity(Label(0, "nodule"))
    True
    """
    if isinstance(target, Region):
        mask = target.mask.cpu().numpy()
        return target.channel, target.name, target.reduction, mask.shape, mask.tobytes()
    return target if isinstance(target, (Label, Difference)) else id(target)


def decision_thresholds(
    targets: Sequence[Target], operating_points: Sequence[float]
) -> tuple[float, ...]:
    """The probability from which each target is decided for, by a model with operating points.

    Args:
        targets: of an image.
        operating_points: in [0, 1], one a label of the model.

    Returns:
        One a target; NaN for one that has no operating point. () where the model has none.

    >>> decision_thresholds([Label(1, "nodule"), Label(0, "mass", sign=-1)], [0.25, 0.125])
    (0.125, 0.75)
    """
    thresholds = []
    for target in targets if operating_points else ():
        point = operating_points[target.index] if isinstance(target, Label) else float("nan")
        negative = isinstance(target, Label) and target.sign < 0
        thresholds.append(1 - point if negative else point)
    return tuple(thresholds)


def probability_of(target: Target, probabilities: Tensor | None) -> Tensor:
    """The model's probability of a target.

    Args:
        target: any.
        probabilities: (B, C, …); None for a regression.

    Returns:
        (B,), in [0, 1]; NaN where the model has none (a regression, a difference).

    >>> probability_of(Label(0, "nodule"), torch.tensor([[0.25], [1.0]]))
    tensor([0.2500, 1.0000])
    """
    if probabilities is not None and isinstance(target, Region):
        return probabilities[:, target.channel][:, target.mask].mean(1)
    if probabilities is not None and isinstance(target, Label):
        p = probabilities[:, target.index]
        return p if target.sign > 0 else 1 - p
    count = 0 if probabilities is None else len(probabilities)
    return torch.full((count,), torch.nan)
