"""Grey pictures that differ: a body, and a bright lesion whose size and position follow a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Lesion:
    """An ellipse in pixels: centre and half axes."""

    row: float
    column: float
    height: float
    width: float

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width and height."""
        x, y = int(self.column - self.width), int(self.row - self.height)
        return x, y, int(2 * self.width), int(2 * self.height)

    def polygon(self, corners: int = 16) -> list[float]:
        """x, y, x, y, … along its edge."""
        angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        x = self.column + self.width * np.cos(angles)
        y = self.row + self.height * np.sin(angles)
        return np.stack([x, y], 1).round(2).ravel().tolist()


def draw(seed: int, size: tuple[int, int] = (80, 96)) -> tuple[np.ndarray, Lesion]:
    """Pixels (H, W), float 0–1, and the lesion."""
    random = np.random.default_rng(seed)
    height, width = size
    lesion = Lesion(
        row=float(random.uniform(0.3, 0.7) * height),
        column=float(random.uniform(0.3, 0.7) * width),
        height=float(random.uniform(0.06, 0.16) * height),
        width=float(random.uniform(0.06, 0.16) * width),
    )
    body = Lesion(height / 2, width / 2, 0.45 * height, 0.42 * width)
    tissue = 0.25 + 0.25 * random.random()
    picture = tissue * inside(body, size) + (0.95 - tissue) * inside(lesion, size)
    return (picture + 0.05 * random.random(size)).clip(0, 1), lesion


def inside(ellipse: Lesion, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    down = (rows - ellipse.row) / ellipse.height
    right = (columns - ellipse.column) / ellipse.width
    return down**2 + right**2 <= 1


def save_grey(path: Path, picture: np.ndarray, **options: object) -> Path:
    """An 8-bit file of a picture in 0–1; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture * 255).round().astype(np.uint8)).save(path, **options)
    return path
