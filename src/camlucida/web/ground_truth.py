"""Annotated masks and boxes of a case, in the form of the viewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from camlucida.analysis.cases.annotations import Annotations
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan
from camlucida.datasets.voxel_grid import voxel_grid
from camlucida.report.viewer.data import mask_outlines
from camlucida.report.viewer.volumes import volume_annotations


def ground_truth(
    annotations: Annotations, row: Mapping[Any, Any], label: str, scan: Scan
) -> dict[str, Any]:
    """The annotations of a label in a film or volume.

    Args:
        annotations: of the run and model.
        row: of :meth:`camlucida.runs.Run.explanations`.
        label: of the case.
        scan: of the case.

    Returns:
        ``boxes`` and ``outlines`` of a film, ``annotations`` of a volume; empty lists where there
        are none.
    """
    truth: dict[str, Any] = {"boxes": [], "outlines": [], "annotations": []}
    box = row["box"]
    case = {**row, "box": box if isinstance(box, (list, tuple, np.ndarray)) else None}
    if isinstance(scan, VolumeScan):
        mask = annotations.mask(case, label, voxel_grid(scan))
        stored = None if mask is None else scan.from_stored(mask)
        return truth | {"annotations": volume_annotations(scan, label, stored)}
    height, width = scan.geometry.original
    mask = annotations.mask(case, label, (height, width))
    boxes = annotations.boxes(case, label, (height, width))
    return truth | {
        "boxes": [_box(each, label) for each in ([] if boxes is None else boxes.tolist())],
        "outlines": mask_outlines(label, mask),
    }


def _box(box: list[float], label: str) -> dict[str, Any]:
    x, y, width, height = box
    return {"x": x, "y": y, "width": width, "height": height, "label": label}
