"""What is written of an explanation: kinds of files, their names, and its record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.files import slug

KINDS = ("overlay", "heatmap", "figure", "strip", "map", "mask")
"""What can be written beside the film, the raw maps and the overlay of the top finding."""


def file_kinds(names: Collection[str] | None) -> frozenset[str] | None:
    """Which kinds of files are written of every explanation.

    Args:
        names: of :data:`KINDS`, or ``all``; None or nothing: the default.

    Returns:
        The kinds; None for the default, the overlay of an image's top finding.

    Raises:
        UsageError: there is no such kind.

    >>> sorted(file_kinds(["map", "mask"])), file_kinds([])
    (['map', 'mask'], None)
    """
    if not names:
        return None
    for name in names:
        if name not in (*KINDS, "all"):
            hint = did_you_mean(name, [*KINDS, "all"])
            raise UsageError(f"nothing that can be written is called {name!r}", hint)
    return frozenset(KINDS if "all" in names else names)


def file_stem(explanation: Explanation) -> str:
    """``{image}_{target}_{method}_{layer}``, safe in a file name."""
    return "_".join(
        slug(part)
        for part in (explanation.scan.id, explanation.target, explanation.method, explanation.layer)
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
        "shown_layer": explanation.shown_layer,
        "activation": explanation.provenance.get("activation"),
        "activation_note": explanation.provenance.get("activation_note"),
        "grid": list(explanation.grid),
        "relu": explanation.relu,
        "unit": explanation.provenance.get("unit"),
        "raw_range": [float(explanation.raw.min()), float(explanation.raw.max())],
        "scale": {"full_colour": explanation.limit, "signed": explanation.signed, "of": "this map"},
        "empty": explanation.is_empty,
        "empty_reason": explanation.empty_reason or None,
        "image_size": list(geometry.original),
        "seen": [list(span) for span in geometry.seen()],
        "geometry": {
            "model_size": list(geometry.model),
            "scale": list(geometry.scale),
            "offset": list(geometry.offset),
        },
        "synthetic": explanation.scan.synthetic,
        "warnings": list(explanation.scan.warnings),
        "preprocessing": list(explanation.scan.preprocessing),
        "fused": explanation.provenance.get("fused"),
        "replay": explanation.provenance.get("replay"),
        "precision": explanation.provenance.get("precision"),
        "class_specific": explanation.provenance.get("class_specific"),
        "detection": None if explanation.detection is None else asdict(explanation.detection),
        "files": files,
    }
