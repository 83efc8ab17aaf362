"""The maps of a finding in one small file: cells and geometry, enlarged when they are read.

A map has as many numbers as its layer's grid has cells. In original pixels it is thousands of times
larger and says no more, so nothing is stored there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from camlucida.analysis.ensemble.combine import Ensemble, mean_and_disagreement
from camlucida.analysis.ensemble.members import EnsembleMember
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.files import reading
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class StoredMaps:
    """The maps of one image and label, in the unit of the ensemble.

    Attributes:
        unit: of every number.
        members: each with its weights and the map on its grid.
    """

    unit: str
    members: tuple[EnsembleMember, ...]

    def member(self, name: str) -> Floats:
        """The map of a member in original pixels (H, W).

        Args:
            name: of the model.

        Raises:
            UsageError: the file has no map of it.
        """
        for member in self.members:
            if member.name == name:
                return member.explanation.numpy()
        names = ", ".join(member.name for member in self.members)
        raise UsageError(f"no map of {name!r}", f"there are maps of: {names}")

    def mean(self) -> Floats:
        """The ensemble map in original pixels (H, W)."""
        return mean_and_disagreement(self.members)[0]

    def disagreement(self) -> Floats:
        """The disagreement in original pixels (H, W); NaN where fewer than two saw the pixel."""
        return mean_and_disagreement(self.members)[1]


def maps_file(ensemble: Ensemble) -> bytes:
    """Content of the file: a compressed ``.npz``, the same bytes for the same maps.

    Args:
        ensemble: of one image and label.
    """
    arrays: dict[str, Any] = {
        "unit": np.array(ensemble.unit),
        "names": np.array([member.name for member in ensemble.members]),
    }
    for number, member in enumerate(ensemble.members):
        geometry = member.explanation.scan.geometry
        arrays |= {
            f"cells_{number}": member.explanation.raw.numpy().astype(np.float32),
            f"weights_{number}": np.array([member.weight, member.map_weight, member.divisor]),
            f"relu_{number}": np.array(member.explanation.relu),
            f"sizes_{number}": np.array([geometry.original, geometry.model]),
            f"affine_{number}": np.array([geometry.scale, geometry.offset]),
        }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def read_maps(path: str | Path) -> StoredMaps:
    """The maps of a finding, of a file ``LABEL_maps.npz``.

    Args:
        path: of the file.

    Raises:
        UsageError: it cannot be read.
    """
    path = Path(path)
    try:
        with reading(path, UsageError, "the maps"), np.load(path, allow_pickle=False) as arrays:
            return _stored(arrays, path.stem)
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        what = f"{path} is no file of maps"
        raise UsageError(what, "give the LABEL_maps.npz of a finding") from error


def _stored(arrays: Any, image: str) -> StoredMaps:
    names = [str(name) for name in arrays["names"]]
    members = [_member(arrays, number, name, image) for number, name in enumerate(names)]
    return StoredMaps(str(arrays["unit"]), tuple(members))


def _member(arrays: Any, number: int, name: str, image: str) -> EnsembleMember:
    sizes, affine = arrays[f"sizes_{number}"].tolist(), arrays[f"affine_{number}"].tolist()
    geometry = Geometry(*(tuple(side) for side in (*sizes, *affine)))
    weight, map_weight, divisor = arrays[f"weights_{number}"].tolist()
    raw = torch.from_numpy(arrays[f"cells_{number}"])
    relu = bool(arrays[f"relu_{number}"])
    scan = Scan(torch.zeros(1, *geometry.model), None, geometry, image)
    part = Explanation(raw, float("nan"), None, "", "", "", relu, scan)
    heat = float(raw.abs().sum()) * divisor
    return EnsembleMember(name, weight, map_weight, part, divisor, heat, faint=False)
