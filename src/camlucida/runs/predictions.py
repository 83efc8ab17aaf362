"""What a model said of an image, label by label, as rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.regions import predicted_mask
from camlucida.core.geometry import Geometry
from camlucida.io.annotations import to_rle


def prediction_rows(answer: ModelOutput, probabilities_only: bool) -> list[dict[str, Any]]:
    """One row a label that has trained weights, in the model's order.

    Args:
        answer: of one image.
        probabilities_only: the model has no logits to give: ``logit`` is then left out.

    Returns:
        task, label, and

        - classification: ``logit`` and ``probability``;
        - regression: ``value``, in the model's units;
        - segmentation: the predicted region in original pixels: its ``area``, its ``share`` of the image, its run lengths
          (``region``; column by column, the first of pixels outside, as COCO has them), and the mean ``probability`` over it.
    """
    made = {"regression": _values, "segmentation": _regions}.get(answer.task)
    rows = made(answer) if made is not None else _labels(answer, probabilities_only)
    return [{"task": answer.task, **row} for row in rows]


def _labels(answer: ModelOutput, probabilities_only: bool) -> list[dict[str, Any]]:
    found = [answer.label(i) for i, name in enumerate(answer.labels) if name]
    return [
        {
            "label": label.name,
            "logit": None if probabilities_only else float(label(answer.logits[None])),
            "probability": label.probability,
        }
        for label in found
    ]


def _values(answer: ModelOutput) -> list[dict[str, Any]]:
    return [
        {"label": name or "output", "value": float(value)}
        for name, value in zip(answer.labels, answer.logits)
    ]


def _regions(answer: ModelOutput) -> list[dict[str, Any]]:
    rows = []
    for channel in range(len(answer.logits)):
        if not answer.labels[channel]:
            continue
        mask = predicted_mask(answer, channel)
        inside = None
        if answer.probabilities is not None and bool(mask.any()):
            inside = float(answer.probabilities[channel][mask].mean())
        on_original = _on_original(answer.geometry, mask)
        area = float(on_original.sum())
        about = {
            "label": answer.labels[channel],
            "probability": inside,
            "area": area,
            "share": area / on_original.numel(),
        }
        rows.append(about | {"region": _lengths(on_original)})
    return rows


def region_lengths(geometry: Geometry, mask: Tensor) -> list[int] | None:
    """Run lengths, in original pixels, of a mask on the output's grid; None for one that is not of two axes."""
    return _lengths(_on_original(geometry, mask))


def _lengths(mask: Tensor) -> list[int] | None:
    return to_rle(mask.numpy())["counts"] if mask.ndim == 2 else None


def _on_original(geometry: Geometry, mask: Tensor) -> Tensor:
    """Bool (*original): the pixels whose nearest point of the output's grid is in the mask."""
    dense = mask.cpu().float()[None, None]
    on_model = torch.nn.functional.interpolate(dense, size=geometry.model, mode="nearest-exact")[0]
    return geometry.map_to_original(on_model)[0] > 0.5
