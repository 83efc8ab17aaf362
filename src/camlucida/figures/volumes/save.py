"""The files of a volume's explanations, and their records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.files import npz, slug, unique, write_bytes
from camlucida.core.orientation import spacing
from camlucida.core.regions import MASK_FRACTION, binary_mask
from camlucida.core.volume_regions import VolumeRegion, volume_regions
from camlucida.core.volume_scan import VolumeScan
from camlucida.figures.records import KINDS, file_stem, record
from camlucida.figures.volumes.figure import planes_png
from camlucida.figures.volumes.peak import map_peak
from camlucida.io.volumes.nifti import nifti_bytes, require_nibabel

VOLUME_KINDS = ("figure", "map")
"""What is written of a map of a volume: three planes through its peak, and a NIfTI file."""


def check_volume_kinds(kinds: Collection[str] | None) -> None:
    """Refuse what cannot be written of a volume, before anything is computed.

    Args:
        kinds: as :func:`camlucida.figures.records.file_kinds` gives.

    Raises:
        UsageError: an overlay, a strip or the like, or nibabel is not installed.

    >>> check_volume_kinds(["figure"])
    """
    require_nibabel("the map of a volume")
    others = sorted(set(kinds or ()) - set(VOLUME_KINDS))
    if others and set(kinds or ()) != set(KINDS):
        raise UsageError(
            f"of a volume no {' or '.join(others)} can be written",
            "figure (three planes) and map (NIfTI) can",
        )


def write_volume(
    explanations: Sequence[Explanation],
    scan: VolumeScan,
    directory: Path,
    kinds: Collection[str] | None = None,
    colormap: str | None = None,
    stems: set[str] | None = None,
) -> list[dict[str, Any]]:
    """Write raw maps, and of each map the figure and the NIfTI file, each whole or not at all.

    Args:
        explanations: of one volume, at least one.
        scan: the volume.
        directory: made if missing.
        kinds: of :data:`VOLUME_KINDS`; None for all.
        colormap: matplotlib name; the default if None.
        stems: beginnings of names that are taken; those of this volume are added.

    Returns:
        The entries of ``explanations.json``.

    Raises:
        UsageError: there is no such colormap.
        OSError: the system refuses the folder or a file.
    """
    stems = set() if stems is None else stems
    image = unique(slug(scan.id), stems)
    maps_file = f"{image}_maps.npz"
    records, raw = [], {}
    for explanation in explanations:
        stem = unique(file_stem(explanation), stems)
        key = stem.removeprefix(f"{slug(scan.id)}_")
        raw[key] = explanation.raw.numpy()
        files = _write_map(explanation, scan, directory / stem, kinds, colormap)
        records.append(files | {"map_key": key})
    write_bytes(directory / maps_file, npz(raw))
    for entry in records:
        entry["files"] = {"maps": maps_file, **entry["files"]}
    return records


def _write_map(
    explanation: Explanation,
    scan: VolumeScan,
    stem: Path,
    kinds: Collection[str] | None,
    colormap: str | None,
) -> dict[str, Any]:
    values = scan.to_stored(explanation.map())
    peak = map_peak(explanation, scan)
    files: dict[str, str] = {}
    if kinds is None or "figure" in kinds:
        files["figure"] = f"{stem.name}_planes.png"
        picture = planes_png(explanation, scan, values, peak, colormap)
        write_bytes(stem.with_name(files["figure"]), picture)
    if kinds is None or "map" in kinds:
        files["map"] = f"{stem.name}_map.nii.gz"
        content = nifti_bytes(values, scan.affine, scan.oriented)
        write_bytes(stem.with_name(files["map"]), content)
    mask = binary_mask(values)
    cubic_mm = float(np.prod(spacing(scan.affine))) if scan.measured else None
    regions = [
        asdict(region) | {"ml": _millilitres(region, cubic_mm)}
        for region in volume_regions(mask, values)
    ]
    about = {
        "size": list(scan.voxels.shape),
        "affine": scan.affine.tolist() if scan.measured else None,
        "spacing_mm": list(spacing(scan.affine)) if scan.measured else None,
        "oriented": scan.oriented,
        "axes": list(scan.order.axes),
        "flipped": list(scan.order.flipped),
        "peak_voxel": None if explanation.is_empty else list(peak.voxel),
        "peak_mm": None if explanation.is_empty or not scan.measured else list(peak.mm),
    }
    rule = f"map ≥ {MASK_FRACTION} × its maximum"
    threshold = MASK_FRACTION * max(float(values.max()), 0.0)
    more = {"mask": {"rule": rule, "threshold": threshold}, "boxes": [], "regions": regions}
    return record(explanation, files) | more | {"volume": about}


def _millilitres(region: VolumeRegion, cubic_mm: float | None) -> float | None:
    return None if cubic_mm is None else round(region.voxels * cubic_mm / 1000, 4)
