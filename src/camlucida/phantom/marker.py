"""Lead letters on the film: a marker is no finding, but a model can learn it in place of one."""

from __future__ import annotations

import numpy as np
from PIL import Image

from camlucida.core.errors import UsageError
from camlucida.phantom.anatomy import FIELD_CM, Array

# 5 × 7 letters, one word a row, 1 where there is lead. They are drawn here so that no font library
# can change a film.
GLYPHS = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "U": "10001 10001 10001 10001 10001 10001 01110",
    "X": "10001 10001 01010 00100 01010 10001 10001",
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
        missing = ", ".join(unknown) or "an empty text"
        letters = "".join(GLYPHS)
        raise UsageError(f"marker {text!r}: no shape for {missing}", f"use letters of {letters}")
    rows = np.zeros((7, 6 * len(text) - 1), np.float32)
    for i, letter in enumerate(text):
        start = 6 * i
        end = start + 5
        for row, word in zip(rows, GLYPHS[letter].split(), strict=True):
            row[start:end] = [int(bit) for bit in word]
    return rows


def marker_field(text: str, rng: np.random.Generator, size: int) -> Array:
    """Share of each pixel under lead.

    The letters are near an upper corner: R on the patient's right, L on the left, others on either.

    Args:
        text: letters of GLYPHS.
        rng: draws the corner and the offset from it.
        size: side of the film, pixels.

    Returns:
        (size, size) float32 in [0, 1].

    Raises:
        UsageError: a letter without a shape, or no text.

    >>> marker_field("L", np.random.default_rng(0), 64).shape
    (64, 64)
    """
    letters = bitmap(text)
    corner, jitter_x, jitter_y = rng.uniform(size=3)
    left = text == "R" or (text != "L" and corner < 0.5)
    per_cm = size / FIELD_CM
    height = max(7, round(LETTER_CM * per_cm))
    width = round(height * letters.shape[1] / 7)
    coarse = Image.fromarray(letters)
    smooth = coarse.resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(smooth, dtype=np.float32)
    # Bold, as thin lead would drown in the blur.
    drawn = np.clip(1.8 * values, 0, 1)
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
