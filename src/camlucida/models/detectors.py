"""Detectors of torchvision: their boxes, and the class score of a box as a number to explain.

A detector returns boxes, whose number and order change with the image. A box is therefore followed
by what it was made of in the first pass: its anchor (RetinaNet, FCOS) or its proposal (Faster
R-CNN). Its class score is then one number of any altered image too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.models.families.base import class_is

Size = tuple[int, int]

_MATCH = 1e-3
"""Pixels and shares of one by which a detection may differ from what it was made of."""


@dataclass(frozen=True)
class Detection:
    """A box of a detector.

    Attributes:
        box: left, top, right, bottom in pixels of the original image, of its edges.
        label: number of the class.
        score: of the detector, in [0, 1], by which boxes are ordered.
        level: name of the backbone's feature map that the box comes from.
        name: of the class; "" where it has none.

    >>> Detection((0.0, 0.0, 4.0, 2.0), 1, 0.5, "0").label
    1
    """

    box: tuple[float, float, float, float]
    label: int
    score: float
    level: str
    name: str = ""


@dataclass(frozen=True)
class Prepared:
    """An image after the detector's own resizing, scaling and padding.

    Attributes:
        tensor: (1, C, H, W), padded.
        size: height and width without the padding.
    """

    tensor: Tensor
    size: Size


@dataclass(frozen=True)
class Origin:
    """What a box was made of.

    Attributes:
        level: number of the feature map.
        anchor: number of the anchor in the level; −1 for a proposal.
        proposal: (4,) in pixels of the prepared image; empty for an anchor.
    """

    level: int
    anchor: int
    proposal: tuple[float, ...] = ()


def is_detector(module: nn.Module) -> bool:
    """Whether a network is a detector of torchvision, or one that inherits from these.

    >>> is_detector(nn.ReLU())
    False
    """
    return class_is(module, "torchvision", "FasterRCNN", "RetinaNet", "FCOS")


def prepare(detector: Any, image: Tensor) -> Prepared:
    """Resize, scale and pad an image as the detector does.

    Args:
        detector: see :func:`is_detector`.
        image: (C, H, W) in [0, 1].
    """
    images, _ = detector.transform([image])
    return Prepared(images.tensors, images.image_sizes[0])


class FollowedBoxes(nn.Module):
    """A detector as a network of images (B, C, H, W) → class scores (B, boxes).

    Args:
        detector: see :func:`is_detector`.
        size: height and width of the prepared images without their padding.
        origins: of the boxes.
        labels: of the boxes.
    """

    def __init__(
        self, detector: nn.Module, size: Size, origins: Sequence[Origin], labels: Sequence[int]
    ) -> None:
        super().__init__()
        self.detector = detector
        self._size, self._origins, self._labels = size, list(origins), list(labels)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """The class logit of each box, whatever else the detector finds."""
        maps = _feature_maps(self.detector, images)
        if _has_proposals(self.detector):
            return self._of_proposals(images, maps)
        return self._of_anchors(maps)

    def _of_anchors(self, maps: Mapping[str, Tensor]) -> Tensor:
        detector: Any = self.detector
        levels = list(maps.values())
        used = sorted({origin.level for origin in self._origins})
        logits = {i: detector.head.classification_head([levels[i]]) for i in used}
        scores = [
            logits[origin.level][:, origin.anchor, label]
            for origin, label in zip(self._origins, self._labels)
        ]
        return torch.stack(scores, 1)

    def _of_proposals(self, images: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        count = len(images)
        proposals = images.new_tensor([origin.proposal for origin in self._origins])
        logits, _ = _classified(self.detector, maps, [proposals] * count, [self._size] * count)
        boxes = torch.arange(len(self._labels), device=logits.device)
        scores: Tensor = logits.unflatten(0, (count, -1))[:, boxes, self._labels]
        return scores


def detect(detector: Any, image: Prepared) -> tuple[list[Origin], list[Detection]]:
    """The boxes of an image, the highest score first, and what each was made of.

    Args:
        detector: see :func:`is_detector`; in evaluation mode.
        image: as :func:`prepare` gives.

    Returns:
        Boxes in pixels of the prepared image.

    Raises:
        ModelError: a box fits nothing that it could have been made of.
    """
    with torch.no_grad():
        maps = _feature_maps(detector, image.tensor)
        if _has_proposals(detector):
            return _detect_by_proposals(detector, image, maps)
        return _detect_by_anchors(detector, image, maps)


def level_layer(level: int, count: int) -> str:
    """The layer whose output is a feature map of the backbone.

    Args:
        level: number of the feature map.
        count: of all feature maps; of one alone the backbone itself is the layer.

    >>> level_layer(2, 5), level_layer(0, 1)
    ('backbone[2]', 'backbone')
    """
    return f"backbone[{level}]" if count > 1 else "backbone"


def level_names(detector: nn.Module, image: Prepared) -> list[str]:
    """Names of the feature maps that boxes can come from, the finest first."""
    with torch.no_grad():
        return list(_feature_maps(detector, image.tensor))


def _feature_maps(detector: Any, images: Tensor) -> Mapping[str, Tensor]:
    maps = detector.backbone(images)
    return {"0": maps} if isinstance(maps, Tensor) else maps


def _has_proposals(detector: nn.Module) -> bool:
    return hasattr(detector, "roi_heads")


def _image_list(image: Prepared) -> Any:
    from torchvision.models.detection.image_list import ImageList

    return ImageList(image.tensor, [image.size])


def _detect_by_anchors(
    detector: Any, image: Prepared, maps: Mapping[str, Tensor]
) -> tuple[list[Origin], list[Detection]]:
    levels = list(maps.values())
    outputs = detector.head(levels)
    (anchors,) = detector.anchor_generator(_image_list(image), levels)
    cells = [level.shape[-2] * level.shape[-1] for level in levels]
    each = outputs["cls_logits"].shape[1] // sum(cells)
    counts = [number * each for number in cells]
    split = {name: list(values.split(counts, 1)) for name, values in outputs.items()}
    by_level = list(anchors.split(counts))
    (found,) = detector.postprocess_detections(split, [by_level], [image.size])
    boxes = _decoded(detector, outputs["bbox_regression"][0], anchors, image.size)
    scores = _anchor_scores(outputs)
    starts = [sum(counts[:i]) for i in range(len(counts))]
    origins = []
    for box, label, score in zip(found["boxes"], found["labels"], found["scores"]):
        number = _made_of(boxes, scores[:, label], box, score)
        level = max(i for i, start in enumerate(starts) if start <= number)
        origins.append(Origin(level, number - starts[level]))
    return origins, _detections(found, [list(maps)[origin.level] for origin in origins])


def _decoded(detector: Any, regression: Tensor, anchors: Tensor, size: Size) -> Tensor:
    """The boxes of all anchors, (N, 4)."""
    from torchvision.ops import clip_boxes_to_image

    coder = detector.box_coder
    decode = getattr(coder, "decode_single", None) or coder.decode
    boxes: Tensor = clip_boxes_to_image(decode(regression, anchors), size)
    return boxes


def _anchor_scores(outputs: Mapping[str, Tensor]) -> Tensor:
    """(N, classes): the sigmoid of the class; of FCOS its geometric mean with the centre-ness."""
    scores = outputs["cls_logits"][0].sigmoid()
    if "bbox_ctrness" in outputs:
        scores = (scores * outputs["bbox_ctrness"][0].sigmoid()).sqrt()
    return scores


def _detect_by_proposals(
    detector: Any, image: Prepared, maps: Mapping[str, Tensor]
) -> tuple[list[Origin], list[Detection]]:
    from torchvision.ops import clip_boxes_to_image

    (proposals,), _ = detector.rpn(_image_list(image), maps)
    sizes = [image.size]
    logits, regression = _classified(detector, maps, [proposals], sizes)
    heads = detector.roi_heads
    parts = heads.postprocess_detections(logits, regression, [proposals], sizes)
    found = dict(zip(("boxes", "scores", "labels"), (part[0] for part in parts)))
    decoded = heads.box_coder.decode(regression, [proposals])
    boxes, scores = clip_boxes_to_image(decoded, image.size), logits.softmax(-1)
    levels = _levels_of(heads.box_roi_pool, proposals)
    origins = []
    for box, label, score in zip(found["boxes"], found["labels"], found["scores"]):
        number = _made_of(boxes[:, label], scores[:, label], box, score)
        proposal = tuple(proposals[number].tolist())
        origins.append(Origin(int(levels[number]), -1, proposal))
    return origins, _detections(found, [list(maps)[origin.level] for origin in origins])


def _classified(
    detector: Any, maps: Mapping[str, Tensor], proposals: list[Tensor], sizes: list[Size]
) -> tuple[Tensor, Tensor]:
    """Class logits (N, classes) and regression of proposals."""
    heads = detector.roi_heads
    pooled = heads.box_roi_pool(maps, proposals, sizes)
    logits, regression = heads.box_predictor(heads.box_head(pooled))
    return logits, regression


def _levels_of(pool: Any, proposals: Tensor) -> Tensor:
    """The feature map that each proposal is pooled from, by its size."""
    if pool.map_levels is None or len(pool.scales) < 2:
        return torch.zeros(len(proposals), dtype=torch.long)
    levels: Tensor = pool.map_levels([proposals])
    return levels


def _made_of(boxes: Tensor, scores: Tensor, box: Tensor, score: Tensor) -> int:
    """Number of the candidate that became a detection.

    Raises:
        ModelError: none is like it.
    """
    difference = (boxes - box).abs().amax(1) + (scores - score).abs()
    number = int(difference.argmin())
    if float(difference[number]) > _MATCH:
        raise ModelError(
            "a box of the detector fits none of its candidates",
            "its own postprocessing changes boxes or scores, and cannot be followed",
        )
    return number


def _detections(found: Mapping[str, Tensor], levels: Iterable[str]) -> list[Detection]:
    rows = zip(found["boxes"].tolist(), found["labels"], found["scores"], levels)
    return [Detection(tuple(box), int(label), float(p), level) for box, label, p, level in rows]
