"""Which metrics are computed: names, families, "default" and "all"."""

from __future__ import annotations

from collections.abc import Sequence

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.evaluation.maps.baselines import BASELINES
from camlucida.metrics import METRICS

DEFAULT = (
    *("road", "road_morf", "road_lerf", "cell_insertion_deletion"),
    *("average_drop", "increase_in_confidence", "average_gain"),
    *("average_precision_lift", "average_precision", "hit", "chexlocalize_iou", "chexlocalize_hit"),
    *("relevance_mass", "relevance_rank", "iou_area_matched", "roc_auc", "class_specificity"),
    *("border_share", "text_share", "outside_body_share", "region_share"),
    *(
        "gini",
        "entropy",
        "area_above_half",
        "components",
        "centre_row",
        "centre_column",
        "border_distance",
    ),
)
"""At most 45 forward passes an image, label and method."""

BETWEEN_MAPS = ("pearson", "spearman", "top_cells_iou", "ssim", "kendall_w", "seed_agreement")
"""Compare maps of several models, methods or layers: they belong to a comparison, not to one map."""

BOX_METRICS = ("max_box_acc_v2", "box_ap30", "box_ap50")
"""Of all images together, from boxes that are kept a row each."""

TUNED = ("iou_tuned", "dice_tuned")
"""Need a threshold that was tuned on other images."""

PRIMARY = ("average_precision_lift", "hit", "class_specificity", "road", "cell_insertion_deletion")
"""What is shown first."""


def choose(asked: Sequence[str] = ("default",), threshold: float | None = None) -> tuple[str, ...]:
    """Metric names of ``asked``, in the registry's order: names, families, "default", "all".

    Raises:
        UsageError: unknown word; a tuned metric without a threshold; a metric that compares several maps.
    """
    possible = [
        name
        for name, _ in METRICS.items()
        if name not in BETWEEN_MAPS and (threshold is not None or name not in TUNED)
    ]
    families = {METRICS[name].family for name in possible}
    chosen: set[str] = set(TUNED) if threshold is not None else set()
    for word in (part for item in asked for part in item.split(",")):
        if word == "all":
            chosen |= set(possible)
        elif word == "default":
            chosen |= set(DEFAULT)
        elif word in families:
            chosen |= {name for name in possible if METRICS[name].family == word}
        elif word in TUNED and threshold is None:
            raise UsageError(
                f"metric {word!r} needs a threshold",
                "tune one on other images and give --threshold",
            )
        elif word in BETWEEN_MAPS:
            raise UsageError(
                f"metric {word!r} compares maps of several models or methods",
                "it is no measure of one map",
            )
        elif word in possible:
            chosen.add(word)
        else:
            raise UsageError(
                f"unknown metric {word!r}",
                did_you_mean(word, ["default", "all", *sorted(families), *possible]),
            )
    return tuple(name for name, _ in METRICS.items() if name in chosen)


def choose_baselines(asked: str) -> tuple[str, ...]:
    """Names among ``BASELINES`` of "all", "none", or names joined by commas."""
    if asked in ("all", "none"):
        return tuple(BASELINES) if asked == "all" else ()
    for name in asked.split(","):
        if name not in BASELINES:
            raise UsageError(
                f"unknown baseline {name!r}", did_you_mean(name, ["all", "none", *BASELINES])
            )
    return tuple(dict.fromkeys(asked.split(",")))
