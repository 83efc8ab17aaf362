"""The values of a file behind the samples of its film; read without a network's library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FilmUnits:
    """The values of a file that the samples of its film stand for: first + step × sample.

    Attributes:
        first: value of sample 0.
        step: from one sample to the next; below 0 where the lowest value is white.
        name: of the unit ("HU", "%"); "" where the file names none.
        linear: whether level and width are those of DICOM's window function LINEAR: black is
            level − width / 2, white is level + width / 2 − 1.
    """

    first: float
    step: float
    name: str = ""
    linear: bool = False
