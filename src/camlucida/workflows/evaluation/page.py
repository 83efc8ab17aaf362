"""``evaluation.html``: one page with what was measured, how sure it is, and what it does not show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd

from camlucida.core.files import write_bytes
from camlucida.core.messages import Message
from camlucida.evaluation.maps import summary as tables
from camlucida.figures.evaluation import curves_figure, ranking_figure, sanity_figure
from camlucida.figures.files import figure_svg
from camlucida.figures.panels import figure_png
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.report.page import number, render

MAP = ["image", "label", "method", "layer"]
MASKING: dict[str, Callable[..., Any]] = {"average_drop": min, "increase_in_confidence": max}
"""Metrics that a map of nearly all ones games → which end is the best."""


class About(TypedDict):
    """What the tables do not say of a run.

    ``forwards`` counts inputs that went through the model, ``seconds`` the whole evaluation; ``failures`` are a line each;
    ``cases_rule`` is that of :class:`~camlucida.evaluation.maps.summary.ChosenMaps`; ``level`` and ``replicates`` are of the intervals.
    """

    model: str
    sha256: str | None
    command: str
    versions: Mapping[str, str]
    forwards: int
    seconds: float
    notes: Sequence[Message]
    failures: Sequence[str]
    cases_rule: str
    level: float
    replicates: int


class Example(TypedDict):
    """One case with its picture: a PNG, by its path relative to the page. ``chance`` and ``ceiling`` are NaN where unknown."""

    which: str
    image: str
    label: str
    method: str
    value: float
    chance: float
    ceiling: float
    picture: str


def write_evaluation_page(
    out: Path,
    rows: pd.DataFrame,
    curves: pd.DataFrame,
    sanity: pd.DataFrame,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    about: About,
    examples: Sequence[Example],
) -> Path:
    """Write ``out/evaluation.html`` and its figures, ``evaluation_{ranking,curves,sanity}.png`` and ``.svg``.

    Args:
        out: made if missing; files of the same name are replaced.
        rows, curves, sanity: of the evaluation; the last two may be empty.
        summary, differences: made of ``rows`` by :mod:`camlucida.evaluation.maps.summary`.
        about, examples: see the classes.

    Returns:
        The page's path.
    """
    gate = tables.gate_table(sanity)
    ranks = tables.ranking(summary)
    columns = tables.headline(summary)
    compared = _named(differences)
    labels = list(dict.fromkeys(rows["label"]))
    path = out / "evaluation.html"
    render(
        "evaluation.html.j2",
        path,
        about=about,
        run=_run(rows, about),
        figures=_write_figures(out, summary, curves, gate, bool(rows["synthetic"].any()), about),
        columns=[_column(name, output) for name, output in columns],
        lines=_lines(tables.over_all_labels(summary), columns),
        by_label={x: _lines(summary[summary["label"] == x], columns) for x in labels}
        if len(labels) > 1
        else {},
        everything=_named(tables.over_all_labels(summary)),
        differences={
            "Between methods": [
                x
                for x in compared
                if x["against"] == "method" and (x["metric"], x["output"]) in columns
            ],
            "Against baselines": [
                x
                for x in compared
                if x["against"] == "baseline" and (x["metric"], x["output"]) in columns
            ],
            "By the other metrics": [
                x for x in compared if (x["metric"], x["output"]) not in columns
            ],
        },
        ranks=_family_ranks(ranks),
        gate=_records(gate),
        examples=[_clean(dict(example)) for example in examples],
        limits=limits(rows, summary, differences, ranks, gate, about),
    )
    return path


def limits(
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    ranks: pd.DataFrame,
    gate: pd.DataFrame,
    about: About,
) -> list[str]:
    """What the numbers do not show: sentences, each with a number of this run or a fixed fact of how to read it."""
    return [
        *_of_the_sample(rows, summary, about),
        *_of_missing_values(rows, summary),
        *_of_resolution(rows, summary),
        *_of_comparisons(differences, ranks),
        *_of_masking(summary),
        _of_sanity(gate),
    ]


def _of_the_sample(rows: pd.DataFrame, summary: pd.DataFrame, about: About) -> list[str]:
    without = int((summary["interval_method"] == "none").sum())
    found = [
        f"Intervals resample patients, with all their images and labels: {rows['patient'].nunique()} patients here. With a value "
        f"in fewer than {MIN_POSITIVES} patients no interval is given: so for {without} of {len(summary)} means."
    ]
    synthetic = rows.loc[rows["synthetic"].astype(bool), "image"].nunique()
    if synthetic:
        found.append(
            f"{synthetic} of {rows['image'].nunique()} images are synthetic: the numbers say nothing about radiology."
        )
    if about["failures"]:
        found.append(f"Failed, and in no number: {len(about['failures'])}.")
    return found


def _of_missing_values(rows: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    found = []
    worst = max(
        tables.over_all_labels(summary).to_dict("records"),
        key=lambda line: line["nan_rate"],
        default=None,
    )
    if worst is not None and worst["nan_rate"] > 0:
        found.append(
            f"A mean leaves out maps without a value: most of all {tables.title(worst['metric'], worst['output'])} of "
            f"{worst['method']}, {_percent(worst['nan_rate'])} of them."
        )
    maps = rows[~rows["baseline"].astype(bool)].drop_duplicates(MAP)
    if maps["empty"].any():
        shares = maps["empty"].astype(float).groupby(maps["method"], sort=False).mean()
        found.append(
            f"Maps that say “no evidence”: {', '.join(f'{name} {_percent(share)}' for name, share in shares.items())}."
        )
    return found


def _of_resolution(rows: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    layers = list(dict.fromkeys(rows["layer"]))
    found = [
        "ROAD favours blurry maps: compare at one map resolution. Ranks and differences here are within a layer; there "
        f"{'is one' if len(layers) == 1 else f'are {len(layers)}'}: {', '.join(layers)}."
    ]
    wanted = tables.headline(summary)
    ceilings = {
        f"{tables.title(line['metric'], line['output'])} at {line['layer']}": line["ceiling"]
        for line in _records(tables.over_all_labels(summary))
        if (line["metric"], line["output"]) in wanted
        and line["ceiling"] is not None
        and not line["baseline"]
    }
    if ceilings:
        words = ", ".join(f"{name} {number(value)}" for name, value in ceilings.items())
        found.append(
            f"A coarse grid bounds what a map can score. The truth itself, averaged over its cells: {words}."
        )
    return found


def _of_comparisons(differences: pd.DataFrame, ranks: pd.DataFrame) -> list[str]:
    found = []
    known = differences[(differences["second"] != "oracle") & differences["p"].notna()]
    for against, words in (
        ("method", "two methods"),
        ("baseline", "a method and a baseline that does not know the truth"),
    ):
        part = known[known["against"] == against]
        if len(part):
            lost = (
                f"; in {(part['better'] == 'second').sum()} the baseline is the better"
                if against == "baseline"
                else ""
            )
            found.append(
                f"Of {len(part)} tested differences between {words}, {(part['better'] != '').sum()} stay under "
                f"{tables.SIGNIFICANT} after Holm's correction within the metric's family{lost}."
            )
    for line in tables.disagreement(ranks).to_dict("records"):
        agree = (
            ""
            if math.isnan(line["kendall_w"])
            else f" (Kendall's W {line['kendall_w']:.2f}; 1: all agree)"
        )
        found.append(
            f"Faithfulness metrics disagree: a rank depends on the metric. At {line['layer']} {line['rankings']} rankings of "
            f"{line['methods']} methods put first: {line['winners']}{agree}."
        )
    return found


def _of_masking(summary: pd.DataFrame) -> list[str]:
    """Average drop and increase in confidence of the map that games them, beside the best method's."""
    fact = "Average drop and increase in confidence are gamed by a map of nearly all ones that knows nothing, “fake_cam”"
    words = []
    measured = [
        line
        for line in _records(tables.over_all_labels(summary))
        if line["metric"] in MASKING and line["estimate"] is not None
    ]
    for name, best in MASKING.items():
        lines = [line for line in measured if line["metric"] == name]
        output = max(
            (line["output"] for line in lines), default=""
        )  # the probability, where there is one: a logit has no share
        lines = [line for line in lines if line["output"] == output]
        fake = next((line for line in lines if line["method"] == "fake_cam"), None)
        first = best(
            (line for line in lines if not line["baseline"]),
            key=lambda line: line["estimate"],
            default=None,
        )
        if fake is not None and first is not None:
            words.append(
                f"{tables.title(name, output)} {number(fake['estimate'])}; the best method, {first['method']}, "
                f"{number(first['estimate'])}"
            )
    if not measured:
        return []
    return [f"{fact}. Here: {'. '.join(words)}." if words else f"{fact}; it was not measured here."]


def _of_sanity(gate: pd.DataFrame) -> str:
    decisive = gate[gate["decisive"].astype(bool)]
    if decisive.empty:
        return "Parameter randomisation was not run: nothing here shows that the maps depend on what the model learnt."
    failed = decisive[[verdict is False for verdict in decisive["passed"]]]
    passed = sum(verdict is True for verdict in decisive["passed"])
    names = (
        f" Failed: {', '.join(f'{m} at {at}' for m, at in zip(failed['method'], failed['layer']))}."
        if len(failed)
        else ""
    )
    return (
        f"Parameter randomisation is a gate, not a ranking: {passed} of {len(decisive)} methods and layers pass it, which does "
        f"not make them good.{names}"
    )


def _write_figures(
    out: Path,
    summary: pd.DataFrame,
    curves: pd.DataFrame,
    gate: pd.DataFrame,
    synthetic: bool,
    about: About,
) -> dict[str, str]:
    """Name → PNG; the SVG has the same stem."""
    made = {}
    if tables.headline(summary):
        made["ranking"] = ranking_figure(summary)
    if len(curves):
        made["curves"] = curves_figure(
            tables.curve_means(curves, about["replicates"], about["level"]), synthetic
        )
    if len(gate):
        made["sanity"] = sanity_figure(gate, synthetic)
    for name, figure in made.items():
        write_bytes(out / f"evaluation_{name}.svg", figure_svg(figure))
        write_bytes(out / f"evaluation_{name}.png", figure_png(figure))
    return {name: f"evaluation_{name}" for name in made}


def _run(rows: pd.DataFrame, about: About) -> dict[str, Any]:
    """What was run, in counts and names."""
    kinds = dict(zip(rows["method"], rows["baseline"].astype(bool)))
    maps = len(rows.drop_duplicates(MAP))
    return {
        "images": rows["image"].nunique(),
        "patients": rows["patient"].nunique(),
        "labels": list(dict.fromkeys(rows["label"])),
        "methods": [name for name, baseline in kinds.items() if not baseline],
        "baselines": [name for name, baseline in kinds.items() if baseline],
        "layers": list(dict.fromkeys(rows["layer"])),
        "metrics": [tables.title(name) for name in dict.fromkeys(rows["metric"])],
        "synthetic": bool(rows["synthetic"].any()),
        "maps": maps,
        "forwards_a_map": about["forwards"] / max(maps, 1),
    }


def _column(name: str, output: str) -> dict[str, str]:
    known = tables.about(name)
    return {
        "title": tables.title(name, output),
        "direction": known.direction,
        "chance": known.chance,
        "source": known.source,
    }


def _lines(part: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """A line a method and layer, methods first, with a cell (or None) for each of ``columns``."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in _records(part.sort_values("baseline", kind="stable")):
        line = found.setdefault(
            (record["layer"], record["method"]), {**record, "cells": [None] * len(columns)}
        )
        if (record["metric"], record["output"]) in columns:
            line["cells"][columns.index((record["metric"], record["output"]))] = record
    order = list(dict.fromkeys(part["layer"]))
    return sorted(found.values(), key=lambda line: order.index(line["layer"]))


def _family_ranks(ranks: pd.DataFrame) -> dict[str, Any]:
    """Mean rank of each method in each family: ``families``, and a line a layer and method."""
    families = list(dict.fromkeys(ranks["family"]))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in _records(ranks.sort_values("baseline", kind="stable")):
        line = found.setdefault(
            (record["layer"], record["method"]), {**record, "cells": [None] * len(families)}
        )
        line["cells"][families.index(record["family"])] = record["family_rank"]
    return {"families": families, "lines": list(found.values())}


def _named(part: pd.DataFrame) -> list[dict[str, Any]]:
    """Records with the metric's title."""
    return [
        {**record, "title": tables.title(record["metric"], record["output"])}
        for record in _records(part)
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [_clean(record) for record in table.to_dict("records")]


def _clean(record: Mapping[Any, Any]) -> dict[str, Any]:
    """None for NaN: a dash on the page."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in record.items()
    }
