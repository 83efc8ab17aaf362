"""Small detectors of torchvision with random weights, which find many boxes."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

KINDS = ("retinanet", "fcos", "faster_rcnn", "faster_rcnn of one map")


def _stage(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.ReLU())


def _body() -> nn.Module:
    """Feature maps at strides of 4, 8 and 16."""
    stem = nn.Sequential(_stage(3, 8), _stage(8, 8))
    return nn.Sequential(OrderedDict(stem=stem, middle=_stage(8, 12), last=_stage(12, 16)))


def _pyramid() -> nn.Module:
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    returned = {"stem": "0", "middle": "1", "last": "2"}
    return BackboneWithFPN(_body(), returned, [8, 12, 16], 32)


def detector(kind: str, threshold: float = 0.0) -> Any:
    """One of :data:`KINDS`, of three classes, in evaluation mode."""
    models = pytest.importorskip("torchvision", reason="model zoo").models.detection
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"num_classes": 3, "min_size": 64, "max_size": 128}
    dense = {**sizes, "score_thresh": threshold, "detections_per_img": 8}
    ratios = (0.5, 1.0, 2.0)
    # A pyramid adds a pooled map to its three.
    anchors = AnchorGenerator(((16,), (24,), (32,), (48,)), (ratios,) * 4)
    if kind == "retinanet":
        net = models.RetinaNet(_pyramid(), anchor_generator=anchors, **dense)
        nn.init.normal_(net.head.classification_head.cls_logits.weight, std=0.5)
    elif kind == "fcos":
        cells = AnchorGenerator(((4,), (8,), (16,), (32,)), ((1.0,),) * 4)
        net = models.FCOS(_pyramid(), anchor_generator=cells, **dense)
        nn.init.normal_(net.head.classification_head.cls_logits.weight, std=0.5)
    else:
        boxes = {"box_score_thresh": threshold, "box_detections_per_img": 8}
        settings: dict[str, Any] = {**sizes, **boxes, "rpn_anchor_generator": anchors}
        backbone = _pyramid()
        if kind == "faster_rcnn of one map":
            backbone = _body()
            backbone.out_channels = 16
            settings["rpn_anchor_generator"] = AnchorGenerator(((16, 32),), (ratios,))
            settings["box_roi_pool"] = _pool()
        net = models.FasterRCNN(backbone, **settings)
    return net.eval()


def _pool() -> nn.Module:
    from torchvision.ops import MultiScaleRoIAlign

    return MultiScaleRoIAlign(["0"], output_size=7, sampling_ratio=2)
