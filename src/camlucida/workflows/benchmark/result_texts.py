"""The words of the benchmark's results."""

from __future__ import annotations

from camlucida.core.messages import Message, Value, declare

declare(
    "benchmark_results",
    {
        "not_ranked": "No metric passed the meta-evaluation, so the methods are not ranked.",
        "order": (
            "First of {methods} methods: {best} (mean rank {of_best}, with baselines among the "
            "ranked). Last: {worst} ({of_worst})."
        ),
        "position": "{method}, {role}, is in position {position} (mean rank {rank}).",
        "role_gradcam": "the default method",
        "role_hirescam": "the method of the demonstration",
        "no_order": (
            "The models do not agree on an order of the methods{w}, so none is given. Groups whose "
            "mean ranks differ beyond the interval: {groups}."
        ),
        "kendall_w": " (Kendall's W {w:.2f})",
        "group": "{letter}: {methods}",
        "baseline_above": (
            "The baseline {baseline}, which does not use the model, ranks above {methods} beyond "
            "the interval."
        ),
        "below_baselines": "On {metric}, these methods score below a baseline: {losses}.",
        "below": "{methods} (below {baseline})",
        "paired": (
            "Of {tested} paired comparisons of a method with a blind baseline over all ranking "
            "metrics, methods win {won} and lose {lost} beyond the 95% interval; {undecided} are "
            "undecided."
        ),
        "identical": (
            "Behind global average pooling and one linear layer, these methods give identical maps "
            "on every film: {groups}. Each group is one entry under its first name, and agreement "
            "within it is no evidence."
        ),
        "methods": "{methods}",
        "metrics": (
            "{kept} of {count} metrics pass the meta-evaluation (each model output counts as a "
            "metric of its own); {dropped} fail."
        ),
        "dropped": "Dropped ({reason}): {titles}.",
        "average_drop": (
            "Average drop can be gamed: a map of nearly all ones (fake_cam) scores {fake}, the "
            "best method ({method}) {best}; lower is better."
        ),
        "verified": (
            "Use of “{label}” is verified on {passed} of {films} films ({rate}; {low} to {high} by "
            "model); only these are scored."
        ),
        "decoy": (
            "False alarms on the decoy occur in {low} ({least}) to {high} ({most}) of maps, "
            "although the tag is uninformative for the main models{beside}. A false alarm is more "
            "than {ratio:g} times the heat that a uniform map has on the tag."
        ),
        "decoy_random": "; random maps: {rate}",
        "distractors": (
            "Distractors (bars of a lesion's area and contrast) receive {low} ({least}) to {high} "
            "({most}) times the heat of a uniform map."
        ),
        "reliance": "Without the tag, the logit of nodule drops by {drops:,}.",
        "at": "{score} at {part}",
        "shortcut_alarms": (
            "In the shortcut arms, maps with more than {ratio:g} times the area of the tag on it "
            "make up, from the lowest to the highest method, {ranges:,}."
        ),
        "range_at": "{low} to {high} at {part}",
        "tracking": (
            "Heat on the tag increases with the reliance on it, {scope}, for {above} of {methods} "
            "methods (interval of Spearman's ρ above 0): from {best} down to {worst}. Baselines "
            "that do not use the model: {baselines:,}."
        ),
        "over_all": "over the films of all models",
        "within_models": "within each model",
        "named": "{method} {score}",
        "too_few": ("The films are too few to test the {arm} models against the chance level."),
        "above_chance": (
            "For {arm} models, {above} of {tested} mean scores (method × metric) exceed chance "
            "beyond their interval."
        ),
        "metric_above_chance": "For {arm} models, {metric} exceeds chance with {methods}.",
        "specificity": (
            "The class specificity of {part} methods on films with both lesions is {span}, on "
            "{count} maps."
        ),
        "span": "{low} to {high}",
        "class_specific": "class-specific",
        "class_agnostic": "class-agnostic",
        "conjunction": (
            "For the conjunction “nodule and cavity”, area-matched IoU reaches a median over "
            "methods of {both} of the upper bound of the grid, against {single} for the single "
            "labels; it is lower for {lower} of {count} methods."
        ),
        "sizes": "The median over methods of the area-matched IoU is {scores}.",
        "of_size": "{score} for {size} lesions ({bound} of the bound)",
        "real": (
            "On {films} real radiographs with pasted lesions, use is verified for {passed} of "
            "{pairs} pairs of a model and a label ({rate}); {consequence}."
        ),
        "only_these": "only these are scored",
        "none_scored": "so no map is scored there",
        "agreement": (
            "Kendall's W of the methods' rankings (1: full agreement between models) is {scopes}."
        ),
        "w_among": "{w:.2f} among {scope}",
    },
)

declare(
    "benchmark_names",
    {
        "models": "all models",
        "seeds": "seeds of {net}",
        "architectures": "architectures",
        "permuted_methods": "methods on models of permuted labels",
        "untrained": "untrained",
        "permuted": "permuted",
        "all": "all",
        "single": "single",
        "conjunction": "conjunction",
        "small": "small",
        "medium": "medium",
        "large": "large",
        "baseline": "{method} (baseline)",
        "of_bound": "{ratio} of the bound",
    },
)


def result_message(name: str, /, **values: Value) -> Message:
    """A text of the results.

    Args:
        name: of the text, without ``benchmark_results.``.
        values: of its placeholders.

    >>> str(result_message("kendall_w", w=0.2))
    " (Kendall's W 0.20)"
    """
    return Message(f"benchmark_results.{name}", values)


def name_message(name: str, /, **values: Value) -> Message:
    """A name of a part, arm or scope of the benchmark.

    Args:
        name: as in its tables.
        values: of its placeholders.

    >>> str(name_message("seeds", net="densenet"))
    'seeds of densenet'
    """
    return Message(f"benchmark_names.{name}", values)
