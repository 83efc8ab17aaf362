"""Lead letters on the film: a marker is no finding, but a model can learn it in place of one."""

from __future__ import annotations

import numpy as np
from PIL import Image

from camlucida.core.errors import UsageError
from camlucida.phantom.anatomy import FIELD_CM, Array

# 5 × 7 letters, one number a row, the highest bit on the left. They are drawn here so that no font
# library can change a film.
GLYPHS = {
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "D": (30, 17, 17, 17, 17, 17, 30),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "M": (17, 27, 21, 21, 17, 17, 17),
    "N": (17, 25, 21, 19, 17, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "P": (30, 17, 17, 30, 16, 16, 16),
    "R": (30, 17, 17, 30, 20, 18, 17),
    "S": (15, 16, 16, 14, 1, 1, 30),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14),
    "X": (17, 17, 10, 4, 10, 17, 17),
}
LETTER_CM = 2.5
"""Height of a letter on the film."""


def bitmap(text: str) -> Array:
    """The text in 5 × 7 letters, one blank column between them: (7, 6·n − 1), 1 on a letter.

    Raises:
        UsageError: a letter without a shape in GLYPHS, or no text.

    >>> bitmap("LI").shape
    (7, 11)
    """
    unknown = sorted(set(text) - set(GLYPHS))
    if unknown or not text:
        raise UsageError(
            f"marker {text!r}: no shape for {', '.join(unknown) or 'an empty text'}",
            f"use letters of {''.join(GLYPHS)}",
        )
    rows = np.zeros((7, 6 * len(text) - 1), np.float32)
    for i, letter in enumerate(text):
        numbers = np.array(GLYPHS[letter])[:, None]
        shifts = np.arange(4, -1, -1)
        bits = numbers >> shifts & 1
        start = 6 * i
        rows[:, start : start + 5] = bits
    return rows


def marker_field(text: str, rng: np.random.Generator, size: int) -> Array:
    """Share of each pixel under lead, (size, size) in [0, 1].

    The letters are near an upper corner: R on the patient's right, L on the left, others on either.
    """
    letters = bitmap(text)
    corner, jitter_x, jitter_y = rng.uniform(size=3)
    left = text == "R" or (text != "L" and corner < 0.5)
    per_cm = size / FIELD_CM
    height = max(7, round(LETTER_CM * per_cm))
    width = round(height * letters.shape[1] / 7)
    smooth = Image.fromarray(letters).resize((width, height), Image.Resampling.BICUBIC)
    # Bold, as thin lead would drown in the blur.
    drawn = np.clip(1.8 * np.asarray(smooth, dtype=np.float32), 0, 1)
    from_side = round((0.8 + 1.6 * jitter_x) * per_cm)
    y = round((0.8 + 2.0 * jitter_y) * per_cm)
    x = from_side if left else size - width - from_side
    field = np.zeros((size, size), np.float32)
    # A long text on a small film is cut at the edge, as on a real one.
    part = drawn[: size - y, max(0, -x) : size - x]
    height, width = part.shape
    start = max(0, x)
    field[y : y + height, start : start + width] = part
    return field
