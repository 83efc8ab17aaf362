"""Which metrics are computed: names, families, "default" and "all"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.evaluation.maps.baselines import BASELINES
from camlucida.metrics import METRICS
from camlucida.metrics.base import Inputs

DEFAULT = (
    *("road", "road_morf", "road_lerf"),
    *("average_precision_lift", "average_precision", "hit", "chexlocalize_iou", "chexlocalize_hit"),
    *("relevance_mass", "relevance_rank", "iou_area_matched", "roc_auc"),
    *("class_specificity", "class_specificity_gain"),
    *("border_share", "outside_body_share", "region_share", "zone_share"),
    *("gini", "entropy", "area_above_half", "components"),
    *("centre_row", "centre_column", "border_distance"),
)
"""Metrics that passed the meta-evaluation of the benchmark, and descriptions of the map.

At most 9 forward passes an image, label and method.
"""

PRIMARY = ("average_precision_lift", "hit", "road")
"""The metrics that a summary begins with, each beside the average mask: the reference to beat."""

NEED_MODEL: tuple[Inputs, ...] = (
    "altered images",
    "noisy maps",
    "noisy scores",
    "views",
    "altered maps",
    "weights",
    "randomised map",
)
"""Inputs that only the model can give; all others follow from the map and the annotations."""


def with_inputs(*inputs: Inputs, among: Iterable[str] | None = None) -> tuple[str, ...]:
    """Names of the registered metrics that are given one of ``inputs``, in the registry's order.

    Args:
        inputs: see :data:`camlucida.metrics.base.Inputs`.
        among: only these names; None: all that are registered.

    >>> with_inputs("boxes")
    ('corloc',)
    """
    wanted = None if among is None else set(among)
    return tuple(
        name
        for name, metric in METRICS.items()
        if metric.inputs in inputs and (wanted is None or name in wanted)
    )


def tuned() -> tuple[str, ...]:
    """Names of the metrics that need a threshold, which was tuned on other images.

    >>> tuned()
    ('iou_tuned', 'dice_tuned')
    """
    return tuple(name for name, metric in METRICS.items() if "threshold" in metric.options)


def choose(words: Sequence[str] = ("default",), threshold: float | None = None) -> tuple[str, ...]:
    """The names of metrics that the user's words stand for, in the registry's order.

    Args:
        words: names, families, "default", "all"; several may be joined by commas.
        threshold: of the tuned metrics, which are then always among the names.

    Raises:
        UsageError: an unknown word; a tuned metric without a threshold; a metric that compares
            several maps.

    >>> choose(["hit,gini"])
    ('hit', 'gini')
    """
    need_threshold = tuned()
    names: set[str] = set() if threshold is None else set(need_threshold)
    for item in words:
        for word in item.split(","):
            if word in need_threshold and threshold is None:
                raise UsageError(
                    f"metric {word!r} needs a threshold",
                    "tune one on other images and give --threshold",
                )
            names |= _named(word, _computable(threshold))
    return tuple(name for name in METRICS if name in names)


def _computable(threshold: float | None) -> list[str]:
    """What ``evaluate`` can compute of one map."""
    left_out = set(with_inputs("maps"))
    if threshold is None:
        left_out |= set(tuned())
    return [name for name in METRICS if name not in left_out]


def _named(word: str, computable: Sequence[str]) -> set[str]:
    """The metrics that one word stands for."""
    families = {METRICS[name].family for name in computable}
    if word == "all":
        return set(computable)
    if word == "default":
        return set(DEFAULT)
    if word in families:
        return {name for name in computable if METRICS[name].family == word}
    if word in computable:
        return {word}
    if word in METRICS:
        raise UsageError(
            f"metric {word!r} compares maps of several models or methods",
            "it is no measure of one map",
        )
    choices = ["default", "all", *sorted(families), *computable]
    raise UsageError(f"unknown metric {word!r}", did_you_mean(word, choices))


def choose_baselines(words: str) -> tuple[str, ...]:
    """Names among ``BASELINES`` of "all", "none", or names joined by commas.

    Raises:
        UsageError: no such baseline.

    >>> choose_baselines("sobel,oracle,sobel")
    ('sobel', 'oracle')
    """
    if words in ("all", "none"):
        return tuple(BASELINES) if words == "all" else ()
    for name in words.split(","):
        if name not in BASELINES:
            raise UsageError(
                f"unknown baseline {name!r}", did_you_mean(name, ["all", "none", *BASELINES])
            )
    return tuple(dict.fromkeys(words.split(",")))
