"""Every file of one explanation, and its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.files import npy, slug, write_bytes
from camlucida.core.messages import Message, Value, declare
from camlucida.figures.overlay import overlay_image, png_bytes
from camlucida.figures.panels import figure_png, heatmap_figure, three_panel, top_k_strip
from camlucida.metrics.regions import MASK_FRACTION, WHOLE_IMAGE, binary_mask, boxes

declare(
    "boxes",
    {
        "whole_image": (
            "{target}: a box covers {share:.0%} of the image or more, so it locates nothing"
        ),
    },
)


def save_explanation(
    explanation: Explanation, directory: Path, colormap: str | None = None, stem: str | None = None
) -> dict[str, Any]:
    """Write overlay, heat map, three panels, numeric maps and mask; each file appears whole or not
    at all. A map that lies over no image is written as numbers alone.

    Args:
        explanation: what to write.
        directory: made if missing.
        colormap: matplotlib name; the default if None.
        stem: beginning of the file names; from image, target, method and layer if None.

    Returns:
        The record of ``explanations.json``; ``files`` are names relative to ``directory``.
    """
    stem = stem or file_stem(explanation)
    if explanation.no_picture is not None:
        return _save_numbers(explanation, directory, stem)
    size = explanation.scan.geometry.original
    values = explanation.numpy()
    mask = binary_mask(values)
    contents = {
        "overlay": (".png", png_bytes(overlay_image(explanation, colormap))),
        "heatmap": (".png", figure_png(heatmap_figure(explanation, colormap))),
        "figure": (".png", figure_png(three_panel(explanation, colormap))),
        "map": (".npy", npy(values)),
        "raw": (".npy", npy(explanation.raw.numpy())),
        "mask": (".png", png_bytes(Image.fromarray(mask.astype(np.uint8) * 255))),
    }
    files = {}
    for kind, (suffix, data) in contents.items():
        files[kind] = f"{stem}_{kind}{suffix}"
        write_bytes(directory / files[kind], data)
    drawn = boxes(mask, values)
    entry = record(explanation, files)
    covering = [box for box in drawn if box.covers((size[0], size[1]))]
    if covering:
        about: dict[str, Value] = {"target": explanation.target, "share": WHOLE_IMAGE}
        entry["warnings"].append(Message("boxes.whole_image", about))
    return entry | {
        "mask": {
            "rule": f"map ≥ {MASK_FRACTION} × its maximum",
            "threshold": MASK_FRACTION * max(float(values.max()), 0.0),
        },
        "boxes": [asdict(box) | {"whole_image": box in covering} for box in drawn],
    }


def _save_numbers(explanation: Explanation, directory: Path, stem: str) -> dict[str, Any]:
    """The raw map alone, of a layer that saw no image alone; its record says why."""
    name = f"{stem}_raw.npy"
    write_bytes(directory / name, npy(explanation.raw.numpy()))
    entry = record(explanation, {"raw": name})
    warnings = [*entry["warnings"], explanation.no_picture]
    return entry | {"warnings": warnings, "image_size": None, "seen": None}


def save_strip(
    explanations: Sequence[Explanation],
    directory: Path,
    colormap: str | None = None,
    stem: str | None = None,
) -> str:
    """Write the top-k strip of one image, method and layer; its file name."""
    name = f"{stem or strip_stem(explanations[0])}_strip.png"
    write_bytes(directory / name, figure_png(top_k_strip(explanations, colormap)))
    return name


def file_stem(explanation: Explanation) -> str:
    """``{image}_{target}_{method}_{layer}``, safe in a file name."""
    return "_".join(
        slug(part)
        for part in (explanation.scan.id, explanation.target, explanation.method, explanation.layer)
    )


def strip_stem(explanation: Explanation) -> str:
    """``{image}_{method}_{layer}``, safe in a file name."""
    return "_".join(
        slug(part) for part in (explanation.scan.id, explanation.method, explanation.layer)
    )


def record(explanation: Explanation, files: dict[str, str]) -> dict[str, Any]:
    """One entry of ``explanations.json``; boxes and sizes in original pixels."""
    source, geometry = explanation.scan.source, explanation.scan.geometry
    return {
        "image": source.get("path", explanation.scan.id),
        "image_sha256": source.get("sha256"),
        "id": explanation.scan.id,
        "target": explanation.target,
        "score": explanation.score,
        "score_kind": explanation.provenance.get("score_kind"),
        "probability": explanation.probability,
        "scaled_output": explanation.scaled_output,
        "task": explanation.provenance.get("task"),
        "task_from": explanation.provenance.get("task_from"),
        "method": explanation.method,
        "layer": explanation.layer,
        "activation": explanation.provenance.get("activation"),
        "activation_note": explanation.provenance.get("activation_note"),
        "grid": list(explanation.grid),
        "raw_range": [float(explanation.raw.min()), float(explanation.raw.max())],
        "scale": {"full_colour": explanation.limit, "signed": explanation.signed, "of": "this map"},
        "empty": explanation.is_empty,
        "empty_reason": explanation.empty_reason or None,
        "image_size": list(geometry.original),
        "seen": [list(span) for span in geometry.seen()],
        "synthetic": explanation.scan.synthetic,
        "warnings": list(explanation.scan.warnings),
        "preprocessing": list(explanation.scan.preprocessing),
        "replay": explanation.provenance.get("replay"),
        "class_specific": explanation.provenance.get("class_specific"),
        "files": files,
    }
