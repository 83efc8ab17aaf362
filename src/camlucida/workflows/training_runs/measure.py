"""The numbers of a training run: how good its model is, and where the heat of its maps lies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from camlucida.analysis.cases.model_performance import evaluate_runs
from camlucida.core.errors import UsageError
from camlucida.core.messages import NAN
from camlucida.metrics.bootstrap import Sampling, difference_of_means
from camlucida.metrics.multiclass import OVERALL
from camlucida.metrics.statistics import mean_interval
from camlucida.runs import Run
from camlucida.workflows.training_runs.results import StoredEstimate, stored


def figures_of(run: Run) -> dict[str, StoredEstimate]:
    """Accuracy, quadratic kappa, balanced accuracy, macro-F1, and ``recall:CLASS`` of each class.

    Empty without known truth.
    """
    try:
        figures = evaluate_runs([run]).figures
    except UsageError:
        return {}
    wanted = figures["metric"].isin([*OVERALL, "recall"])
    estimates = {}
    for row in figures[wanted & (figures["group"] == "")].to_dict("records"):
        name = f"{row['metric']}:{row['label']}" if row["label"] else str(row["metric"])
        estimates[name] = stored(
            row["estimate"], row["low"], row["high"], row["chance"], int(row["n"])
        )
    return estimates


def share_of(heat: pd.DataFrame, patients: pd.Series, region: str) -> StoredEstimate:
    """Mean share of heat in a place, beside the place's mean area.

    Args:
        heat: columns ``PLACE_share`` and ``PLACE_area``, one row a map.
        patients: of each map.
        place: ``artefact`` or ``text``.
    """
    share = heat[f"{region}_share"].to_numpy(np.float64)
    measured = np.isfinite(share)
    mean = mean_interval(share, patients.tolist())
    area = heat[f"{region}_area"].to_numpy(np.float64)[measured]
    level = float(area.mean()) if measured.any() else NAN
    return stored(mean.estimate, mean.low, mean.high, level, mean.rows)


def lift_of(heat: pd.DataFrame, patients: pd.Series, region: str) -> StoredEstimate:
    """Mean of share − area; arguments as in :func:`share_of`."""
    lift = (heat[f"{region}_share"] - heat[f"{region}_area"]).to_numpy(np.float64)
    mean = mean_interval(lift, patients.tolist())
    return stored(mean.estimate, mean.low, mean.high, 0.0, mean.rows)


def spread_of(
    cases: pd.DataFrame, heat: pd.DataFrame, classes: tuple[str, ...]
) -> dict[str, StoredEstimate]:
    """Mean spread of the maps of each true class that has a map with heat.

    Args:
        cases: one row a map.
        heat: same index, with the column ``spread``.
        classes: in their order.
    """
    spread = heat["spread"].to_numpy(np.float64)
    estimates = {}
    for name in classes:
        of_class = (cases["true_class"] == name).to_numpy()
        mean = mean_interval(spread[of_class], cases["patient"][of_class].tolist())
        if mean.rows:
            estimates[name] = stored(mean.estimate, mean.low, mean.high, n=mean.rows)
    return estimates


def contrast_of(cases: pd.DataFrame, heat: pd.DataFrame, first: str, last: str) -> StoredEstimate:
    """Mean spread of the last class minus that of the first.

    Empty where one of them has no map with heat.

    Args:
        cases, heat: as in :func:`spread_of`.
        first, last: classes.
    """
    spread = heat["spread"].to_numpy(np.float64)
    sides = [(cases["true_class"] == name).to_numpy() for name in (last, first)]
    if not all((side & np.isfinite(spread)).any() for side in sides):
        return StoredEstimate()
    difference = difference_of_means(spread, sides, cases["patient"].tolist(), Sampling())
    return stored(difference.estimate, difference.low, difference.high, n=difference.rows)
