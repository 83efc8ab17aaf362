"""What is said of the numbers: every sentence is filled from them, and what was not measured is not said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from camlucida.metrics.segmentation import ALL_LABELS
from camlucida.metrics.statistics import MIN_POSITIVES
from camlucida.workflows.segmentation.statistics import BEYOND, SUMMARY, named

Row = Mapping[str, Any]

BEHIND = (
    "maps behind the encoder ({layers}) restate the segmentation: heat inside the region shows what was segmented, not what was "
    "used for it"
)
OWN = "the region is the model's own prediction, where its score is read: some heat inside is bound to be there"
PIXEL = "the score is read at this pixel: some heat is bound to be there"
"""Of every layer, where the region is not the true one."""


HEAD = (
    "layer",
    "method",
    "target",
    "in ÷ out",
    "at all places",
    "in the true region",
    "at all places",
    "images",
)
"""Of :func:`map_lines`."""


def number(value: float | None, digits: int = 3) -> str:
    """For people; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else f"{value:.{digits}g}"


def plural(count: int, what: str) -> str:
    """ "1 image", "2 images"."""
    return f"{count} {what}{'s' * (count != 1)}"


def percent(value: float | None) -> str:
    """A share for people."""
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.1f} %" if value < 0.1 else f"{100 * value:.0f} %"


def facts(row: Row) -> list[tuple[str, str]]:
    """(name, value) of one map, for its sheet."""
    p = "" if _missing(row["probability"]) else f", mean probability {number(row['probability'])}"
    shown = [
        ("score: mean logit", f"{number(row['score'])}{p}"),
        (
            "map: mean, std, max",
            f"{number(row['mean'])}, {number(row['std'])}, {number(row['max'])} {row['unit']}",
        ),
        ("÷ its max: mean, std", f"{number(row['relative_mean'])}, {number(row['relative_std'])}"),
        *_contrast(row, "", f"{row['target']} region"),
    ]
    if "truth_ratio" in row and row["target"] != "true":
        shown += _contrast(row, "truth_", "true region")
    if "dice" in row and not _missing(row["dice"]):
        false = int(row["false_components"])
        shown.append(("Dice, IoU with the truth", f"{number(row['dice'])}, {number(row['iou'])}"))
        shown.append(("   Dice, displaced", number(row["chance_dice"])))
        shown.append(
            ("true parts hit; false", f"{int(row['hits'])} of {int(row['components'])}; {false}")
        )
    return shown


def _contrast(row: Row, kind: str, where: str) -> list[tuple[str, str]]:
    def span(name: str) -> str:
        low, high = number(row[f"{kind}{name}_low"]), number(row[f"{kind}{name}_high"])
        return f"{number(row[f'{kind}{name}_median'])} (95 %: {low} to {high})"

    head = f"in ÷ out, {where}"
    if _missing(row[f"{kind}ratio"]):
        return [(head, "– (no heat, or an empty region)")]
    return [
        (head, number(row[f"{kind}ratio"])),
        ("   region at all places", span("shifted")),
        ("   places that reach it", percent(row[f"{kind}reached"])),
        ("   random maps", span("random")),
        ("   bump in the middle", number(row[f"{kind}centre"])),
        (
            "   heat inside, area",
            f"{percent(row[f'{kind}share'])} on {percent(row[f'{kind}area'])}",
        ),
    ]


def warnings(row: Row) -> list[str]:
    """Lines below a sheet."""
    found = [BEHIND.format(layers=row["layer"])] if row["circular"] == "yes" else []
    if row["circular"] == "partly":
        found.append(_own(row["target"]))
    return [f"Circular: {line}." for line in found]


def map_lines(summary: pd.DataFrame) -> list[tuple[str, ...]]:
    """The average ratios as a table, a line a layer, method and target."""
    lines, several = [], summary["label"].nunique() > 1
    for (layer, method, label, target), part in summary.groupby(list(SUMMARY[:4]), sort=False):
        means: dict[str, Row] = {row["metric"]: dict(row) for _, row in part.iterrows()}
        true = means.get("truth_ratio", {"estimate": None, "chance": None})
        cells = [
            number(row[key]) for row in (means["ratio"], true) for key in ("estimate", "chance")
        ]
        lines.append(
            (
                str(layer),
                str(method),
                named(label, target, several),
                *cells,
                str(means["ratio"]["images"]),
            )
        )
    return lines


def map_sentences(summary: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    """One sentence a layer, method and target, and one on the true region where it is known."""
    several = summary["label"].nunique() > 1
    for (layer, method, label, target), part in summary.groupby(list(SUMMARY[:4]), sort=False):
        means: dict[str, Row] = {row["metric"]: dict(row) for _, row in part.iterrows()}
        about = f"{layer}, {method}, target {named(label, target, several)}"
        yield f"{about}: {_sentence(means, '', 'the region explained')}."
        if target != "true" and means.get("truth_ratio", {}).get("images"):
            yield f"{about}: {_sentence(means, 'truth_', 'the true region')}."
        here = rows[(rows[list(SUMMARY[:4])] == [layer, method, label, target]).all(axis=1)]
        empty = int((here["empty"] != "").sum())
        if empty:
            yield f"{about}: {empty} of {len(here)} maps show no evidence."


def _sentence(means: Mapping[str, Row], kind: str, where: str) -> str:
    ratio, share, beyond = means[f"{kind}ratio"], means[f"{kind}share"], means["beyond_chance"]
    if not ratio["images"]:
        return f"no map has a ratio in {where}"
    parts = [
        f"mean heat inside ÷ outside of {where} is {_estimate(ratio)} on average over {plural(int(ratio['images']), 'image')}, "
        f"median {number(ratio['median'])}",
        f"at the median of all places of the image the same region has {number(ratio['chance'])}",
        f"{percent(share['estimate'])} of the heat lies on {percent(share['chance'])} of the area",
    ]
    if not kind:
        count = round(beyond["estimate"] * beyond["images"])
        parts.append(
            f"in {count} of {int(beyond['images'])} maps at most {percent(BEYOND)} of all places reach the ratio"
        )
    if ratio["left_out"]:
        parts.append(
            f"{int(ratio['left_out'])} left out, without heat, without a region or without heat outside"
        )
    return "; ".join(parts)


def overlap_sentences(figures: pd.DataFrame) -> Iterator[str]:
    """How well the model segments, one sentence a figure."""
    titles = {
        "dice": "Dice",
        "iou": "IoU",
        "component_sensitivity": "share of true parts hit",
        "false_components": "false parts an image",
    }
    for _, found in figures.iterrows():
        row = dict(found)
        if not _missing(row["estimate"]):
            counted = (
                f"{row['n']} images × labels"
                if row["label"] == ALL_LABELS
                else plural(row["n"], "image")
            )
            about = f"{titles[row['metric']]} ({row['label']}): {_estimate(row)}, {counted}"
            yield f"{about}; the prediction displaced at random reaches {number(row['chance'])}."


def circular_sentences(rows: pd.DataFrame) -> Iterator[str]:
    """What the ratios of this run cannot show."""
    behind = dict.fromkeys(rows["layer"][rows["circular"] == "yes"])
    if behind:
        yield f"{capital(BEHIND.format(layers=', '.join(behind)))}."
    if (rows["circular"] == "partly").any():
        targets = list(dict.fromkeys(rows["target"][rows["circular"] == "partly"]))
        for why in dict.fromkeys(map(_own, targets)):
            yield f"Target {'; '.join(target for target in targets if _own(target) == why)}: {why}."


def _own(target: str) -> str:
    return PIXEL if target.startswith("pixel ") else OWN


def _estimate(row: Row) -> str:
    """The figure with its interval, or why there is none."""
    if row["interval_method"] == "none":
        return f"{number(row['estimate'])} (no interval: fewer than {MIN_POSITIVES} patients)"
    return (
        f"{number(row['estimate'])} (95 % interval {number(row['low'])} to {number(row['high'])})"
    )


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
