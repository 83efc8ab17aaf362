"""The facts of one map for its sheet, and what its ratio cannot show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camlucida.core.messages import Message, Value, declare
from camlucida.core.numbers import number_or_dash
from camlucida.figures.segmentation import Fact
from camlucida.workflows.segmentation.numbers import is_missing, percent

declare(
    "circular",
    {
        "behind": (
            "maps behind the encoder ({layers:,}) restate the segmentation: heat inside the "
            "region shows what was segmented, not what was used for it"
        ),
        "prediction": (
            "the region is the model's prediction, where its score is read: some heat inside is "
            "inevitable"
        ),
        "pixel": "the score is read at this pixel: some heat there is inevitable",
        "line": "Circular: {reason}.",
        "of_target": "Target {targets:,}: {reason}.",
    },
)

declare(
    "sheet_facts",
    {
        "score": "score: mean logit",
        "score_value": "{score}",
        "score_probability": "{score}, mean probability {probability}",
        "map": "map: mean, std, max",
        "relative": "÷ its max: mean, std",
        "dice": "Dice, IoU with the truth",
        "displaced": "· Dice, displaced",
        "components": "true components hit; false",
        "hits": "{hits} of {components}; {false_components}",
        "contrast": "in ÷ out, {region}",
        "region_of": "{target} region",
        "true_region": "true region",
        "no_contrast": "– (no heat, or an empty region)",
        "shifted": "· region at all positions",
        "reached": "· positions that reach it",
        "random": "· random maps",
        "centre": "· Gaussian in the middle",
        "inside": "· heat inside, area",
        "share": "{share} on {area}",
        "range": "{median} (95%: {low} to {high})",
    },
)

Row = Mapping[str, Any]


def behind(layers: Sequence[str]) -> Message:
    """Why ratios of layers behind the encoder are circular."""
    return Message("circular.behind", {"layers": list(layers)})


def circular_region(source: str) -> Message:
    """Why ratios of a region of the model's prediction are partly circular.

    Args:
        source: of the target: ``predicted``, ``component`` or ``pixel``.
    """
    return Message("circular.pixel" if source == "pixel" else "circular.prediction")


def warnings(row: Row) -> list[Message]:
    """What the ratio of a map cannot show.

    Args:
        row: of ``statistics.csv``.
    """
    if row["circular"] == "yes":
        return [Message("circular.line", {"reason": behind([row["layer"]])})]
    if row["circular"] == "partly":
        return [Message("circular.line", {"reason": circular_region(row["target_source"])})]
    return []


def facts(row: Row) -> list[Fact]:
    """Name and value of the numbers of one map, for its sheet.

    Args:
        row: of ``statistics.csv``.
    """
    score = _fact("score_value", score=number_or_dash(row["score"]))
    if not is_missing(row["probability"]):
        probability = number_or_dash(row["probability"])
        score = _fact("score_probability", probability=probability, **score.values)
    sizes = ", ".join(number_or_dash(row[name]) for name in ("mean", "std", "max"))
    relative = ", ".join(number_or_dash(row[name]) for name in ("relative_mean", "relative_std"))
    lines: list[Fact] = [
        (_fact("score"), score),
        (_fact("map"), f"{sizes} {row['unit']}"),
        (_fact("relative"), relative),
        *_contrast(row, "", _fact("region_of", target=str(row["target"]))),
    ]
    if "truth_ratio" in row and row["target_source"] != "true":
        lines += _contrast(row, "truth_", _fact("true_region"))
    if "dice" in row and not is_missing(row["dice"]):
        counts = {name: int(row[name]) for name in ("hits", "components", "false_components")}
        dice = f"{number_or_dash(row['dice'])}, {number_or_dash(row['iou'])}"
        lines += [
            (_fact("dice"), dice),
            (_fact("displaced"), number_or_dash(row["chance_dice"])),
            (_fact("components"), _fact("hits", **counts)),
        ]
    return lines


def _fact(name: str, /, **values: Value) -> Message:
    return Message(f"sheet_facts.{name}", values)


def _contrast(row: Row, prefix: str, region: Message) -> list[Fact]:
    head = _fact("contrast", region=region)
    if is_missing(row[f"{prefix}ratio"]):
        return [(head, _fact("no_contrast"))]
    share, area = percent(row[f"{prefix}share"]), percent(row[f"{prefix}area"])
    return [
        (head, number_or_dash(row[f"{prefix}ratio"])),
        (_fact("shifted"), _range(row, f"{prefix}shifted")),
        (_fact("reached"), percent(row[f"{prefix}reached"])),
        (_fact("random"), _range(row, f"{prefix}random")),
        (_fact("centre"), number_or_dash(row[f"{prefix}centre"])),
        (_fact("inside"), _fact("share", share=share, area=area)),
    ]


def _range(row: Row, name: str) -> Message:
    median, low, high = (
        number_or_dash(row[f"{name}_{part}"]) for part in ("median", "low", "high")
    )
    return _fact("range", median=median, low=low, high=high)
