"""What a part stores of an image: a row for each label that was predicted, and one for each map."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

import torch
from torch import Tensor

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.regions import predicted_mask
from camlucida.attribution.targets import Region, TargetSpec
from camlucida.core.geometry import Geometry
from camlucida.io.annotations import to_rle


def prediction_rows(output: ModelOutput, probabilities_only: bool) -> list[dict[str, Any]]:
    """One row for each label that has trained weights, in the model's order.

    Args:
        output: of one image.
        probabilities_only: the model has no logits to give: ``logit`` is then left out.

    Returns:
        task, label, and

        - classification: ``logit``, ``probability``, and ``scaled_output`` where the model scales
          its probability to an operating point;
        - regression: ``value``, in the model's units;
        - segmentation: of the predicted region in original pixels its ``area``, its ``share`` of
          the image, its run lengths (``region``: column by column, the first of pixels outside, as
          in COCO), the mean ``probability`` over it, and whether the label is the ``background``:
          the first of two or more channels that exclude each other.
    """
    if output.task == "regression":
        rows = _values(output)
    elif output.task == "segmentation":
        rows = _regions(output)
    else:
        rows = _labels(output, probabilities_only)
    return [{"task": output.task, **row} for row in rows]


def map_row(explanation: Explanation, provenance: str) -> dict[str, Any]:
    """The row of :data:`camlucida.runs.parts.META` of a map, without its image and its tensor.

    Args:
        explanation: the map.
        provenance: hash of the provenance that it shares with other maps.
    """
    geometry, target = explanation.geometry(), explanation.explained
    spec = {f"target_{part.name}": getattr(explanation.spec, part.name) for part in _SPEC}
    reason, detection = explanation.empty_reason, explanation.detection
    return {
        "target": explanation.target,
        **spec,
        "method": explanation.method,
        "layer": explanation.layer,
        "score": explanation.score,
        "score_kind": explanation.provenance["score_kind"],
        "probability": explanation.probability,
        "scaled_output": explanation.scaled_output,
        "grid": list(explanation.grid),
        "low": float(explanation.raw.min()),
        "high": float(explanation.raw.max()),
        "relu": explanation.relu,
        "unit": explanation.provenance["unit"],
        "empty_reason": "" if reason is None else reason.dumps(),
        "region": region_lengths(geometry, target.mask) if isinstance(target, Region) else None,
        "model_size": list(geometry.model),
        "scale": list(geometry.scale),
        "offset": list(geometry.offset),
        "warnings": [warning.dumps() for warning in explanation.scan.warnings],
        "provenance": provenance,
        "detection": None if detection is None else json.dumps(asdict(detection)),
    }


_SPEC = fields(TargetSpec)


def region_lengths(geometry: Geometry, mask: Tensor) -> list[int] | None:
    """Run lengths, in original pixels, of a mask on the output's grid.

    Args:
        geometry: of the image.
        mask: bool, of the output's grid.

    Returns:
        As ``counts`` of :func:`camlucida.io.annotations.to_rle`; None for a mask that is not of
        two axes.
    """
    return _lengths(_on_original(geometry, mask))


def _labels(output: ModelOutput, probabilities_only: bool) -> list[dict[str, Any]]:
    trained = [output.label(i) for i, name in enumerate(output.labels) if name]
    return [
        {
            "label": label.name,
            "logit": None if probabilities_only else float(label(output.logits[None])),
            "probability": label.probability,
            "scaled_output": label.scaled_output,
        }
        for label in trained
    ]


def _values(output: ModelOutput) -> list[dict[str, Any]]:
    return [
        {"label": name or "output", "value": float(value)}
        for name, value in zip(output.labels, output.logits)
    ]


def _regions(output: ModelOutput) -> list[dict[str, Any]]:
    rows = []
    has_background = len(output.logits) > 1 and not output.overlapping
    for channel in range(len(output.logits)):
        if not output.labels[channel]:
            continue
        mask = predicted_mask(output, channel)
        probability = None
        if output.probabilities is not None and bool(mask.any()):
            probability = float(output.probabilities[channel][mask].mean())
        on_original = _on_original(output.geometry, mask)
        area = float(on_original.sum())
        row = {
            "label": output.labels[channel],
            "probability": probability,
            "area": area,
            "share": area / on_original.numel(),
            "region": _lengths(on_original),
            "background": has_background and channel == 0,
        }
        rows.append(row)
    return rows


def _lengths(mask: Tensor) -> list[int] | None:
    if mask.ndim != 2:
        return None
    lengths: list[int] = to_rle(mask.numpy())["counts"]
    return lengths


def _on_original(geometry: Geometry, mask: Tensor) -> Tensor:
    """Bool (*original): the pixels whose nearest point of the output's grid is in the mask."""
    dense = mask.cpu().float()[None, None]
    # "nearest" of PyTorch takes the corner of a pixel, not its centre.
    on_model = torch.nn.functional.interpolate(dense, size=geometry.model, mode="nearest-exact")[0]
    return geometry.map_to_original(on_model)[0] > 0.5
