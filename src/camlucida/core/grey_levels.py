"""All grey levels of a film. It is read without PyTorch, whose import takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlucida.core.film_units import FilmUnits


@dataclass(frozen=True)
class GreyLevels:
    """All grey levels of a film, for people who change level and width.

    Attributes:
        samples: (H, W) uint16, or uint8 of up to 8 bits, in original pixels.
        window: samples that are black and white in the display.
        units: what the file calls a sample; None: the sample itself.
    """

    samples: NDArray[np.uint8] | NDArray[np.uint16]
    window: tuple[float, float]
    units: FilmUnits | None = None
