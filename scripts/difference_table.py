"""How far maps are from those of the peers: what benchmarks/differences.py measured, as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "differences.json"


def difference_head() -> tuple[str, ...]:
    """Method, peer, and the two layers."""
    layers = _results()["layers"]
    places = (f"{place} layer, `{layer}`" for place, layer in layers.items())
    return ("method", "package", *places)


def difference_rows() -> list[tuple[str, ...]]:
    """A row a method and peer: correlation and largest difference at both layers."""
    results = _results()
    rows = []
    for method, peers in results["differences"].items():
        for peer, places in peers.items():
            package = f"{peer} {results['packages'][peer]}"
            cells = _cells(places, list(results["layers"]))
            rows.append((f"[`{method}`](#{method})", package, *cells))
    return rows


def _cells(places: dict[str, Any], layers: list[str]) -> list[str]:
    if "relu" in places:
        return [f"{_cell(places['relu'])} (on a DenseNet)", "not measured"]
    if "tokens" in places:
        return [f"{_cell(places['tokens'])} (on a transformer)", "does not depend on a layer"]
    if "input" in places:
        return [_cell(places["input"]), "does not depend on a layer"]
    return [_cell(places[place]) if place in places else "not measured" for place in layers]


def _results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text("utf-8"))


def _cell(row: dict[str, float | None]) -> str:
    if row["correlation"] is None:
        return "one of the maps is 0 everywhere"
    largest = f"{row['largest']:.1e}" if row["largest"] else "0"
    return f"{row['correlation']:.4f}; {largest}".replace("-", "−")
