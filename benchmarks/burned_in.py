"""How often names that are burned into films are found, and how often there is none to find.

    python benchmarks/burned_in.py FILM... [--names 600] [--seed 0]

First each film as it is: what is found there. Then names are written into films at random: in four
places, bright or dark, in several sizes. A name can be read where its grey differs from the median
below it by at least 0.2 of the film's range. Prints the share of names that are found as text.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from camlucida.io import expand_paths, read_image
from camlucida.metrics.burned_in import burned_in

NAMES = ("MEIER", "Schmidt, Anna", "DOE^JANE", "Li Na", "ID 0047113", "Max Huber 12.03.1950")
SIZES = (10, 14, 18, 24, 40)
"""Of the font, in thousandths of the shorter side: capitals are 0.7 of it."""

PLACES = ("top left", "bottom right", "mediastinum", "lung")

READABLE = 0.2


def picture(path: str) -> np.ndarray:
    """A film in 8 bits."""
    display = read_image(path).display
    grey = np.asarray(display, float).reshape(*display.shape[:2], -1).mean(axis=2)
    return np.uint8(255 * (grey - grey.min()) / max(np.ptp(grey), 1e-9))


def place(film: np.ndarray, width: int, height: int, where: str) -> tuple[int, int]:
    """Column and row of a name."""
    rows, columns = film.shape
    margin = round(0.02 * min(film.shape))
    return {
        "top left": (margin, margin),
        "bottom right": (max(0, columns - width - margin), rows - height - margin),
        "mediastinum": ((columns - width) // 2, rows // 3),
        "lung": (columns // 6, rows // 2),
    }[where]


def planted(film: np.ndarray, name: str, size: int, grey: int, where: str) -> tuple:
    """The film with a name, and the contrast of the name."""
    font = ImageFont.load_default(size * min(film.shape) / 1000)
    left, top, right, bottom = map(round, font.getbbox(name))
    column, row = place(film, right - left, bottom - top, where)
    below = film[row : row + bottom - top, column : column + right - left]
    with_name = Image.fromarray(film)
    ImageDraw.Draw(with_name).text((column - left, row - top), name, fill=grey, font=font)
    return np.asarray(with_name), abs(grey - float(np.median(below))) / 255


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", nargs="+")
    parser.add_argument("--names", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--upwards", action="store_true", help="names run upwards")
    options = parser.parse_args()
    paths, _ = expand_paths(options.films)
    films = [picture(path) for path in paths]
    began = time.process_time()
    plain = [burned_in(film) for film in films]
    spent = (time.process_time() - began) / len(films)
    for path, film, kind in zip(paths, films, plain):
        print(f"{path.name}: {'×'.join(map(str, film.shape))}: {kind or 'nothing'}")
    print(f"processor time: {1000 * spent:.0f} ms a film")
    without = [film for film, kind in zip(films, plain) if kind != "text"]
    chance = random.Random(options.seed)
    found: dict[tuple, list[bool]] = defaultdict(list)
    for _ in range(options.names):
        size, grey = chance.choice(SIZES), chance.choice((255, 0))
        name, where = chance.choice(NAMES), chance.choice(PLACES)
        film = chance.choice(without)
        turned = np.rot90(film, -1) if options.upwards else film
        drawn, contrast = planted(turned, name, size, grey, where)
        drawn = np.rot90(drawn) if options.upwards else drawn
        readable = "readable" if contrast >= READABLE else "unreadable"
        kind = burned_in(drawn)
        found[readable, size, "bright" if grey else "dark"].append(kind == "text")
        found[readable, "all", ""].append(kind == "text")
        found[readable, "all", "as text or marker"].append(kind != "")
    for key in sorted(found, key=str):
        hits = found[key]
        print(*key, f"{sum(hits)} of {len(hits)}")


if __name__ == "__main__":
    main()
