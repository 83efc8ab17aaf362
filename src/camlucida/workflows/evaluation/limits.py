"""What the numbers of an evaluation do not show.

Each limit has a number of this run, or is a fixed fact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from camlucida.core.messages import Message, Value, chain, declare
from camlucida.core.numbers import number_or_dash
from camlucida.evaluation.maps import summary as tables
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.workflows.evaluation.records import Record, records_without_nan
from camlucida.workflows.evaluation.shown_layers import layer_of

declare(
    "evaluation_limits",
    {
        "patients": (
            "Confidence intervals are by patient, with all images and labels; there "
            "{patients:|is|are} {patients} {patients:|patient|patients}. No interval is given "
            "where fewer than {needed} patients have a value, which applies to {without} of "
            "{means} means."
        ),
        "synthetic": (
            "{synthetic} of {images} images are synthetic, so the results do not apply to "
            "radiology."
        ),
        "failed": (
            "{count} {count:|image|images} failed and {count:|is|are} excluded from all results."
        ),
        "missing": (
            "Means exclude maps without a value; the largest share, {share:.1%}, is that of "
            "{method} by {metric}."
        ),
        "empty": "Maps without evidence: {shares:,}.",
        "empty_share": "{method} {share:.1%}",
        "one_layer": (
            "ROAD favours blurry maps, so only maps of one resolution are comparable. Ranks and "
            "differences are within a layer; one layer was evaluated: {layers:,}."
        ),
        "layers": (
            "ROAD favours blurry maps, so only maps of one resolution are comparable. Ranks and "
            "differences are within a layer; {count} layers were evaluated: {layers:,}."
        ),
        "ceiling": (
            "The coarse grid limits the score of any map. The ground truth itself, averaged over "
            "the cells of the grid, scores: {ceilings:,}."
        ),
        "ceiling_of": "{metric} at {layer} {value}",
        "tested": (
            "Of {tested} tested differences between two methods, {significant} "
            "{significant:|has|have} p < {level:g} after Holm's correction within the metric's "
            "family."
        ),
        "tested_baselines": (
            "Of {tested} tested differences between a method and a baseline without the ground "
            "truth, {significant} {significant:|has|have} p < {level:g} after Holm's correction "
            "within the metric's family; in {lost} of these the baseline is better."
        ),
        "disagree": (
            "Ranks depend on the faithfulness metric. At {layer}, {rankings} rankings of "
            "{methods} methods place first: {winners}."
        ),
        "disagree_w": (
            "Ranks depend on the faithfulness metric. At {layer}, {rankings} rankings of "
            "{methods} methods place first: {winners} (Kendall's W {w:.2f}; 1 is full agreement)."
        ),
        "masking": (
            "Average drop and increase in confidence reward “fake_cam”, a map of nearly all ones "
            "that carries no evidence. In this evaluation: {scores}."
        ),
        "masking_unmeasured": (
            "Average drop and increase in confidence reward “fake_cam”, a map of nearly all ones "
            "that carries no evidence; it was not measured in this evaluation."
        ),
        "masking_score": "{metric} {fake}; the best method, {method}, {best}",
        "no_sanity": (
            "Parameter randomisation was not run, so it is not shown that the maps depend on what "
            "the model learnt."
        ),
        "sanity": (
            "Parameter randomisation is a minimum requirement, not a ranking. Of {tested} "
            "{tested:|test|tests} of a method, layer and label, {depends} "
            "{depends:|shows|show} that the maps depend on the weights, which does not show that "
            "they are good; {unclear} {unclear:|is|are} unclear, which says nothing against them."
        ),
        "sanity_unchanged": (
            "Unchanged by randomisation, so not shown to reflect what the model learnt: "
            "{unchanged:,}."
        ),
        "method_for": "{method} at {layer} ({labels:,})",
        "method_at": "{method} at {layer}",
    },
)

MAP = ["image", "label", "method", "layer"]

MASKING = {"average_drop": "min", "increase_in_confidence": "max"}
"""Metrics that a map of nearly all ones games → which end is the best."""


def limits(
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    ranks: pd.DataFrame,
    gate: pd.DataFrame,
    failures: int,
) -> list[Message]:
    """What the numbers do not show.

    Args:
        rows: of the evaluation.
        summary, differences, ranks, gate: made of them by
            :mod:`camlucida.evaluation.maps.summary`.
        failures: how many images failed.
    """
    return [
        *_of_the_sample(rows, summary, failures),
        *_of_missing_values(rows, summary),
        *_of_resolution(rows, summary),
        *_of_comparisons(differences, ranks),
        *_of_masking(summary),
        *_of_sanity(gate),
    ]


def _of_the_sample(rows: pd.DataFrame, summary: pd.DataFrame, failures: int) -> Iterator[Message]:
    values: dict[str, Value] = {
        "patients": rows["patient"].nunique(),
        "needed": MIN_POSITIVES,
        "without": int((summary["interval_method"] == "none").sum()),
        "means": len(summary),
    }
    yield Message("evaluation_limits.patients", values)
    synthetic = rows.loc[rows["synthetic"].astype(bool), "image"].nunique()
    if synthetic:
        counts = {"synthetic": synthetic, "images": rows["image"].nunique()}
        yield Message("evaluation_limits.synthetic", counts)
    if failures:
        yield Message("evaluation_limits.failed", {"count": failures})


def _of_missing_values(rows: pd.DataFrame, summary: pd.DataFrame) -> Iterator[Message]:
    lines = records_without_nan(tables.over_all_labels(summary))
    worst = max(lines, key=lambda line: line["nan_rate"], default=None)
    if worst is not None and worst["nan_rate"] > 0:
        metric = tables.title(worst["metric"], worst["output"])
        values = {"metric": metric, "method": worst["method"], "share": worst["nan_rate"]}
        yield Message("evaluation_limits.missing", values)
    maps = rows[~rows["baseline"].astype(bool)].drop_duplicates(MAP)
    if maps["empty"].any():
        shares = maps["empty"].astype(float).groupby(maps["method"], sort=False).mean()
        of_methods = [
            Message("evaluation_limits.empty_share", {"method": str(name), "share": float(share)})
            for name, share in shares.items()
        ]
        yield Message("evaluation_limits.empty", {"shares": of_methods})


def _of_resolution(rows: pd.DataFrame, summary: pd.DataFrame) -> Iterator[Message]:
    layers = list(dict.fromkeys(rows["layer"]))
    if len(layers) == 1:
        yield Message("evaluation_limits.one_layer", {"layers": layers})
    elif layers:
        yield Message("evaluation_limits.layers", {"layers": layers, "count": len(layers)})
    shown = tables.headline(summary)
    ceilings: dict[Message, None] = {}
    for line in records_without_nan(tables.over_all_labels(summary)):
        measured = line["ceiling"] is not None and not line["baseline"]
        if measured and (line["metric"], line["output"]) in shown:
            metric = tables.title(line["metric"], line["output"])
            value = number_or_dash(line["ceiling"])
            values: dict[str, Value] = {"metric": metric, "layer": layer_of(line), "value": value}
            ceilings[Message("evaluation_limits.ceiling_of", values)] = None
    if ceilings:
        yield Message("evaluation_limits.ceiling", {"ceilings": list(ceilings)})


def _of_comparisons(differences: pd.DataFrame, ranks: pd.DataFrame) -> Iterator[Message]:
    tested = differences[(differences["second"] != "oracle") & differences["p"].notna()]
    for against, code in (("method", "tested"), ("baseline", "tested_baselines")):
        part = tested[tested["against"] == against]
        if len(part):
            significant = int((part["better"] != "").sum())
            values: dict[str, Value] = {"tested": len(part), "significant": significant}
            values["level"] = tables.SIGNIFICANT
            if against == "baseline":
                values["lost"] = int((part["better"] == "second").sum())
            yield Message(f"evaluation_limits.{code}", values)
    for line in tables.disagreement(ranks).to_dict("records"):
        values = {name: line[name] for name in ("layer", "rankings", "methods", "winners")}
        if math.isnan(line["kendall_w"]):
            yield Message("evaluation_limits.disagree", values)
        else:
            yield Message("evaluation_limits.disagree_w", {**values, "w": line["kendall_w"]})


def _of_masking(summary: pd.DataFrame) -> Iterator[Message]:
    """Scores of the map that games average drop and increase in confidence, and of the best."""
    lines = records_without_nan(tables.over_all_labels(summary))
    measured = [
        line for line in lines if line["metric"] in MASKING and line["estimate"] is not None
    ]
    if not measured:
        return
    scores = [score for name in MASKING if (score := _masking_score(name, measured)) is not None]
    if scores:
        joined = chain("words.clause", scores)
        yield Message("evaluation_limits.masking", {"scores": joined})
    else:
        yield Message("evaluation_limits.masking_unmeasured")


def _masking_score(metric: str, measured: Sequence[Record]) -> Message | None:
    """None where the map that games the metric, or a method beside it, was not measured."""
    lines = [line for line in measured if line["metric"] == metric]
    # The probability where there is one: a logit has no share that could drop.
    output = max((line["output"] for line in lines), default="")
    lines = [line for line in lines if line["output"] == output]
    fake = next((line for line in lines if line["method"] == "fake_cam"), None)
    methods = sorted(
        (line for line in lines if not line["baseline"]),
        key=lambda line: line["estimate"],
        reverse=MASKING[metric] == "max",
    )
    if fake is None or not methods:
        return None
    values = {
        "metric": tables.title(metric, output),
        "fake": number_or_dash(fake["estimate"]),
        "method": methods[0]["method"],
        "best": number_or_dash(methods[0]["estimate"]),
    }
    return Message("evaluation_limits.masking_score", values)


def _of_sanity(gate: pd.DataFrame) -> Iterator[Message]:
    decisive = records_without_nan(gate[gate["decisive"].astype(bool)])
    if not decisive:
        yield Message("evaluation_limits.no_sanity")
        return
    counts: dict[str, Value] = {"tested": len(decisive)}
    for verdict in ("depends", "unclear"):
        counts[verdict] = sum(each["verdict"] == verdict for each in decisive)
    yield Message("evaluation_limits.sanity", counts)
    unchanged = []
    for each in decisive:
        if each["verdict"] == "unchanged":
            values: dict[str, Value] = {"method": each["method"], "layer": layer_of(each)}
            values["labels"] = list(map(str, each["labels"]))
            unchanged.append(Message("evaluation_limits.method_for", values))
    if unchanged:
        yield Message("evaluation_limits.sanity_unchanged", {"unchanged": unchanged})
