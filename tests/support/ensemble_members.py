"""Explanations whose maps are written out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.core.scan import Scan


def made(
    raw: Sequence[Sequence[float]],
    size: tuple[int, int] = (8, 8),
    probability: float | None = 0.5,
    unit: str = "logit",
    geometry: Geometry | None = None,
    relu: bool = True,
) -> Explanation:
    """A map over a grey film of ``size``; all of it is seen, unless a geometry is given."""
    cells = torch.tensor(raw, dtype=torch.float32)
    geometry = geometry or Geometry.identity(size)
    display = np.full(geometry.original, 90, np.uint8)
    has_heat = bool((cells.relu() if relu else cells).any())
    empty = None if has_heat else Message("empty.members")
    scan = Scan(torch.zeros(1, *geometry.model), display, geometry, "film", synthetic=True)
    return Explanation(
        cells, 1.0, probability, "Nodule", "gradcam", "features", relu, scan, empty, {"unit": unit}
    )
