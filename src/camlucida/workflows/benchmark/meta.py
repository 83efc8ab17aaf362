"""The meta-evaluation: metrics are tested on maps whose order of merit is known.

The ladder: α · oracle + (1 − α) · random for rising α. A metric is dropped if its score worsens
from one α to a larger one, if it does not improve from 0 to 1, or if a blurred oracle scores better
than the oracle, which is the share of ground truth in each cell. A change counts where the whole
interval of the paired difference is on its side; with too few patients for an interval, where the
estimate is. Shifted oracles are shown beside, to show how large a shift is noticed.
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
from camlucida.core.messages import Message, chain
from camlucida.evaluation.maps.baselines import baseline_map
from camlucida.evaluation.maps.measure import Sample
from camlucida.evaluation.maps.summary import about, title
from camlucida.metrics.annotations import Floats
from camlucida.metrics.base import Failure
from camlucida.metrics.bootstrap import REPLICATES
from camlucida.metrics.ceiling import area_average
from camlucida.metrics.intervals import Interval
from camlucida.metrics.statistics import mean_interval

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHIFTS = (1, 2, 4)
"""Cells of the layer's grid, sideways."""
BLURS = (1.0, 2.0)
"""Standard deviations in cells of the layer's grid."""
ROUNDING = 1e-9
"""A step down by less than this share of the range of the ladder is none."""

BLEND = [f"blend {alpha:g}" for alpha in ALPHAS]
SHIFT = [f"shift {cells:g}" for cells in SHIFTS]
BLUR = [f"blur {sigma:g}" for sigma in BLURS]
ORACLE = BLEND[-1]
RUNGS = (*BLEND, *SHIFT, *BLUR)
META = (
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
    "monotone",
    "blur_gain",
    "blur_gain_low",
    "blur_gain_high",
    "blur_improves",
    "kept",
    "why",
    "patients",
    "maps",
)
"""Columns of :func:`verdicts`."""


def ladder_maps(sample: Sample, explanation: Explanation) -> dict[str, Tensor]:
    """The maps of RUNGS for one label of one film, (*grid) each.

    None where the ground truth does not reach the grid.

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
    maps += [shifted(oracle, cells) for cells in SHIFTS]
    maps += [ndimage.gaussian_filter(oracle, sigma) for sigma in BLURS]
    return {name: torch.from_numpy(np.asarray(heat)).float() for name, heat in zip(RUNGS, maps)}


def shifted(heat: Floats, cells: int) -> Floats:
    """The map moved sideways, away from the nearer edge so that little leaves the grid.

    >>> shifted(np.array([[1.0, 0.0, 0.0, 0.0]]), 1).tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    columns = np.arange(heat.shape[1]) + 0.5
    centre = float((heat.sum(0) * columns).sum() / heat.sum())
    offset = cells if centre <= heat.shape[1] / 2 else -cells
    return np.asarray(ndimage.shift(heat, (0, offset), order=0, mode="constant"))


def verdicts(rows: pd.DataFrame, replicates: int = REPLICATES) -> pd.DataFrame:
    """One line for each metric with a direction and each model output, columns META.

    ``worst_step`` is the largest loss from one α to the next, in the metric's own unit, 0 where
    there is none; ``worst_step_high`` is the upper end of its interval. ``blur_gain`` is that of
    the better blur over the oracle. A gain in the metric's direction is positive. A metric rises,
    falls or is improved by blur where the whole interval is on that side (with too few patients for
    an interval: where the estimate is).

    Args:
        rows: of an evaluation whose methods are RUNGS; other methods are left out.
        replicates: of the intervals.
    """
    chosen = rows[rows["method"].isin(RUNGS)]
    lines: list[dict[str, object]] = []
    for (metric, output), part in chosen.groupby(["metric", "output"], sort=False):
        if about(str(metric)).direction != "none":
            lines += _verdict(str(metric), str(output), part, replicates)
    return pd.DataFrame(lines, columns=list(META))


def kept(meta: pd.DataFrame) -> set[tuple[str, str]]:
    """(metric, output) that passed."""
    passed = meta[meta["kept"].astype(bool)]
    return set(zip(passed["metric"], passed["output"]))


def _verdict(
    metric: str, output: str, part: pd.DataFrame, replicates: int
) -> Iterator[dict[str, object]]:
    """The line of a metric; none without a film that has all rungs."""
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
    description = about(metric)
    merit = table if description.direction == "higher" else -table
    patients = [str(patient) for patient, *_ in table.index]

    def gain(better: str, worse: str) -> Interval:
        return mean_interval(merit[better] - merit[worse], patients, replicates=replicates)

    means = table.mean()
    slack = ROUNDING * float(means[BLEND].max() - means[BLEND].min())
    rise = gain(ORACLE, BLEND[0])
    steps = [gain(later, earlier) for earlier, later in pairwise(BLEND)]
    worst = min(steps, key=lambda step: step.estimate)
    blur = max((gain(rung, ORACLE) for rung in BLUR), key=lambda interval: interval.estimate)
    falls = any(_deciding(step.high, step.estimate) < -slack for step in steps)
    rises = _deciding(rise.low, rise.estimate) > slack
    improves = _deciding(blur.low, blur.estimate) > 0
    yield {
        "metric": metric,
        "output": output,
        "title": str(title(metric, output)),
        "family": description.family,
        "direction": description.direction,
        **{rung: float(means[rung]) for rung in RUNGS},
        "rise": rise.estimate,
        "rise_low": rise.low,
        "rise_high": rise.high,
        "worst_step": min(worst.estimate, 0.0),
        "worst_step_high": worst.high,
        "monotone": rises and not falls,
        "blur_gain": blur.estimate,
        "blur_gain_low": blur.low,
        "blur_gain_high": blur.high,
        "blur_improves": improves,
        "kept": rises and not falls and not improves,
        "why": _reasons(falls=falls, rises=rises, improves=improves),
        "patients": rise.patients,
        "maps": len(table),
    }


def _reasons(*, falls: bool, rises: bool, improves: bool) -> str:
    """Why a metric is dropped, as codes of :data:`camlucida.metrics.base.Failure`."""
    reasons: dict[Failure, bool] = {"falls": falls, "flat": not rises, "blur": improves}
    return ",".join(reason for reason, holds in reasons.items() if holds)


def reason_message(why: str) -> Message:
    """The codes of ``why`` as a message; of a metric that is kept, an empty one.

    >>> str(reason_message("falls,flat"))
    'a better map can score worse; the score does not improve with the map'
    """
    reasons = [Message(f"meta_evaluation.{reason}") for reason in why.split(",") if reason]
    return chain("words.clause", reasons) if reasons else Message("words.nothing")


def _deciding(bound: float, estimate: float) -> float:
    """The end of the interval that decides; with too few patients for one, the estimate itself."""
    return bound if np.isfinite(bound) else estimate
