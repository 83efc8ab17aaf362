"""Simulate the sanity check's verdicts: prints the table of docs/what-a-map-can-say.md.

Maps of 7 × 7 cells: smooth noise, of which a share is common to all (this sets the null).
One image a patient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camlucida.metrics.sanity_gate import MARGIN, VERDICTS, bounds

Floats = NDArray[np.float64]
SIDE, SEEDS, RUNS = 7, 3, 400
PATIENTS = (8, 16, 64)
NULLS = (0.0, 0.15, 0.4, 0.7)
KINDS = ("independent", "at the margin", "half kept", "negated")


def noise(rng: np.random.Generator, *shape: int) -> Floats:
    """Smooth maps (…, 49) with mean 0 and norm 1."""
    places = np.arange(SIDE)
    kernel = np.exp(-((places[:, None] - places[None]) ** 2) / (2 * 0.7**2))
    maps = kernel @ rng.normal(size=(*shape, SIDE, SIDE)) @ kernel
    return unit(maps.reshape(*shape, SIDE * SIDE))


def unit(maps: Floats) -> Floats:
    """Centred and scaled, so that inner products are Pearson correlations."""
    centred = maps - maps.mean(-1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=-1, keepdims=True))


def shares(kind: str, patients: int, null: float, runs: int = RUNS, seed: int = 0) -> Floats:
    """Share of each of ``VERDICTS`` over simulated evaluations, and the mean null."""
    rng = np.random.default_rng(seed)
    common = noise(rng, runs, 1)
    trained = _with_common(common, noise(rng, runs, patients), null)
    pairs = np.abs(trained @ trained.swapaxes(-1, -2))
    draws = noise(rng, SEEDS, runs, patients)
    after = np.mean([_similarity(kind, trained, common, draw, null) for draw in draws], 0)
    pairs *= 1 - np.eye(patients)
    if kind == "at the margin":
        # Shifted so that its expectation lies exactly on the margin.
        mean_null = pairs.sum() / (runs * patients * (patients - 1))
        after += mean_null + MARGIN * (1 - mean_null) - after.mean()
    verdicts = bounds(after, pairs).verdicts()
    return np.array([(verdicts == index).mean() for index in range(len(VERDICTS))])


def _with_common(common: Floats, alone: Floats, null: float) -> Floats:
    return unit(np.sqrt(null) * common + np.sqrt(1 - null) * alone)


def _similarity(kind: str, trained: Floats, common: Floats, draw: Floats, null: float) -> Floats:
    new = _with_common(common, draw, null)
    if kind == "half kept":
        new = unit(trained + new)
    elif kind == "negated":
        new = -trained
    return np.asarray(np.abs((trained * new).sum(-1)))


def table() -> str:
    """The simulation as a Markdown table: depends / unclear / unchanged, in per cent."""
    lines = [
        "| null | patients | " + " | ".join(KINDS) + " |",
        "|---|---|" + "---|" * len(KINDS),
    ]
    for null in NULLS:
        for patients in PATIENTS:
            cells = [_cell(shares(kind, patients, null)) for kind in KINDS]
            lines.append(f"| {null:g} | {patients} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(parts: Floats) -> str:
    return " / ".join(f"{100 * part:.0f}" for part in parts)


if __name__ == "__main__":
    print(table())
