"""Models of torchvision: their weights, labels and preprocessing."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from camlucida.core.errors import ModelError, did_you_mean
from camlucida.models.detectors import is_detector
from camlucida.models.zoo.package import (
    Args,
    Defaults,
    Zoo,
    check_name,
    comes_from,
    import_package,
)


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    models = import_package("torchvision").models
    check_name("torchvision", name, models.list_models())
    weights = _weights(name, args)
    options: dict[str, Any] = {key: value for key, value in args.items() if key != "weights"}
    parameters = inspect.signature(models.get_model_builder(name)).parameters
    if not pretrained and "weights_backbone" in parameters:
        options.setdefault("weights_backbone", None)  # its default is a download
    if not pretrained and name in ("googlenet", "inception_v3"):
        options.setdefault("init_weights", False)  # slow, and overwritten by the checkpoint
    module: nn.Module = models.get_model(name, weights=weights if pretrained else None, **options)
    return module


def _weights(name: str, args: Args) -> Any:
    """The weights that the card names, or the package's default ones; None where it has none."""
    enum = import_package("torchvision").models.get_model_weights(name)
    weights = args.get("weights", "DEFAULT")
    if weights != "DEFAULT" and weights not in enum.__members__:
        raise ModelError(
            f"torchvision:{name} has no weights {weights!r}",
            did_you_mean(str(weights), enum.__members__),
        )
    return enum[weights] if enum.__members__ else None


def _facts(module: nn.Module) -> Defaults:
    if comes_from(module, "torchvision.models.segmentation"):
        return {"task": "segmentation", "output": "logits"}
    return {}


def _defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    fields = _facts(module)
    if fields:
        return fields
    weights = _weights(name, args)
    if is_detector(module):
        return _of_detector(weights if pretrained or "weights" in args else None, args, module)
    transforms: Any = weights.transforms() if weights is not None else None
    if type(transforms).__name__ != "ImageClassification":
        return {}
    size, short_side = transforms.crop_size[0], transforms.resize_size[0]
    fields = {"task": "multiclass", "output": "logits"}
    fields["input"] = {"size": size, "mean": tuple(transforms.mean), "std": tuple(transforms.std)}
    if pretrained or "weights" in args:
        fields["input"] |= {
            "fit": "center-crop",
            "crop": min(1.0, size / short_side),
            "resize": "antialias",
        }
        labels = tuple(weights.meta["categories"])
        if args.get("num_classes", len(labels)) == len(labels):
            fields["labels"] = labels
    return fields


def _of_detector(weights: Any, args: Args, module: Any) -> Defaults:
    """The image whole, its longer side as long as the detector would make the shorter one."""
    side = int(module.transform.min_size[-1])
    fields: Defaults = {"input": {"size": side, "fit": "pad"}}
    labels = () if weights is None else tuple(weights.meta["categories"])
    if labels and args.get("num_classes", len(labels)) == len(labels):
        fields["labels"] = _distinct(labels)
    return fields


def _distinct(labels: Sequence[str]) -> tuple[str, ...]:
    """COCO's list has "N/A" in the place of each class that was given up: no name."""
    return tuple("" if label == "N/A" else label for label in labels)


TORCHVISION = Zoo(_build, _defaults, _facts)
