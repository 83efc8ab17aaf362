"""The metrics put to the test: maps whose order of merit is known are scored, and a metric that orders them wrongly is dropped.

The ladder: α · oracle + (1 − α) · random for rising α must rise in all and never fall, beyond the interval of the paired
difference. The oracle is the truth's share of each cell, so its blurred twin must not score better. Shifted oracles are shown
beside, to tell how far off a map may be before it is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch import Tensor

from camlucida.attribution.explanation import Explanation
from camlucida.evaluation.maps.baselines import baseline_map
from camlucida.evaluation.maps.measure import Sample
from camlucida.evaluation.maps.summary import about, title
from camlucida.metrics.annotations import Floats
from camlucida.metrics.ceiling import area_average
from camlucida.metrics.statistics import REPLICATES, Interval, mean_interval

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHIFTS = (1, 2, 4)
"""Cells of the layer's grid, sideways."""
BLURS = (1.0, 2.0)
"""Standard deviations in cells of the layer's grid."""
ROUNDING = 1e-9
"""A step down by less than this share of the range of the ladder is none."""

BLEND, SHIFT, BLUR = (
    [f"{word} {value:g}" for value in values]
    for word, values in (("blend", ALPHAS), ("shift", SHIFTS), ("blur", BLURS))
)
ORACLE = BLEND[-1]
RUNGS = (*BLEND, *SHIFT, *BLUR)
META = (
    *(
        "metric",
        "output",
        "title",
        "family",
        "direction",
        *RUNGS,
        "rise",
        "rise_low",
        "rise_high",
        "worst_step",
        "worst_step_high",
    ),
    *(
        "monotone",
        "blur_gain",
        "blur_gain_low",
        "blur_gain_high",
        "blur_improves",
        "kept",
        "why",
        "patients",
        "maps",
    ),
)


def ladder(sample: Sample, explanation: Explanation) -> dict[str, Tensor]:
    """The maps of RUNGS for one label of one film, (*grid) each; none where the truth does not reach the grid.

    Oracle and random map are scaled to a maximum of 1 before they are blended.
    """
    truth = sample.masks.get(explanation.target)
    geometry, grid = sample.scan.geometry, explanation.grid
    cells = area_average(truth, grid, geometry) if truth is not None else np.zeros(grid)
    if not cells.any():
        return {}
    oracle = cells / cells.max()
    drawn = baseline_map("random", sample.scan.tensor, grid, geometry, sample.scan.id, None, None)
    random = np.zeros(grid) if drawn is None else drawn.double().numpy()
    random = random / max(random.max(), 1e-12)
    maps = [alpha * oracle + (1 - alpha) * random for alpha in ALPHAS]
    maps += [shifted(oracle, cells) for cells in SHIFTS] + [
        ndimage.gaussian_filter(oracle, sigma) for sigma in BLURS
    ]
    return {name: torch.from_numpy(np.asarray(heat)).float() for name, heat in zip(RUNGS, maps)}


def shifted(heat: Floats, cells: int) -> Floats:
    """The map moved sideways, away from the nearer edge so that as little as can be leaves it."""
    middle = float((heat.sum(0) * (np.arange(heat.shape[1]) + 0.5)).sum() / heat.sum())
    way = cells if middle <= heat.shape[1] / 2 else -cells
    return np.asarray(ndimage.shift(heat, (0, way), order=0, mode="constant"))


def verdicts(rows: pd.DataFrame, replicates: int = REPLICATES) -> pd.DataFrame:
    """One line a metric with a direction and score, columns META.

    Args:
        rows: of an evaluation whose methods are RUNGS; what is not among them is left out.
        replicates: of the intervals.

    ``worst_step`` is the largest loss from one α to the next, in the metric's own unit, 0 where none; ``worst_step_high`` is the
    upper end of its interval. ``blur_gain`` is that of the better blur over the oracle. Signs: a gain in the metric's direction
    is positive. A metric rises, falls or is improved by blur where the whole interval says so (with too few patients for an
    interval: the estimate itself).
    """
    chosen = rows[rows["method"].isin(RUNGS)]
    lines = [
        line
        for (name, output), part in chosen.groupby(["metric", "output"], sort=False)
        for line in _verdict(str(name), str(output), part, replicates)
    ]
    return pd.DataFrame(lines, columns=list(META))


def kept(meta: pd.DataFrame) -> set[tuple[str, str]]:
    """(metric, output) that passed."""
    passed = meta[meta["kept"].astype(bool)]
    return set(zip(passed["metric"], passed["output"]))


def _verdict(
    name: str, output: str, part: pd.DataFrame, replicates: int
) -> Iterator[dict[str, object]]:
    known = about(name)
    if known.direction == "none":
        return
    table = part.pivot_table(
        index=["patient", "image", "label"],
        columns="method",
        values="value",
        dropna=False,
        observed=True,
    )
    table = table.reindex(columns=list(RUNGS)).dropna()
    if table.empty:
        return
    good = table if known.direction == "higher" else -table
    patients = [str(patient) for patient, *_ in table.index]

    def gain(better: str, worse: str) -> Interval:
        return mean_interval(good[better] - good[worse], patients, replicates=replicates)

    rise = gain(ORACLE, BLEND[0])
    steps = [gain(later, earlier) for earlier, later in pairwise(BLEND)]
    worst = min(steps, key=lambda step: step.estimate)
    means = table.mean()
    slack = ROUNDING * float(means[BLEND].max() - means[BLEND].min())
    falls = any(_surely(step.high, step.estimate) < -slack for step in steps)
    rises = _surely(rise.low, rise.estimate) > slack
    monotone = rises and not falls
    blur = max((gain(rung, ORACLE) for rung in BLUR), key=lambda found: found.estimate)
    improves = _surely(blur.low, blur.estimate) > 0
    reasons = {
        "scores worse from one α to a larger one": falls,
        "does not rise with α": not rises,
        "is improved by blur": improves,
    }
    why = [reason for reason, holds in reasons.items() if holds]
    yield {
        **{
            "metric": name,
            "output": output,
            "title": title(name, output),
            "family": known.family,
            "direction": known.direction,
        },
        **{rung: float(means[rung]) for rung in RUNGS},
        **{"rise": rise.estimate, "rise_low": rise.low, "rise_high": rise.high},
        **{
            "worst_step": min(worst.estimate, 0.0),
            "worst_step_high": worst.high,
            "monotone": monotone,
        },
        **{
            "blur_gain": blur.estimate,
            "blur_gain_low": blur.low,
            "blur_gain_high": blur.high,
            "blur_improves": improves,
        },
        **{
            "kept": monotone and not improves,
            "why": "; ".join(why),
            "patients": rise.patients,
            "maps": len(table),
        },
    }


def _surely(bound: float, estimate: float) -> float:
    """The end of the interval that decides; with too few patients for one, the estimate itself."""
    return bound if np.isfinite(bound) else estimate
