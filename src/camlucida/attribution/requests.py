"""The words by which users request targets.

A *request* ("predicted", "top3", a label …) becomes concrete targets only when the model's output
for an image is known.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.regions import (
    component_region,
    masked_region,
    named_or_foreground,
    pixel_region,
    predicted_region,
)
from camlucida.attribution.targets import Difference, Label, Region, Target, probability_of
from camlucida.core.errors import EmptyRegionError, TargetError, UnknownTargetError
from camlucida.core.output_spec import Task

Request = Callable[[ModelOutput], Sequence[Target]]

TargetLike = str | int | Target | Request

_LABELLED: tuple[Task, ...] = ("multilabel", "multiclass", "binary")


def parse_target(request: TargetLike) -> Request:
    """A user's words as a request.

    ``predicted`` · ``top3`` · ``above:0.5`` · ``truth`` (labels; of a segmentation the true region)
    · ``all`` · ``diff:A|B`` · ``output``, ``output+``, ``output-`` (regression) · ``region``,
    ``region:LABEL``, ``component:N`` (1 is the largest), ``pixel:ROW,COLUMN`` (original pixels)
    (segmentation) · ``box:N`` (detectors; 1 has the highest score, and a label's name is its best
    box) · otherwise a label's name or index. A name that a label has always wins over
    these words.

    Args:
        request: the words, a label's index, a target, or a function output → targets.

    Returns:
        A function from the model's output for an image to its targets. It raises
        UnknownTargetError where the words do not fit the model, and TargetError where they do not
        fit the image.

    Raises:
        UnknownTargetError: none of these.

    >>> import torch
    >>> from camlucida.core.geometry import Geometry
    >>> logits, size = torch.tensor([0.0, 2.0]), Geometry.identity((4, 4))
    >>> output = ModelOutput(logits, logits.sigmoid(), "multilabel", ("nodule", "mass"), size)
    >>> [target.name for target in parse_target("top2")(output)]
    ['mass', 'nodule']
    >>> [target.name for target in parse_target("diff:nodule|mass")(output)]
    ['nodule − mass']
    """
    if not isinstance(request, (str, int)):  # of words, to ask for a Target takes 0.1 ms each
        if isinstance(request, Target):
            target: Target = request
            return lambda output: [_in_image(output, target)]
        if callable(request):
            return request
    try:
        words = request.strip() if isinstance(request, str) else operator.index(request)
    except TypeError:
        raise UnknownTargetError(
            f"target {request!r} is neither words nor a number nor a Target"
        ) from None
    return lambda output: _targets_of(output, words)


def _in_image(output: ModelOutput, target: Target) -> Target:
    """A target with the probability that this image has: it may have been made of another."""
    probabilities = output.probabilities
    if probabilities is None or not isinstance(target, (Label, Region)):
        return target
    channel = target.index if isinstance(target, Label) else target.channel
    size = target.mask.shape if isinstance(target, Region) else ()
    if channel >= len(probabilities) or size != probabilities.shape[1:]:
        return target
    probability = float(probability_of(target, probabilities[None])[0])
    if isinstance(target, Region):
        return replace(target, probability=probability)
    scaled = None if output.scaled is None else float(output.scaled[channel])
    return replace(target, probability=probability, scaled_output=scaled)


def _targets_of(output: ModelOutput, words: str | int) -> Sequence[Target]:
    if isinstance(words, str) and words not in output.labels:
        for pattern, make in REQUEST_WORDS:
            match = re.fullmatch(pattern, words, re.IGNORECASE)
            if match:
                return make(output, *match.groups())
    label = output.find(words)
    return [predicted_region(output, label) if output.task == "segmentation" else label]


def default_request(output: ModelOutput) -> Sequence[Target]:
    """What is explained when no target is named.

    Multi-label: the 3 most probable; multi-class and binary: the predicted label; regression: both
    signs of every output; segmentation: the predicted region.

    Args:
        output: of the model, for one image.

    Raises:
        TargetError: the model segments nothing in this image.
    """
    if output.task == "regression":
        return _output(output, "")
    if output.task == "segmentation":
        return _region(output, None)
    return output.candidates()[: 3 if output.task == "multilabel" else 1]


def given_mask(mask: Tensor, label: str | int | None = None) -> Request:
    """A request for the region of a mask.

    Args:
        mask: bool (*original), in original pixels.
        label: whose channel is explained; None for the channel that is predicted in most of the
            mask (background 0 left out), else the strongest there.

    Returns:
        A function as :func:`parse_target` returns it, for segmentation models alone.
    """

    def request(output: ModelOutput) -> Sequence[Target]:
        _needs(output, "mask", "segmentation")
        return [masked_region(output, mask, label, "given")]

    return request


def _needs(output: ModelOutput, words: str, *tasks: Task) -> None:
    if output.task not in tasks:
        raise UnknownTargetError(
            f"target {words!r} is for {' or '.join(tasks)}, and this model's task is {output.task}"
        )


def _top(output: ModelOutput, count: str) -> Sequence[Target]:
    _needs(output, f"top{count}", *_LABELLED)
    if int(count) < 1:
        raise UnknownTargetError("top-k needs k of 1 or more")
    return output.candidates()[: int(count)]


def _predicted(output: ModelOutput) -> Sequence[Target]:
    if output.task in _LABELLED:
        return output.candidates()[:1]
    return default_request(output)


def _above(output: ModelOutput, threshold: str) -> Sequence[Target]:
    _needs(output, f"above:{threshold}", *_LABELLED)
    return [label for label in output.candidates() if label.decided > float(threshold)]


def _all(output: ModelOutput) -> Sequence[Target]:
    _needs(output, "all", *_LABELLED)
    return output.candidates()


def _truth(output: ModelOutput) -> Sequence[Target]:
    _needs(output, "truth", *_LABELLED, "segmentation")
    if output.truth is None:
        raise UnknownTargetError(
            "target 'truth' needs the true labels, or the true masks of a segmentation",
            "pass truth=[…], one entry an image",
        )
    if output.task == "segmentation":
        if isinstance(output.truth, Mapping) and output.truth:
            return _true_regions(output, output.truth)
        if not isinstance(output.truth, Tensor):
            raise TargetError(
                "target 'truth': no true mask of this image is known",
                "give masks, or another target",
            )
        return [masked_region(output, output.truth, None, "true")]
    if isinstance(output.truth, (Tensor, Mapping)):
        raise UnknownTargetError(
            f"target 'truth': a mask is given, and this model's task is {output.task}",
            "give labels",
        )
    return [output.find(name) for name in output.truth]


def _true_regions(output: ModelOutput, masks: Mapping[str, Tensor]) -> Sequence[Target]:
    """The true region of each label; EmptyRegionError where all are empty."""
    regions = []
    empty: EmptyRegionError | None = None
    for label, mask in masks.items():
        try:
            regions.append(masked_region(output, mask, label, "true"))
        except EmptyRegionError as error:
            empty = error
    if empty is not None and not regions:
        raise empty
    return regions


def _difference(output: ModelOutput, first: str, second: str) -> Sequence[Target]:
    _needs(output, f"diff:{first}|{second}", *_LABELLED, "regression")
    return [Difference(output.find(first.strip()), output.find(second.strip()))]


def _box(output: ModelOutput, number: str) -> Sequence[Target]:
    boxes = getattr(output, "detections", None)
    if boxes is None:
        raise UnknownTargetError(f"target 'box:{number}' is for detectors")
    if not 1 <= int(number) <= len(boxes):
        raise EmptyRegionError(f"there is no box {number}: the detector finds {len(boxes)}")
    return [output.label(int(number) - 1)]


def _output(output: ModelOutput, sign: str) -> Sequence[Target]:
    _needs(output, "output", "regression")
    signs = {"+": (1,), "-": (-1,)}.get(sign, (1, -1))
    targets = []
    for index, channel in enumerate(output.labels):
        name = channel or "output"
        for direction in signs:
            arrow = "↑" if direction > 0 else "↓"
            targets.append(Label(index, f"{name} {arrow}", None, direction, name))
    return targets


def _region(output: ModelOutput, name: str | None) -> Sequence[Target]:
    _needs(output, "region", "segmentation")
    return [predicted_region(output, named_or_foreground(output, name))]


def _component(output: ModelOutput, number: str, name: str | None) -> Sequence[Target]:
    _needs(output, "component", "segmentation")
    return [component_region(output, named_or_foreground(output, name), int(number))]


def _pixel(output: ModelOutput, point: str, name: str | None) -> Sequence[Target]:
    _needs(output, "pixel", "segmentation")
    return [pixel_region(output, [int(part) for part in point.split(",")], name)]


REQUEST_WORDS: list[tuple[str, Callable[..., Sequence[Target]]]] = [
    (r"predicted", _predicted),
    (r"top[-: ]?(\d+)", _top),
    (r"(?:above[: ]|>)\s*([0-9]+\.?[0-9]*|\.[0-9]+)", _above),
    (r"all", _all),
    (r"truth", _truth),
    (r"diff:(.+)\|(.+)", _difference),
    (r"box:(\d+)", _box),
    (r"output([+-]?)", _output),
    (r"region(?::(.+))?", _region),
    (r"component:(\d+)(?::(.+))?", _component),
    (r"pixel:(\d+(?:,\d+)+)(?::(.+))?", _pixel),
]
"""Pattern → what makes targets of an output and the pattern's groups."""
