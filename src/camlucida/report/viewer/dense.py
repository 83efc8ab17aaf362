"""Maps in pixels of the film, such as a mean of several models' maps, for the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan

LEAST, MOST = 32, 128
"""Cells on the longer side: a page holds several such maps of each film."""

FINER = 4
"""Cells within one of the layer's: maps are linear between those, so that nothing is lost."""


def dense_map(values: NDArray[np.floating], about: Explanation, grid: Sequence[int]) -> Explanation:
    """An array in pixels of the film as a map of the viewer, averaged over cells of equal size.

    Args:
        values: (H, W) signed; NaN, where nothing is known, becomes 0.
        about: whose target, method, layer, film and unit it has.
        grid: of the finest map that it was made of.

    Returns:
        Without a score, which a difference or a deviation has not.

    >>> from camlucida.attribution.explanation import _example
    >>> dense_map(np.eye(64), _example(), (7, 7)).grid
    (32, 32)
    """
    pixels = torch.from_numpy(np.nan_to_num(values).astype(np.float32))
    side = min(max(FINER * max(grid), LEAST), MOST)
    shrunk = min(1.0, side / max(pixels.shape))
    cells = (max(1, round(pixels.shape[0] * shrunk)), max(1, round(pixels.shape[1] * shrunk)))
    raw = torch.nn.functional.adaptive_avg_pool2d(pixels[None], cells)[0]
    geometry = Geometry.identity(tuple(pixels.shape)).resize(cells)
    scan = replace(about.scan, geometry=geometry)
    return replace(
        about,
        raw=raw,
        score=float("nan"),
        probability=None,
        relu=False,
        scan=scan,
        provenance={**about.provenance, "score_kind": ""},  # its cells are no parts of a score
        empty_reason=None if raw.any() else about.empty_reason,
        detection=None,
    )


def with_film(explanation: Explanation, film: Scan) -> Explanation:
    """The explanation with a film that many maps share; where its own map lies stays.

    Args:
        explanation: of the film.
        film: as it was read once.
    """
    return replace(explanation, scan=replace(film, geometry=explanation.scan.geometry))
