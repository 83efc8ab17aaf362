"""``camlucida case``: one page of one case of a run, with the numbers that its maps rest on."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.selection import select
from camlucida.analysis.selection.case import has_image_name
from camlucida.core.errors import UsageError
from camlucida.core.files import slug
from camlucida.core.messages import Message, Value, declare
from camlucida.evaluation.maps.row_tables import preferred_score, title
from camlucida.figures.case_card import CardMap, case_card
from camlucida.figures.files import save_figure
from camlucida.figures.notice import stamped
from camlucida.figures.style import joined_words, label_name, said, words
from camlucida.metrics.annotations import Mask
from camlucida.report.data import ReportData
from camlucida.report.evaluations import sanity_gate, stored_evaluations
from camlucida.report.gather import gather
from camlucida.report.sections.cases import outcome_of
from camlucida.runs import Run
from camlucida.runs.mismatch import any_mismatch

declare(
    "case_card",
    {
        "title": "{image}: {target} ({model})",
        "method": "{method}\nat {layer}",
        "score": "{metric} {value:.3g}",
        "chance": "{metric} {value:.3g} (chance {chance:.3g})",
        "baseline": "{line}; {baseline} {value:.3g}",
        "sobel": "edges",
        "center": "centre",
        "inside": "inside the {region} {share:.0%} (chance {area:.0%})",
        "ceiling": "upper bound of the grid {ceiling:.0%}",
        "hit": "hottest pixel inside the mask {hit:.0%} (chance {area:.0%})",
        "artefact": "on artefacts {share:.0%} (chance {area:.0%})",
        "mask": "mask",
        "box": "box",
        "depends": "sanity check: the maps depend on the weights",
        "unclear": "sanity check: unclear whether the maps depend on the weights",
        "unchanged": "sanity check: maps UNCHANGED by randomised weights",
        "untested": "sanity check: not run",
        "grid": "grid {grid}, a cell is {side:.0f} pixels",
        "no_evaluation": (
            "The run has no evaluation of these maps: camlucida evaluate adds ROAD, localisation "
            "and the sanity check."
        ),
        "one_case": "Numbers of one case have no interval; means over the run are in its report.",
    },
)

SCORES = ("road", "hit", "average_precision_lift")
"""Metrics of an evaluation that a card shows, of one model output each."""

BASELINES = ("sobel", "center")
"""Maps without the model whose score stands beside that of a method."""


def write_case_card(
    run: Run, image: str, label: str, out: Path, colormap: str | None = None
) -> list[Path]:
    """Write ``IMAGE_TARGET_card.png`` and ``.pdf``: the film and its map by each method and layer.

    Args:
        run: computed; no model is run.
        image: its id, file name or stem.
        label: "" where the image has maps of one label.
        out: folder, made if missing.
        colormap: matplotlib name; the default if None.

    Raises:
        UsageError: no such image or label, or several labels and none is named.
    """
    report = gather((run,), out, parts=())
    label = label or _only_label(report.cases, image)
    rule = f"case:{image}:{label}" if label else f"case:{image}"
    (chosen,) = select(report.cases, [rule])
    case = report.cases.loc[chosen.rows[0]]
    same = report.cases["path"].eq(case["path"]) & report.cases["model"].eq(case["model"])
    cases = report.cases[same & report.cases["target"].eq(case["target"])]
    heat = attribution_table([run], cases)
    scores, gates = _evaluated(run, case)
    maps = [
        CardMap(
            report.map_of(row),
            said(_method(cases.loc[row])),
            list(map(said, _lines(report, cases.loc[row], heat.loc[row], scores, gates))),
        )
        for row in cases.index
    ]
    values: dict[str, Value] = {name: str(case[name]) for name in ("image", "model")}
    values["target"] = label_name(str(case["target"]))
    notes = [joined_words(outcome_of(case)), words("case_card.one_case")]
    if scores.empty:
        notes.append(words("case_card.no_evaluation"))
    outlines = _outlines(report, chosen.rows[0])
    heading = words("case_card.title", **values)
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"{slug(str(case['image']))}_{slug(str(case['target']))}_card"
    with stamped(any_mismatch((run,))):
        figure = case_card(maps, heading, [note for note in notes if note], outlines, colormap)
        return save_figure(figure, stem)


def _outlines(report: ReportData, row: Any) -> dict[str, Mask]:
    """Name → (H, W) annotated mask and boxes of a case; those that are empty are left out."""
    case = report.cases.loc[row]
    annotations = report.annotations[int(case["run"]), str(case["model"])]
    size = report.map_of(row).scan.geometry.original
    regions = {"mask": report.mask(row)}
    if len(size) == 2:
        regions["box"] = annotations.boxed(case.to_dict(), str(case["label"]), size)
    return {
        words(f"case_card.{name}"): region
        for name, region in regions.items()
        if region is not None and region.any()
    }


def _only_label(cases: pd.DataFrame, image: str) -> str:
    """The label of an image that has maps of one; "" of an unknown image, which the rule names."""
    of_image = cases[has_image_name(cases, image)]
    labels = list(dict.fromkeys(map(str, of_image["label"])))
    if len(labels) > 1:
        what = f"{image} has maps of {len(labels)} labels"
        raise UsageError(what, f"give --label and one of {', '.join(labels)}")
    return labels[0] if labels else ""


def _method(case: pd.Series) -> Message:
    values: dict[str, Value] = {"method": str(case["method"]), "layer": str(case["layer"])}
    return Message("case_card.method", values)


def _evaluated(run: Run, case: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the case in the evaluations of its model, and the model's sanity gates."""
    scores, gates = [pd.DataFrame()], [pd.DataFrame()]
    for _, model, evaluated in stored_evaluations(run):
        if model != case["model"]:
            continue
        rows = evaluated.tables.rows
        if len(rows):
            of_case = (rows["image"] == case["image"]) & (rows["label"] == case["label"])
            scores.append(rows[of_case])
        gate = sanity_gate(evaluated.sanity)
        if gate is not None:
            gates.append(gate)
    return pd.concat(scores), pd.concat(gates)


def _lines(
    report: ReportData,
    case: pd.Series,
    heat: pd.Series,
    scores: pd.DataFrame,
    gates: pd.DataFrame,
) -> Iterator[Message]:
    """What is known of one map."""
    yield from _scores(case, scores)
    yield from _shares(heat)
    yield _sanity(case, gates)
    sides = report.map_of(case.name).cell
    grid = " × ".join(map(str, case["grid"]))
    yield Message("case_card.grid", {"grid": grid, "side": float(max(sides))})


def _scores(case: pd.Series, scores: pd.DataFrame) -> Iterator[Message]:
    """The scores of the evaluation, beside those of maps without the model."""
    if scores.empty:
        return
    of_layer = scores[(scores["layer"] == case["layer"]) & scores["value"].notna()]
    for metric in SCORES:
        rows = of_layer[of_layer["metric"] == metric]
        own = rows[rows["method"] == case["method"]]
        if own.empty:
            continue
        output = preferred_score(own["output"])
        row = own[own["output"] == output].iloc[0]
        values: dict[str, Value] = {"metric": title(metric, output)}
        values["value"] = float(row["value"])
        line = Message("case_card.score", values)
        if isfinite(row["chance"]):
            line = Message("case_card.chance", {**values, "chance": float(row["chance"])})
        for baseline in BASELINES:
            line = _with_baseline(line, rows[rows["output"] == output], baseline)
        yield line


def _with_baseline(line: Message, rows: pd.DataFrame, baseline: str) -> Message:
    values = rows.loc[rows["method"] == baseline, "value"]
    if values.empty:
        return line
    beside: dict[str, Value] = {"line": line, "value": float(values.iloc[0])}
    beside["baseline"] = Message(f"case_card.{baseline}")
    return Message("case_card.baseline", beside)


def _shares(heat: pd.Series) -> Iterator[Message]:
    """Where the attribution of the map lies, each share with its chance level."""
    for region in ("mask", "box"):
        shares: dict[str, Value] = _share(heat, region)
        if shares:
            yield Message("case_card.inside", {"region": Message(f"case_card.{region}"), **shares})
    if isfinite(heat["mask_ceiling"]):
        yield Message("case_card.ceiling", {"ceiling": float(heat["mask_ceiling"])})
    if isfinite(heat["mask_hit"]):
        hit: dict[str, Value] = {"hit": float(heat["mask_hit"])}
        yield Message("case_card.hit", {**hit, "area": float(heat["mask_area"])})
    on_artefacts = _share(heat, "artefact")
    if on_artefacts:
        yield Message("case_card.artefact", on_artefacts)


def _share(heat: pd.Series, region: str) -> dict[str, Value]:
    """Share and area of a region; nothing where either is unknown."""
    share, area = float(heat[f"{region}_share"]), float(heat[f"{region}_area"])
    return {"share": share, "area": area} if isfinite(share) and isfinite(area) else {}


def _sanity(case: pd.Series, gates: pd.DataFrame) -> Message:
    """The verdict of the sanity check on the map's method, layer and label."""
    if gates.empty:
        return Message("case_card.untested")
    of_map: Any = (gates["method"] == case["method"]) & (gates["layer"] == case["layer"])
    verdicts = [
        str(verdict)
        for verdict, labels in zip(gates["verdict"][of_map], gates["labels"][of_map])
        if case["label"] in labels
    ]
    return Message(f"case_card.{verdicts[0]}" if verdicts else "case_card.untested")
