"""How near scorecam:fast comes to Score-CAM: what benchmarks/predicted_scores.py measured."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parents[1] / "benchmarks" / "predicted_scores.json"
PREDICTED_HEAD = (
    *("model", "images", "median correlation", "lowest", "below 0.95"),
    *("largest estimate above it", "largest estimate below it"),
)


def predicted_rows() -> list[tuple[str, ...]]:
    """A row a model: correlations with the exact map, and how far the estimates are from them."""
    rows = []
    for model, images in json.loads(RESULTS.read_text("utf-8")).items():
        pairs = [(each["correlation"], each["estimated"]) for each in images.values()]
        pairs = [pair for pair in pairs if pair[0] is not None]
        exact = [correlation for correlation, _ in pairs]
        errors = [estimated - correlation for correlation, estimated in pairs]
        below = sum(correlation < 0.95 for correlation in exact)
        numbers = (median(exact), min(exact))
        gaps = (max(0.0, max(errors)), max(0.0, -min(errors)))
        cells = [f"{number:.3f}".replace("-", "−") for number in (*numbers, *gaps)]
        rows.append((f"`{model}`", str(len(exact)), *cells[:2], str(below), *cells[2:]))
    return rows
