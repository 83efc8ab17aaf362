"""From the name of a target, as a run stores it, to the label that it is of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MINUS = " − "
_REGION = r" (?:region|true region|component \d+|at \d+(?:,\d+)+|\(given mask\))"


def label_of(target: str, task: str, labels: Sequence[str]) -> str:
    """The label, class or output that a target is of; "" for one that is of none.

    A difference is of its first label, a region, component or pixel of the label of its channel, "age ↑" and "age ↓" of the
    output "age", "not nodule" of a binary model of the label "nodule".

    Args:
        target: its name.
        task: of the model.
        labels: those that the model's predictions have rows of.

    >>> label_of("nodule − mass", "multilabel", ["nodule", "mass"])
    'nodule'
    """
    if task == "segmentation":
        fitting = [label for label in labels if re.fullmatch(re.escape(label) + _REGION, target)]
        return max(fitting, key=len, default="")
    if target in labels:
        return target
    if task == "regression" and target[-2:] in (" ↑", " ↓") and target[:-2] in labels:
        return target[:-2]
    if task == "binary" and target.removeprefix("not ") in labels:
        return target.removeprefix("not ")
    cuts = [found.start() for found in re.finditer(MINUS, target)]
    firsts = [
        label_of(target[:cut], task, labels)
        for cut in cuts
        if label_of(target[cut + len(MINUS) :], task, labels)
    ]
    return next(filter(None, firsts), "")


def architecture(card: Mapping[str, Any]) -> str:
    """What a model is built of, by its card as a run keeps it: the name of its factory, or of the backbone under another head.

    >>> architecture({"factory": "torchvision:resnet50", "args": {}})
    'resnet50'
    """
    backbone = (
        card["args"].get("backbone")
        if card["factory"] == "camlucida.models.wrapped:build"
        else None
    )
    return str(backbone or card["factory"]).rpartition(":")[2]
