"""The README's table of speed, of what benchmarks/speed.py measured."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "speed.json"
NETWORKS = RESULTS.with_name("networks.json")
CONTESTANTS = {
    "camlucida": "camlucida",
    "grad-cam": "grad-cam 1.5.7",
    "torchcam": "torchcam 0.5.0",
    "Captum": "Captum 0.9.0",
}
SHOWN = {
    "gradcam": "Grad-CAM",
    "gradcam, 18 labels": "Grad-CAM of 18 labels",
    "all gradient methods": "all gradient methods (7; torchcam has 4)",
    "eigencam": "Eigen-CAM",
    "ablationcam": "Ablation-CAM",
    "scorecam": "Score-CAM",
    "attention_rollout": "attention rollout",
    "gradient_rollout": "gradient-weighted rollout",
    "legrad": "LeGrad",
}
"""Of the methods that were measured, those that the README shows."""
OF_EIGHT = ("gradcam", "gradcam, 18 labels")
"""Those of eight images."""


def speed_rows() -> list[tuple[str, ...]]:
    """A row a case: what was measured, then each package's time and memory."""
    results = json.loads(RESULTS.read_text("utf-8"))["results"]
    rows = []
    for key, contestants in results.items():
        network, batch, case = key.split(" | ")
        if contestants and case in (SHOWN if batch == "1" else OF_EIGHT):
            title = f"{network}, {batch} {'image' if batch == '1' else 'images'}, {SHOWN[case]}"
            cells = [_cell(contestants.get(name)) for name in CONTESTANTS]
            rows.append((title, *cells))
    return [*rows, *_of_many_networks()]


def _of_many_networks() -> list[tuple[str, ...]]:
    """A row for one label, and one for many: the median of all networks, and the extremes."""
    results = json.loads(NETWORKS.read_text("utf-8"))
    rows = []
    for labels, method in (("1 label", "gradcam"), ("18 labels", "gradcam, 18 labels")):
        ratios = [row[labels]["ratio"] for row in results.values()]
        title = f"{len(ratios)} networks of timm, 1 image, {SHOWN[method]}: median (range)"
        cell = f"{statistics.median(ratios):.2f} × ({min(ratios):.2f}–{max(ratios):.2f})"
        rows.append((title, cell, *["–"] * (len(CONTESTANTS) - 1)))
    return rows


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    if "more_than" in row:
        return f"> {row['more_than']:,} ×"
    ratio = f"{row['ratio']:.2f}" if row["ratio"] < 10 else f"{row['ratio']:,.0f}"
    mark = "" if "processor" in row else " ¹"
    memory = f", {row['extra_mib']:+.0f} MiB".replace("-", "−") if "extra_mib" in row else ""
    return f"{ratio} ×{mark}{memory}"
