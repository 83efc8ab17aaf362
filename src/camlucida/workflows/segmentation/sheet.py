"""The facts of one map for its sheet, and what its ratio cannot show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camlucida.core.messages import Message, declare
from camlucida.core.numbers import number_or_dash
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


def facts(row: Row) -> list[tuple[str, str]]:
    """(name, value) of one map, for its sheet.

    Args:
        row: of ``statistics.csv``.
    """
    score = number_or_dash(row["score"])
    if not is_missing(row["probability"]):
        score += f", mean probability {number_or_dash(row['probability'])}"
    sizes = ", ".join(number_or_dash(row[name]) for name in ("mean", "std", "max"))
    relative = ", ".join(number_or_dash(row[name]) for name in ("relative_mean", "relative_std"))
    lines = [
        ("score: mean logit", score),
        ("map: mean, std, max", f"{sizes} {row['unit']}"),
        ("÷ its max: mean, std", relative),
        *_contrast(row, "", f"{row['target']} region"),
    ]
    if "truth_ratio" in row and row["target_source"] != "true":
        lines += _contrast(row, "truth_", "true region")
    if "dice" in row and not is_missing(row["dice"]):
        hits = f"{int(row['hits'])} of {int(row['components'])}; {int(row['false_components'])}"
        lines += [
            (
                "Dice, IoU with the truth",
                f"{number_or_dash(row['dice'])}, {number_or_dash(row['iou'])}",
            ),
            ("   Dice, displaced", number_or_dash(row["chance_dice"])),
            ("true components hit; false", hits),
        ]
    return lines


def _contrast(row: Row, prefix: str, region: str) -> list[tuple[str, str]]:
    head = f"in ÷ out, {region}"
    if is_missing(row[f"{prefix}ratio"]):
        return [(head, "– (no heat, or an empty region)")]
    share, area = percent(row[f"{prefix}share"]), percent(row[f"{prefix}area"])
    return [
        (head, number_or_dash(row[f"{prefix}ratio"])),
        ("   region at all positions", _range(row, f"{prefix}shifted")),
        ("   positions that reach it", percent(row[f"{prefix}reached"])),
        ("   random maps", _range(row, f"{prefix}random")),
        ("   Gaussian in the middle", number_or_dash(row[f"{prefix}centre"])),
        ("   heat inside, area", f"{share} on {area}"),
    ]


def _range(row: Row, name: str) -> str:
    median, low, high = (
        number_or_dash(row[f"{name}_{part}"]) for part in ("median", "low", "high")
    )
    return f"{median} (95 %: {low} to {high})"
