"""What is explained: concrete targets (logits → one number an image), and the words users ask for them with.

A *target* is a frozen dataclass that is called with logits (B, C) or (B, C, *spatial) and answers (B,). A *request*
("predicted", "top3", a label …) becomes concrete targets only when the model has answered for that image.
"""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from camlucida.core.errors import TargetError, UnknownTargetError, did_you_mean
from camlucida.core.geometry import Geometry
from camlucida.core.types import Task

Reduction = Callable[[Tensor], Tensor]
Truth = str | int | Sequence[str | int] | Tensor
"""What is true of one image: its label or labels; of a segmentation its mask, bool (*original)."""


TargetKind = Literal["label", "difference", "region", "custom"]
RegionSource = Literal["predicted", "true", "given", "component", "pixel"]


@dataclass(frozen=True)
class TargetSpec:
    """What a target is, as data. The name that people read is made from it and never read back.

    Attributes:
        kind: a label's score, the difference of two, a region of a dense output, or a function of
            the user's own.
        label: the label, class or output that it is of; "" for none.
        other: of a difference: the label whose score is subtracted.
        sign: −1 for what speaks against the label, or lowers the value of a regression.
        source: of a region: where its mask comes from.
        component: of a region: number of the connected component, 1 is the largest.
        pixel: of a region: (row, column) in original pixels.
        mask: of a region: hash of the mask on the output's grid.

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

    def to_json(self) -> dict[str, Any]:
        """As plain data; what is at its default is left out."""
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
    """A number to explain. ``name`` is what people read; ``probability`` what the model says of it, None if it has none."""

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
    """

    index: int
    name: str
    probability: float | None = None
    sign: int = 1
    label: str = ""

    @property
    def spec(self) -> TargetSpec:
        """The second of two names of a single-logit model is a label like any other."""
        label = self.label or self.name
        return TargetSpec("label", label, sign=1 if self.name == label else self.sign)

    def __call__(self, logits: Tensor) -> Tensor:
        return self.sign * logits[:, self.index]


@dataclass(frozen=True)
class Difference:
    """The logit of one label less that of another: what speaks for the first *rather than* the second."""

    first: Label
    second: Label
    probability: float | None = None

    @property
    def name(self) -> str:
        return f"{self.first.name} − {self.second.name}"

    @property
    def spec(self) -> TargetSpec:
        first, second = self.first.spec, self.second.spec
        return TargetSpec("difference", first.label, second.label, first.sign)

    def __call__(self, logits: Tensor) -> Tensor:
        return self.first(logits) - self.second(logits)


@dataclass(frozen=True)
class RegionPart:
    """How the mask of a region came about; see :class:`TargetSpec`."""

    source: RegionSource
    component: int | None = None
    pixel: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Region:
    """The mean logit of one channel over a region of a dense output (Seg-Grad-CAM, Vinogradova et al. 2020).

    Attributes:
        channel: of the output.
        mask: bool (*spatial) on the output's grid.
        label: whose channel it is.
        part: how the mask came about.
    """

    channel: int
    name: str
    mask: Tensor = field(repr=False)
    probability: float | None = None
    label: str = ""
    part: RegionPart = RegionPart("given")

    @property
    def spec(self) -> TargetSpec:
        packed = self.mask.cpu().numpy()
        digest = hashlib.sha256(repr(packed.shape).encode() + packed.tobytes()).hexdigest()[:16]
        return TargetSpec(
            "region",
            self.label,
            source=self.part.source,
            component=self.part.component,
            pixel=self.part.pixel,
            mask=digest,
        )

    def __call__(self, logits: Tensor) -> Tensor:
        return logits[:, self.channel][:, self.mask].mean(1)


def spec_of(target: Target) -> TargetSpec:
    """What the target is, as data; :data:`CUSTOM` for one that is not of this module."""
    return target.spec if isinstance(target, (Label, Difference, Region)) else CUSTOM


def identity(target: Target) -> Hashable:
    """Equal for targets that are the same number; a target that is not of this module is equal to itself alone."""
    if isinstance(target, Region):
        return (
            target.channel,
            target.name,
            tuple(target.mask.shape),
            target.mask.cpu().numpy().tobytes(),
        )
    return target if isinstance(target, (Label, Difference)) else id(target)


def probability_of(target: Target, probabilities: Tensor | None) -> Tensor:
    """What the model says of ``target``: probabilities (B, C, …) → (B,); NaN where it has none (a regression, a difference)."""
    if probabilities is not None and isinstance(target, Region):
        return probabilities[:, target.channel][:, target.mask].mean(1)
    if probabilities is not None and isinstance(target, Label):
        p = probabilities[:, target.index]
        return p if target.sign > 0 else 1 - p
    count = 0 if probabilities is None else len(probabilities)
    return torch.full((count,), torch.nan)


@dataclass(frozen=True)
class Answer:
    """What the model answered for one image, and what it means.

    Attributes:
        logits: (C,) or (C, *spatial).
        probabilities: same shape; None for a regression.
        task: how to read them.
        labels: a name a channel; "" for a channel without trained weights.
        geometry: of the image, for targets given in original pixels.
        truth: labels that are true of this image, or its true mask, bool (*original); None if unknown.
    """

    logits: Tensor
    probabilities: Tensor | None
    task: Task
    labels: tuple[str, ...]
    geometry: Geometry
    truth: tuple[str | int, ...] | Tensor | None = None

    @property
    def count(self) -> int:
        """Labels to choose from: both classes of a single-logit binary model, else the output channels."""
        return 2 if self.task == "binary" and len(self.logits) == 1 else len(self.logits)

    def label(self, index: int) -> Label:
        """The target of label ``index``: of output channel ``index``, or for a single-logit binary model of its label
        ``index``, of which the last is the positive one (one label: 0 is that label, 1 its negation)."""
        if self.task == "binary" and len(self.logits) == 1:
            p = float(self.probabilities[0]) if self.probabilities is not None else None
            names = (
                self.labels if len(self.labels) == 2 else (self.labels[0], f"not {self.labels[0]}")
            )
            if index == len(self.labels) - 1:
                return Label(0, names[index], p)
            label = names[index] if len(self.labels) == 2 else self.labels[0]
            return Label(0, names[index], None if p is None else 1 - p, -1, label)
        p = None
        if self.probabilities is not None and self.probabilities.ndim == 1:
            p = float(self.probabilities[index])
        return Label(index, self.labels[index], p)

    def candidates(self) -> list[Label]:
        """Every label with trained weights, most probable first."""
        usable = [i for i in range(self.count) if self.labels[i % len(self.labels)]]
        # The logit decides between probabilities that have rounded to the same number.
        return sorted(
            (self.label(i) for i in usable),
            key=lambda label: (-(label.probability or 0.0), -self._score(label)),
        )

    def _score(self, label: Label) -> float:
        return float(label(self.logits[None])) if self.logits.ndim == 1 else 0.0

    def find(self, name: str | int) -> Label:
        """A label by index (a number), or by name: exact, then ignoring case, then as an index."""
        if isinstance(name, str):
            labels = (
                self.candidates()
                if self.task != "regression"
                else [self.label(i) for i in range(len(self.logits))]
            )
            names = [label.name for label in labels]
            exact = [label for label in labels if label.name == name]
            hits = exact or [label for label in labels if label.name.casefold() == name.casefold()]
            if hits:
                return hits[0]
            if not re.fullmatch(r"-?\d+", name):
                raise UnknownTargetError(f"unknown label {name!r}", did_you_mean(name, names))
        index = int(name)
        if not -self.count <= index < self.count:
            raise UnknownTargetError(f"target {index} is outside the model's {self.count} outputs")
        if not self.labels[index % len(self.labels)]:
            raise UnknownTargetError(
                f"output {index} has no trained weights", "choose a label that has a name"
            )
        return self.label(index % self.count)


Request = Callable[[Answer], Sequence[Target]]


def parse_target(text: str | int | Target | Request) -> Request:
    """A user's words as a request.

    ``predicted`` · ``top3`` · ``above:0.5`` · ``truth`` (labels; of a segmentation the true region) · ``all`` · ``diff:A|B`` ·
    ``output``, ``output+``, ``output-`` (regression) · ``region``, ``region:LABEL``, ``component:N`` (1 is the largest),
    ``pixel:ROW,COLUMN`` (original pixels) (segmentation) · otherwise a label's name or index. A name that a label has always
    wins over these words.
    """
    if isinstance(text, Target):
        target: Target = text
        return lambda answer: [target]
    if callable(text):
        return text
    try:
        words = text.strip() if isinstance(text, str) else operator.index(text)
    except TypeError:
        raise UnknownTargetError(
            f"target {text!r} is neither words nor a number nor a Target"
        ) from None

    def request(answer: Answer) -> Sequence[Target]:
        if isinstance(words, str) and words not in answer.labels:
            for pattern, make in _WORDS:
                match = re.fullmatch(pattern, words, re.IGNORECASE)
                if match:
                    return make(answer, *match.groups())
        if answer.task == "segmentation":
            return [_predicted_region(answer, answer.find(words))]
        return [answer.find(words)]

    return request


def default_request(answer: Answer) -> Sequence[Target]:
    """Multi-label: the top 3; multi-class and binary: the predicted; regression: both signs; segmentation: predicted region."""
    if answer.task == "regression":
        return _output(answer, "")
    if answer.task == "segmentation":
        return _region(answer, None)
    return answer.candidates()[: 3 if answer.task == "multilabel" else 1]


def _needs(answer: Answer, words: str, *tasks: Task) -> None:
    if answer.task not in tasks:
        raise UnknownTargetError(
            f"target {words!r} is for {' or '.join(tasks)}, and this model's task is {answer.task}"
        )


_LABELLED: tuple[Task, ...] = ("multilabel", "multiclass", "binary")


def _top(answer: Answer, count: str) -> Sequence[Target]:
    _needs(answer, f"top{count}", *_LABELLED)
    if int(count) < 1:
        raise UnknownTargetError("top-k needs k of 1 or more")
    return answer.candidates()[: int(count)]


def _predicted(answer: Answer) -> Sequence[Target]:
    return (
        default_request(answer)
        if answer.task in ("regression", "segmentation")
        else answer.candidates()[:1]
    )


def _above(answer: Answer, threshold: str) -> Sequence[Target]:
    _needs(answer, f"above:{threshold}", *_LABELLED)
    return [label for label in answer.candidates() if (label.probability or 0.0) > float(threshold)]


def _all(answer: Answer) -> Sequence[Target]:
    _needs(answer, "all", *_LABELLED)
    return answer.candidates()


def _truth(answer: Answer) -> Sequence[Target]:
    _needs(answer, "truth", *_LABELLED, "segmentation")
    if answer.truth is None:
        raise UnknownTargetError(
            "target 'truth' needs the true labels, or the true masks of a segmentation",
            "pass truth=[…], one entry an image",
        )
    if answer.task == "segmentation":
        if not isinstance(answer.truth, Tensor):
            raise TargetError(
                "target 'truth': no true mask of this image is known",
                "give masks, or another target",
            )
        return [_masked_region(answer, answer.truth, None, "true")]
    if isinstance(answer.truth, Tensor):
        raise UnknownTargetError(
            f"target 'truth': a mask is given, and this model's task is {answer.task}",
            "give labels",
        )
    return [answer.find(name) for name in answer.truth]


def _difference(answer: Answer, first: str, second: str) -> Sequence[Target]:
    _needs(answer, f"diff:{first}|{second}", *_LABELLED, "regression")
    return [Difference(answer.find(first.strip()), answer.find(second.strip()))]


def _output(answer: Answer, sign: str) -> Sequence[Target]:
    _needs(answer, "output", "regression")
    names = answer.labels
    return [
        Label(index, f"{name or 'output'} {'↑' if s > 0 else '↓'}", None, s, name or "output")
        for index, name in enumerate(names)
        for s in ({"+": (1,), "-": (-1,)}.get(sign, (1, -1)))
    ]


def predicted_mask(answer: Answer, channel: int) -> Tensor:
    """Bool (*spatial): where ``channel`` is predicted. One channel: probability > ½; several: the largest output."""
    if len(answer.logits) > 1:
        return answer.logits.argmax(0) == channel
    return (
        answer.probabilities[0] > 0.5 if answer.probabilities is not None else answer.logits[0] > 0
    )


def region_target(
    answer: Answer, channel: int, name: str, mask: Tensor, part: RegionPart
) -> Region:
    """A :class:`Region` over ``mask``; its probability is the mean over it.

    Raises:
        TargetError: the mask is empty.
    """
    if not bool(mask.any()):
        raise TargetError(
            f"the region {name!r} is empty: the model predicts no such pixel here",
            "give another label, pixel or mask",
        )
    p = None if answer.probabilities is None else float(answer.probabilities[channel][mask].mean())
    return Region(channel, name, mask, p, answer.labels[channel], part)


_MASKED: dict[RegionSource, str] = {"given": "(given mask)", "true": "true region"}


def given_mask(mask: Tensor, label: str | int | None = None) -> Request:
    """Request for the region of a mask in original pixels (bool, (*original)), for one label's channel; None for the channel
    (background 0 left out, when there are several) that is predicted in most of the mask, else the strongest there."""

    def request(answer: Answer) -> Sequence[Target]:
        _needs(answer, "mask", "segmentation")
        return [_masked_region(answer, mask, label, "given")]

    return request


def _masked_region(
    answer: Answer, mask: Tensor, label: str | int | None, source: RegionSource
) -> Region:
    """The region of a mask in original pixels: the cells of the output that lie at least half inside."""
    if tuple(mask.shape) != answer.geometry.original:
        raise TargetError(
            f"the mask has size {tuple(mask.shape)} and the image {answer.geometry.original}"
        )
    on_model = answer.geometry.map_to_model(mask[None].float())
    size = answer.logits.shape[1:]
    region = torch.nn.functional.interpolate(on_model[None], size=size, mode="area")[0, 0] >= 0.5
    if not bool(region.any()):
        raise TargetError(
            f"the {_MASKED[source].strip('()')} is empty: "
            "no pixel of the model's output is half inside",
            "give another target",
        )
    region = region.to(answer.logits.device)
    found = _foreground(answer, region) if label is None else answer.find(label)
    name = f"{found.name} {_MASKED[source]}"
    return region_target(answer, found.index, name, region, RegionPart(source))


def _predicted_region(answer: Answer, label: Label) -> Region:
    mask = predicted_mask(answer, label.index)
    part = RegionPart("predicted")
    return region_target(answer, label.index, f"{label.name} region", mask, part)


def _foreground(answer: Answer, within: Tensor) -> Label:
    """The channel (background 0 left out, when there are several) that is predicted in most pixels ``within`` a mask; where
    none is, the one of the highest mean logit."""
    if len(answer.logits) == 1:
        return answer.label(0)
    inside = answer.logits[:, within]
    counts = torch.bincount(inside.argmax(0), minlength=len(inside))[1:]
    strength = counts if bool(counts.any()) else inside[1:].mean(1)
    return answer.label(1 + int(strength.argmax()))


def _named_or_foreground(answer: Answer, name: str | None) -> Label:
    return (
        answer.find(name)
        if name
        else _foreground(answer, torch.ones_like(answer.logits[0], dtype=torch.bool))
    )


def _region(answer: Answer, name: str | None) -> Sequence[Target]:
    _needs(answer, "region", "segmentation")
    return [_predicted_region(answer, _named_or_foreground(answer, name))]


def _component(answer: Answer, number: str, name: str | None) -> Sequence[Target]:
    _needs(answer, "component", "segmentation")
    label = _named_or_foreground(answer, name)
    from scipy import ndimage

    mask = predicted_mask(answer, label.index)
    parts, count = ndimage.label(
        mask.cpu().numpy(), ndimage.generate_binary_structure(mask.ndim, mask.ndim)
    )  # as boxes are
    if not 1 <= int(number) <= count:
        raise TargetError(f"component {number} of {label.name!r} does not exist: {count} found")
    sizes = ndimage.sum_labels(parts > 0, parts, range(1, count + 1))
    chosen = int((-sizes).argsort(kind="stable")[int(number) - 1]) + 1
    mask = torch.from_numpy(parts == chosen).to(answer.logits.device)
    part = RegionPart("component", component=int(number))
    return [region_target(answer, label.index, f"{label.name} component {number}", mask, part)]


def _pixel(answer: Answer, where: str, name: str | None) -> Sequence[Target]:
    _needs(answer, "pixel", "segmentation")
    point = tuple(int(p) for p in where.split(","))
    original = answer.geometry.original
    if len(point) != len(original) or any(not 0 <= p < n for p, n in zip(point, original)):
        raise TargetError(
            f"pixel {where} is outside the image of {original} pixels (rows, columns)"
        )
    on_model = answer.geometry.to_model([p + 0.5 for p in point])
    size, model = answer.logits.shape[1:], answer.geometry.model
    cell = [int(p * n // m) for p, n, m in zip(on_model, size, model)]
    if any(not 0 <= c < n for c, n in zip(cell, size)):
        raise TargetError(f"pixel {where} was cropped away before the model saw it")
    mask = torch.zeros(size, dtype=torch.bool, device=answer.logits.device)
    mask[tuple(cell)] = True
    label = answer.find(name) if name else _foreground_at(answer, mask)
    part = RegionPart("pixel", pixel=point)
    return [region_target(answer, label.index, f"{label.name} at {where}", mask, part)]


def _foreground_at(answer: Answer, mask: Tensor) -> Label:
    return answer.label(
        0 if len(answer.logits) == 1 else int(answer.logits[:, mask][:, 0].argmax())
    )


_WORDS: list[tuple[str, Callable[..., Sequence[Target]]]] = [
    (r"predicted", _predicted),
    (r"top[-: ]?(\d+)", _top),
    (r"(?:above[: ]|>)\s*([0-9]+\.?[0-9]*|\.[0-9]+)", _above),
    (r"all", _all),
    (r"truth", _truth),
    (r"diff:(.+)\|(.+)", _difference),
    (r"output([+-]?)", _output),
    (r"region(?::(.+))?", _region),
    (r"component:(\d+)(?::(.+))?", _component),
    (r"pixel:(\d+(?:,\d+)+)(?::(.+))?", _pixel),
]
