"""The boxes of a detector as targets: one image at a time, each box at its own feature map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from camlucida.attribution.batches import Batch
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.requests import Request
from camlucida.attribution.targets import Label, Target
from camlucida.core.errors import EmptyRegionError, UnknownTargetError, did_you_mean
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.output_spec import OutputSpec
from camlucida.core.scan import Scan
from camlucida.models.detectors import (
    Detection,
    FollowedBoxes,
    Origin,
    Prepared,
    detect,
    level_layer,
    level_names,
    prepare,
)

declare(
    "detection",
    {"prepared": "by the detector: resized to {height} × {width}, its own scale, padded"},
)

_WITHIN = "detector."
"""Where a detector lies within :class:`FollowedBoxes`."""


@dataclass(frozen=True)
class BoxOutput(ModelOutput):
    """The boxes of an image, among which targets are looked up: as labels, the best score first.

    Attributes:
        classes: name of each class; () where they are not known.
        detections: the boxes, in the order of ``logits``.
    """

    classes: tuple[str, ...] = ()
    detections: tuple[Detection, ...] = ()

    def candidates(self) -> list[Label]:
        """Every box, the best score first."""
        return [self.label(i) for i in range(self.count)]

    def find(self, name: str | int) -> Label:
        """The best box of a class.

        Args:
            name: of the class, or its number.

        Raises:
            UnknownTargetError: there is no such class.
            EmptyRegionError: the image has no box of it.
        """
        number = self._class_number(name)
        for index, detection in enumerate(self.detections):
            if detection.label == number:
                return self.label(index)
        raise EmptyRegionError(f"the detector finds no box of class {name}")

    def _class_number(self, name: str | int) -> int:
        if name in self.classes:
            return self.classes.index(str(name))
        if str(name).isdigit():
            return int(name)
        what = f"unknown class {name!r}"
        raise UnknownTargetError(what, did_you_mean(str(name), filter(None, self.classes)))


@dataclass(frozen=True)
class BoxJob:
    """Boxes of an image that are explained together.

    Attributes:
        model: the detector as a model whose outputs are the class scores of these boxes.
        batch: the image, as the detector prepares it.
        targets: a label a box.
        layers: at which they are explained.
        boxes: of the targets.
        order: names of all targets of the image, as they were requested.
    """

    model: ExplainedModel
    batch: Batch
    targets: Sequence[Target]
    layers: Sequence[str]
    boxes: Sequence[Detection]
    order: Sequence[str]

    def request(self, output: ModelOutput) -> Sequence[Target]:
        """The targets, whatever the output: they were chosen by the detector's scores."""
        return self.targets

    def described(self, explanations: Sequence[Explanation]) -> Iterator[Explanation]:
        """The explanations with their boxes; layers are named as in the detector."""
        by_name = {target.name: box for target, box in zip(self.targets, self.boxes)}
        for each in explanations:
            yield replace(
                each,
                layer=each.layer.removeprefix(_WITHIN),
                detection=by_name[each.target],
                provenance={**each.provenance, "task": "detection"},
            )


def box_jobs(
    model: ExplainedModel, batch: Batch, requests: Sequence[Request], layers: Sequence[str]
) -> Iterator[BoxJob]:
    """What has to be explained of one image.

    Args:
        model: of a detector.
        batch: of one image.
        requests: of targets: boxes, by the score of the detector.
        layers: "auto" is the feature map of the backbone that a box comes from.

    Raises:
        EmptyRegionError: the detector finds no box, or none of a class.
        UnknownTargetError: there is no such class or box.
    """
    image = prepare(model.module, batch.tensors[0][0])
    scan = _prepared_scan(batch.scans[0], image)
    origins, found = detect(model.module, image)
    if not found:
        raise EmptyRegionError("the detector finds no box above its own score threshold")
    boxes = [_named(_on_original(box, scan.geometry), model.spec) for box in found]
    output = _output(model.spec, boxes, scan)
    chosen: dict[int, Label] = {}
    for request in requests:
        chosen |= {target.index: target for target in request(output) if isinstance(target, Label)}
    ready = replace(batch, tensors=(image.tensor,), scans=[scan], cases=[(scan,)])
    names = level_names(model.module, image)
    for layer in layers:
        for part, at in _parts(list(chosen), origins, layer, len(names)):
            job = _job(model, ready, image, [chosen[i] for i in part], origins, boxes, at)
            yield replace(job, order=[label.name for label in chosen.values()])


def _parts(
    chosen: Sequence[int], origins: Sequence[Origin], layer: str, levels: int
) -> Iterator[tuple[list[int], str]]:
    """Boxes and their layer: of ``auto``, the boxes of each feature map by themselves."""
    if layer != "auto":
        yield list(chosen), layer
        return
    for level in sorted({origins[i].level for i in chosen}):
        part = [i for i in chosen if origins[i].level == level]
        yield part, level_layer(level, levels)


def _job(
    model: ExplainedModel,
    batch: Batch,
    image: Prepared,
    labels: Sequence[Label],
    origins: Sequence[Origin],
    boxes: Sequence[Detection],
    layer: str,
) -> BoxJob:
    of_part = [boxes[label.index] for label in labels]
    followed: nn.Module = FollowedBoxes(
        model.module,
        image.size,
        [origins[label.index] for label in labels],
        [box.label for box in of_part],
    )
    names = tuple(label.name for label in labels)
    spec = OutputSpec("multilabel", names, task_from="module")
    targets = [replace(label, index=column) for column, label in enumerate(labels)]
    explained = replace(model, module=followed, spec=spec)
    return BoxJob(explained, batch, targets, [f"{_WITHIN}{layer}"], of_part, names)


def _prepared_scan(scan: Scan, image: Prepared) -> Scan:
    """The image as the detector sees it, and the way back through its resizing and padding."""
    height, width = image.tensor.shape[-2:]
    after = (height - image.size[0], width - image.size[1])
    geometry = scan.geometry.resize(image.size).pad((0, 0), after)
    about = Message("detection.prepared", {"height": image.size[0], "width": image.size[1]})
    return replace(
        scan,
        tensor=image.tensor[0].detach().cpu(),
        display=scan.picture(),
        geometry=geometry,
        preprocessing=(*scan.preprocessing, about),
    )


def _on_original(detection: Detection, geometry: Geometry) -> Detection:
    """With its box in original pixels, within the image."""
    left, top, right, bottom = detection.box
    rows, columns = geometry.original
    first, last = geometry.to_original((top, left)), geometry.to_original((bottom, right))
    top, bottom = (min(max(point[0], 0.0), float(rows)) for point in (first, last))
    left, right = (min(max(point[1], 0.0), float(columns)) for point in (first, last))
    return replace(detection, box=(left, top, right, bottom))


def _named(detection: Detection, spec: OutputSpec) -> Detection:
    names = spec.labels
    return replace(detection, name=names[detection.label] if detection.label < len(names) else "")


def _output(spec: OutputSpec, boxes: Sequence[Detection], scan: Scan) -> BoxOutput:
    names = []
    for number, box in enumerate(boxes, 1):
        names.append(f"{box.name or f'class {box.label}'}, box {number}")
    scores: Tensor = torch.tensor([box.score for box in boxes])
    return BoxOutput(
        scores,
        scores,
        "multilabel",
        tuple(names),
        scan.geometry,
        classes=spec.labels,
        detections=tuple(boxes),
    )
