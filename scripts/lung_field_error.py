"""How well the lung fields of synthetic radiographs are detected, and what is refused.

    python scripts/lung_field_error.py [FILMS]

Prints the line of :data:`camlucida.metrics.lung_fields.PHANTOM_ERROR`.
"""

from __future__ import annotations

import sys

import numpy as np

from camlucida.metrics.lung_fields import lung_fields
from camlucida.metrics.overlap import mask_overlap
from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.generator import film


def dice_of_films(films: int, first: int = 10_000) -> list[float | None]:
    """Dice of each film's detected and true lung fields; None where none are found.

    Args:
        films: their number; every sixth has no finding, the others one of each in turn.
        first: seed of the first film.
    """
    scores: list[float | None] = []
    for number in range(films):
        finding = ((), *((name,) for name in FINDINGS))[number % (len(FINDINGS) + 1)]
        drawn = film(first + number, finding)
        fields = lung_fields(drawn.image)
        if fields is None:
            scores.append(None)
        else:
            scores.append(mask_overlap(fields.right | fields.left, drawn.masks["lungs"]).dice)
    return scores


def main() -> None:
    """Print mean, fifth and 95th percentile, and the number of refused films."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    scores = dice_of_films(count)
    dice = [score for score in scores if score is not None]
    low, high = np.percentile(dice, [5, 95])
    print(f"{len(dice)} films: Dice {np.mean(dice):.3f} [{low:.3f}, {high:.3f}]")
    print(f"no lung fields found in {count - len(dice)} of {count}")


if __name__ == "__main__":
    main()
