"""Write what the viewer (``web-ui/viewer``) has from Python: colours, words and golden vectors.

    python scripts/viewer_tables.py

A test fails while a file differs from what this would write.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

from camlucida.analysis.ensemble.combine import combine
from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.regions import binary_mask, boxes
from camlucida.core.scan import Scan
from camlucida.core.tensors import resize
from camlucida.figures.colours import (
    DEFAULT_COLORMAP,
    FADE,
    LEVELS,
    STEPS,
    mix,
    opacity_table,
    overlay_colours,
)
from camlucida.figures.contours import half_maximum, peak
from camlucida.report.viewer.data import geometry_data, map_data
from camlucida.report.viewer.encode import encode_floats, encode_samples
from camlucida.report.viewer.palettes import DIVERGING, PALETTES
from camlucida.report.viewer.words import viewer_words

WEB_UI = Path(__file__).parents[1] / "web-ui"
OPACITIES = 10
"""Full opacities of the table: 0.1, 0.2 … 1."""

HEAD = "// Written by scripts/viewer_tables.py.\n\n"


def main() -> None:
    """Write all files."""
    generated = WEB_UI / "viewer" / "generated"
    (generated / "tables.ts").write_text(tables(), "utf-8")
    (generated / "words.ts").write_text(words(), "utf-8")
    (WEB_UI / "tests" / "golden.json").write_text(json.dumps(golden()) + "\n", "utf-8")


def tables() -> str:
    """The colour maps: 256 colours, and opacities, as base64 of bytes."""
    entries = {name: palette(name) for name in PALETTES}
    return (
        f"{HEAD}export const LEVELS = {LEVELS};\n"
        f"export const OPACITY_STEPS = {STEPS};\n\n"
        "export const PALETTES: Readonly<\n"
        "  Record<string, { diverging: boolean; colours: string; opacity: string; fade: number }>\n"
        f"> = {json.dumps(entries, indent=2)};\n"
    )


def palette(name: str) -> dict[str, Any]:
    """One colour map."""
    opacity = [opacity_steps(name, (step + 1) / OPACITIES) for step in range(OPACITIES)]
    return {
        "diverging": name in DIVERGING,
        "colours": text(np.rint(255 * palette_colours(name))),
        "opacity": text(np.array(opacity)),
        # The power by which the map alone fades into black, in the bar of the figures too.
        "fade": FADE if name == DEFAULT_COLORMAP else 0,
    }


def palette_colours(name: str) -> np.ndarray:
    """(256, 3) in [0, 1]: the middle of each of the 256 steps of heat."""
    heat = (np.arange(256) + 0.5) / 256
    signed = name in DIVERGING
    return overlay_colours(name, 2 * heat - 1 if signed else heat, signed)


def opacity_steps(name: str, alpha: float) -> np.ndarray:
    """(LEVELS,) the opacity as steps of 1/STEPS of the proportional one."""
    opacity, _ = opacity_table(name, alpha, name in DIVERGING)
    proportional = alpha * np.linspace(0, 1, LEVELS)
    share = np.divide(opacity, proportional, np.ones(LEVELS), where=proportional > 0)
    return np.rint(STEPS * share)


def text(numbers: np.ndarray) -> str:
    """Numbers from 0 to 255 as base64."""
    return base64.b64encode(numbers.astype(np.uint8).tobytes()).decode("ascii")


def words() -> str:
    """The English words of the viewer by the part of their code after ``viewer.``."""
    table = json.dumps(viewer_words(), indent=2, ensure_ascii=False)
    return f"{HEAD}export const WORDS = {table} as const;\n"


def golden() -> dict[str, Any]:
    """What Python computes, for the same in TypeScript."""
    return {
        "films": [film_case(*shape) for shape in ((5, 7), (6, 5, 3), (4, 9, 16))],
        "maps": [map_case(*case) for case in map_cases()],
        "ensemble": ensemble_case(),
        "colours": [colour_case(name, alpha) for name in PALETTES for alpha in (0.6, 1.0)],
    }


def film_case(height: int, width: int, last: int = 1) -> dict[str, Any]:
    """Random samples and their text; a last number of 3 for colours, of 16 for bits."""
    rng = np.random.default_rng(height)
    kind = np.uint16 if last == 16 else np.uint8
    shape = (height, width, 3) if last == 3 else (height, width)
    samples = rng.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    samples[0, :3] = np.iinfo(kind).max  # differences that wrap
    channels = 3 if last == 3 else 1
    about = {"width": width, "height": height, "channels": channels, "bits": 8 * kind().itemsize}
    return {**about, "data": encode_samples(samples), "samples": samples.reshape(-1).tolist()}


def map_cases() -> Sequence[tuple[Geometry, tuple[int, int], bool]]:
    """Plain, cropped and flipped, padded: with grids and whether the map ends with a ReLU."""
    plain = Geometry.identity((60, 48)).resize((32, 32))
    cropped = Geometry.identity((50, 70)).crop((0, 10), (50, 50)).resize((28, 28)).flip(1)
    padded = Geometry.identity((40, 30)).pad((0, 5), (0, 5)).resize((64, 64))
    coarse = Geometry.identity((1100, 700)).resize((224, 224))
    return (
        (plain, (7, 7), True),
        (cropped, (5, 6), False),
        (padded, (4, 4), True),
        (coarse, (7, 7), True),
    )


def map_case(geometry: Geometry, grid: tuple[int, int], relu: bool) -> dict[str, Any]:
    """A random map on the film, its contour, its peak and its boxes."""
    rng = np.random.default_rng(sum(grid) + geometry.original[0])
    raw = torch.tensor(rng.normal(0.2, 1, grid), dtype=torch.float32)
    cells = raw.relu() if relu else raw
    values = geometry.map_to_original(resize(cells[None], geometry.model))[0].numpy()
    step = 1 + values.size // 2000
    samples = values.reshape(-1)[::step]
    lines = [line.round(4).tolist() for line in half_maximum(values)]
    parts = boxes(binary_mask(values, 0.4), values)
    return {
        "grid": list(grid),
        "values": encode_floats(raw.numpy()),
        "relu": relu,
        "geometry": geometry_data(geometry),
        "size": list(geometry.original),
        "step": step,
        "samples": encode_floats(samples),
        "lines": lines if values.size < 10_000 else [],
        "points": sum(map(len, lines)),
        "peak": [float(values.max()), *peak(values)],
        "boxes": [[b.x, b.y, b.width, b.height, b.area, b.peak, b.mean] for b in parts],
    }


def ensemble_case() -> dict[str, Any]:
    """Three models' maps of one film, their weighted mean and their disagreement.

    One model sees a part of the film, one has a signed map, and one a faint map.
    """
    size = (46, 60)
    whole = Geometry.identity(size)
    geometries = (
        whole.resize((32, 32)),
        whole.crop((0, 14), (46, 46)).resize((28, 28)).flip(1),
        whole.pad((7, 0), (7, 0)).resize((40, 40)),
    )
    rng = np.random.default_rng(5)
    film = np.zeros(size, np.uint8)
    maps = []
    for number, (geometry, share) in enumerate(zip(geometries, (1.0, 1.0, 0.001))):
        raw = torch.tensor(share * rng.normal(0.3, 1, (7, 7)), dtype=torch.float32)
        scan = Scan(torch.zeros(1, *geometry.model), film, geometry, "film")
        about = {"score_kind": "logit", "unit": "logit"}
        made = (raw, 2.0, 0.8, "nodule", "gradcam", "features", number != 1, scan)
        maps.append(Explanation(*made, provenance=about))
    weights = {"0": 1.0, "1": 0.5, "2": 2.0}
    named = {str(number): explanation for number, explanation in enumerate(maps)}
    ensemble = combine(named, weights, "share", "equal")
    return {
        "size": list(size),
        "maps": [map_data(explanation, name) for name, explanation in named.items()],
        "weights": list(weights.values()),
        "mean": encode_floats(ensemble.mean),
        # The browser draws 0 where fewer than two models saw the film.
        "spread": encode_floats(np.nan_to_num(ensemble.disagreement)),
    }


def colour_case(name: str, alpha: float) -> dict[str, Any]:
    """Overlays of heats on greys: 256 levels, row by row."""
    signed = name in DIVERGING
    # Not between two of the 256 colours, where single and double precision may differ.
    heat = (np.arange(0, 256, 15) + 0.4) / 256
    heat = np.concatenate([-heat[::-1], heat]) if signed else heat
    greys = np.array([0, 60, 128, 200, 255])
    base = np.repeat((greys[:, None] / 255)[..., None], 3, axis=2)
    base = np.broadcast_to(base, (len(greys), len(heat), 3))
    mixed = mix(base, np.broadcast_to(heat, (len(greys), len(heat))), name, alpha, signed)
    shape = {"name": name, "alpha": alpha, "greys": greys.tolist(), "heat": heat.tolist()}
    return {**shape, "levels": encode_floats(255 * mixed)}


if __name__ == "__main__":
    matplotlib.use("agg")
    main()
