"""The scores of methods that benchmarks/methods.py measured, as cells of the table of methods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from camlucida.attribution.methods import Method
from camlucida.metrics import METRICS

RESULTS = Path(__file__).parents[1] / "benchmarks" / "methods.json"
NOT_MEASURED = "not measured"
TRANSFORMER = "transformer"
"""Key of what was measured on a transformer, where the methods of attention are."""


def score_cells(method: Method) -> tuple[str, str, str]:
    """Mean rank, IoU, and what exceeds chance on untrained models.

    Args:
        method: of the registry.
    """
    results = _results()
    of_attention = method.kind == "attention"
    scores = results[TRANSFORMER] if of_attention else results
    row = scores["methods"].get(method.name)
    if row is None:
        return NOT_MEASURED, NOT_MEASURED, method.sanity or NOT_MEASURED
    iou = row["iou_area_matched"]
    interval = f"[{iou['low']:.3f}, {iou['high']:.3f}]"
    rank = f"{row['rank']:.1f}"
    if of_attention:
        rank += f" of {scores['about']['ranked']}, transformer"
    return rank, f"{iou['estimate']:.3f} {interval}", _sanity(method, row)


def score_text() -> str:
    """What was measured, in a paragraph."""
    results = _results()
    about = results["about"]
    maps, models = about["maps"], about["models"]
    titles = ", ".join(METRICS[name].title for name in about["metrics"])
    return (
        f"Mean rank (of {about['ranked']} methods and baselines; 1 is the best) and IoU with its "
        "95% interval are\nmeasured by `benchmarks/methods.py` on synthetic films of the "
        f"[radiograph benchmark](benchmark.md): {maps['main']} pairs of a film and a label whose "
        f"evidence\n{len(models['main'])} trained models use, and {maps['untrained']} of "
        f"{len(models['untrained'])} models without training. Ranks are over measures of place and "
        f"label ({titles}).\nMaps of pixels are averaged over the layer's cells. "
        + _transformer_text(results[TRANSFORMER])
    )


def _transformer_text(scores: dict[str, Any]) -> str:
    about, row = scores["about"], scores["methods"]["gradcam"]
    iou = row["iou_area_matched"]
    return (
        "Methods of attention are measured on a small vision\ntransformer that was trained on the "
        f"same films ({about['maps']['main']} and {about['maps']['untrained']} pairs), and ranked "
        f"among the {about['ranked']} methods and baselines\nthat were measured on it, where "
        f"`gradcam` has rank {row['rank']:.1f} and an IoU of {iou['estimate']:.3f} "
        f"[{iou['low']:.3f}, {iou['high']:.3f}]."
    )


def _sanity(method: Method, row: dict[str, Any]) -> str:
    above = row["above_chance_untrained"]
    if above is None:
        measured = NOT_MEASURED
    elif "same_as" in row:
        measured = f"as `{row['same_as']}`"
    else:
        measured = ", ".join(METRICS[name].title for name in above) or "none"
    return f"{method.sanity}; {measured}" if method.sanity else measured


def _results() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return results
