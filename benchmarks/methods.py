"""The score of every method on the radiograph benchmark's films, for the table of methods.

    python benchmarks/methods.py [--slowest] [--work FOLDER]

The films, models and proofs of `camlucida benchmark --quick`, and its metrics of place and label.
Maps of pixels are averaged over the layer's cells. Methods of attention, and those of layers for
comparison, are measured on a small vision transformer too. Written are, of the main models and of
the transformer, the mean rank among all methods and baselines, the IoU at the area-matched
threshold and the average precision; and the measures by which a method beats chance on models
without training. What is measured of a model is kept in FOLDER, so that a run that was stopped goes
on.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from camlucida.attribution.methods import EVERY, METHODS
from camlucida.core.provenance import versions
from camlucida.evaluation.maps.measure import MetricSettings
from camlucida.evaluation.maps.summary import over_all_labels, summarise
from camlucida.workflows.benchmark import arms
from camlucida.workflows.benchmark.custom_method import registered
from camlucida.workflows.benchmark.parts import Parts
from camlucida.workflows.benchmark.ranks import mean_ranks
from camlucida.workflows.benchmark.run import common_duplicates
from camlucida.workflows.benchmark.tables import above_chance

RESULTS = Path(__file__).parent / "methods.json"
IOU, PRECISION = "iou_area_matched", "average_precision"
METRICS = tuple(name for name in arms.SHORT if name != "road")
"""Of place, since ROAD of so many maps takes hours; and of the label."""
OF_PLACE = tuple(name for name in METRICS if name != "class_specificity")
"""Metrics that no map of a model without training should do well in: it cannot know the place."""
BASELINES = ("random", "center", "sobel", "intensity", "average_mask", "oracle")
SLOWEST = ("sscam", "iscam")
"""As costly as all others together; measured by a pass of their own."""
OF_TRANSFORMER = replace(arms.QUICK, main=60, null=24)
"""As many films as six models have, since there is one."""


def measured(
    work: Path,
    models: Sequence[arms.ArmModel],
    methods: Sequence[str],
    baselines: Sequence[str],
    size: arms.Size = arms.QUICK,
) -> list[arms.Scored]:
    """The measurements of trained and untrained models; each is kept in ``work``."""
    settings = MetricSettings(methods=methods, metrics=METRICS, baselines=baselines)
    request = {"settings": asdict(settings), "versions": versions(), "size": asdict(size)}
    parts = Parts.of(work, request)
    results = []
    for entry in sorted(models, key=lambda each: each.name[-1]):
        finished = parts.read(entry.name)
        if finished is None:
            start = time.process_time()
            finished = _scored(entry, settings, size), time.process_time() - start
            parts.write(entry.name, *finished)
        scored, seconds = finished
        print(f"{entry.name}: {len(scored.rows):,} rows, {seconds:.0f} s", flush=True)
        results.append(scored)
    return results


def _scored(entry: arms.ArmModel, settings: MetricSettings, size: arms.Size) -> arms.Scored:
    if entry.arm == arms.UNTRAINED:
        return arms.run_null(entry, size.null, settings.seed, settings)
    films = arms.films_of(entry, size.main, settings.seed)
    return arms.run_main(entry, films, replace(size, meta=0), settings)


def document(results: Sequence[arms.Scored]) -> dict[str, object]:
    """What is written of the measurements of all passes."""
    rows = pd.concat([scored.rows for scored in results], ignore_index=True)
    main, untrained = (rows[rows["arm"] == arm] for arm in (arms.MAIN, arms.UNTRAINED))
    of_main = [scored for scored in results if (scored.rows["arm"] == arms.MAIN).all()]
    same = common_duplicates([scored.same for scored in of_main if scored.same])
    shared = {name: group[0] for group in same for name in group[1:]}
    distinct = main[~main["method"].isin(shared)]
    metrics = [(metric, "") for metric in distinct["metric"].unique()]
    ranks = mean_ranks(distinct, metrics)["rank"]
    summary = over_all_labels(summarise(distinct))
    blank = pd.DataFrame(above_chance(untrained, arms.UNTRAINED))
    methods: dict[str, dict[str, object]] = {}
    for name, rank in ranks.items():
        methods[str(name)] = {
            "rank": _rounded(rank),
            **{metric: _estimate(summary, str(name), metric) for metric in (IOU, PRECISION)},
            "above_chance_untrained": _beats_chance(blank, str(name)),
        }
    methods |= {name: {**methods[first], "same_as": first} for name, first in shared.items()}
    return {
        "about": {
            "maps": {
                arm: int(part.groupby(["model", "image", "label"], observed=True).ngroups)
                for arm, part in ((arms.MAIN, main), (arms.UNTRAINED, untrained))
            },
            "models": {
                arm: sorted(part["model"].astype(str).unique())
                for arm, part in ((arms.MAIN, main), (arms.UNTRAINED, untrained))
            },
            "ranked": len(ranks),
            "metrics": [metric for metric, _ in metrics],
            "versions": versions(),
        },
        "failures": [line for scored in results for line in scored.failures],
        "methods": methods,
    }


def _estimate(summary: pd.DataFrame, method: str, metric: str) -> dict[str, float | None]:
    row = summary[(summary["method"] == method) & (summary["metric"] == metric)].iloc[0]
    return {name: _rounded(row[name]) for name in ("estimate", "low", "high", "over_ceiling")}


def _beats_chance(lines: pd.DataFrame, method: str) -> list[str] | None:
    """The measures of place whose interval lies above the chance level; None: no interval."""
    of_method = lines[(lines["method"] == method) & lines["metric"].isin(OF_PLACE)]
    if of_method["low"].isna().all():  # too few patients for an interval
        return None
    return [str(metric) for metric in of_method.loc[of_method["low"] > 0, "metric"]]


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "methods")
    parser.add_argument("--slowest", action="store_true", help=f"with {', '.join(SLOWEST)}")
    options = parser.parse_args(arguments)
    with registered([EVERY]) as names:
        others = tuple(name for name in names if name not in SLOWEST)
        models = arms.of_arm(arms.arm_models("cpu"), arms.MAIN, arms.UNTRAINED)
        results = measured(options.work, models, others, BASELINES)
        if options.slowest:
            results += measured(options.work, models, SLOWEST, ())
    suited = tuple(name for name in METHODS if _suits_a_transformer(name))
    of_transformer = arms.transformers("cpu")
    attention = measured(options.work, of_transformer, suited, BASELINES, OF_TRANSFORMER)
    written = {**document(results), arms.TRANSFORMER: document(attention)}
    RESULTS.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def _suits_a_transformer(name: str) -> bool:
    # `cam` refuses one: it has no pooling behind its layer.
    kinds = ("attention", "gradient", "activation")
    return METHODS[name].kind in kinds and name not in ("cam", *BASELINES)


if __name__ == "__main__":
    main()
