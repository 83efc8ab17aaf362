"""The words of the page of an evaluation."""

from __future__ import annotations

from camlucida.core.messages import Message, Value, declare

declare(
    "evaluation_page",
    {
        "title": "{model}: evaluation of its explanations",
        "failed": "Failed: {count}",
        "scores": "Scores",
        "readers": "Readers",
        "readers_note": (
            "IoU of the boxes of two readers of one image, and IoU of the map, cut to the area of "
            "each reader's boxes, with that reader; means over images, with {level:g}% "
            "confidence intervals by patient where there are enough. A map agrees with readers as "
            "well as they do with each other if the two are equal."
        ),
        "reader_reader": "Reader and reader",
        "pairs_of_readers": "Images of two or more readers",
        "map_reader": "Map and reader",
        "differences": "Differences",
        "ranks": "Ranks",
        "curves": "Curves",
        "sanity": "Sanity: do the maps depend on what the model learnt?",
        "cases": "Best, median, worst",
        "limits": "Limits",
        "model": "Model",
        "weights": "Weights",
        "images": "Images",
        "images_of": "{images} of {patients} {patients:|patient|patients}",
        "labels": "Labels",
        "methods": "Methods",
        "methods_at": "{methods:,} at {layers:,}",
        "baselines": "Baselines",
        "no_baselines": "none",
        "metrics": "Metrics",
        "cost": "Cost",
        "cost_of": (
            "{forwards} forward passes of one image, {of_map:.1f} a map ({maps} maps), in {seconds}"
            " s"
        ),
        "command": "Command",
        "versions": "Versions",
        "means": (
            "Means over images and labels, with {level:g}% confidence intervals in brackets, by "
            "patient. The bootstrap draws {replicates} resamples."
        ),
        "ceiling_note": (
            "The ceiling is the score that the ground truth itself reaches when it is averaged "
            "over the cells of the map's grid. A low score ÷ ceiling therefore indicates a wrong "
            "map rather than a coarse grid."
        ),
        "baseline_note": (
            "Baselines are maps computed without the model; “oracle” is the ground truth at the "
            "resolution of the grid. The average mask, the mean annotation of the other patients, "
            "is the reference: a map that scores no higher shows no more than where the finding "
            "usually is."
        ),
        "ranking_figure": "Mean score of each method with its confidence interval.",
        "label_alone": "{label} alone",
        "every_metric": "Every metric ({count} {count:|mean|means})",
        "nothing_to_compare": (
            "Nothing to compare: only one method and no baseline were evaluated."
        ),
        "paired": "Differences are paired by image, label and layer.",
        "p_values": (
            "p-values are from a two-sided sign-flip test over patients. Holm's correction is "
            "applied within each family of metrics, separately for the comparisons between "
            "methods and those with baselines."
        ),
        "better_note": (
            "The better of the two is named where the corrected p-value is below {level:g}."
        ),
        "between_methods": "Between methods ({count})",
        "against_baselines": "Against baselines ({count})",
        "other_metrics": "By the other metrics ({count})",
        "no_ranking": "No ranking: none of these metrics has a better direction.",
        "rank_note": (
            "Mean rank over the metrics of each family within a layer, baselines included; rank 1 "
            "is best. A dash marks a method for which a metric of the family was not measured."
        ),
        "rank_limits": "Metrics can rank methods differently: see ",
        "limits_link": "limits",
        "full_stop": ".",
        "entering": "Metrics that enter: {families}.",
        "entering_family": "{family}: {metrics:,}",
        "curves_figure": "Model output as pixels or cells are removed or restored by rank.",
        "no_curves": "No perturbation curve was measured.",
        "no_sanity": "Parameter randomisation was not run.",
        "sanity_blocks": (
            "The blocks of the model are randomised one after another, from the output layer to "
            "the input."
        ),
        "sanity_null": (
            "The absolute similarity to the maps of the trained model is compared with that of "
            "maps of different images, for each label (labels of fewer than {needed} patients are "
            "pooled)."
        ),
        "sanity_verdicts": (
            "Depends on the weights: the upper 95% bound of the difference is within the margin, "
            "{margin:.0%} of the way from different images to identical maps. Unchanged by "
            "randomisation: the lower bound is above the margin. Unclear: too few patients to "
            "say; this is no evidence against a method."
        ),
        "sanity_dead": (
            "Constant maps are excluded from the similarity; their share is given as “dead”."
        ),
        "sanity_figure": "Similarity to the maps of the trained model as blocks are randomised.",
        "every_block": "Every block",
        "case_score": "{metric} {value}; chance level {chance}.",
        "case_over_ceiling": (
            "{metric} {value}; chance level {chance}; ceiling {ceiling}; ÷ ceiling {over}."
        ),
        "case_alt": "{image}: {method} for {label}, the ground truth outlined",
        "case_best": "Best: {image}, {label}, {method}",
        "case_median": "Median: {image}, {label}, {method}",
        "case_worst": "Worst: {image}, {label}, {method}",
        "method": "Method",
        "layer": "Layer",
        "label": "Label",
        "metric": "Metric",
        "family": "Family",
        "better": "Better",
        "mean": "Mean",
        "interval_by": "Interval by",
        "chance": "Chance",
        "ceiling": "Ceiling",
        "over_ceiling": "÷ ceiling",
        "no_value": "No value",
        "empty_maps": "Empty maps",
        "rows": "Rows",
        "patients": "Patients",
        "first_second": "First − second",
        "difference": "Mean difference",
        "p": "p",
        "p_holm": "p, Holm",
        "pairs": "Pairs",
        "mode": "Mode",
        "cascading": "cascading",
        "independent": "independent",
        "block": "Block",
        "images_note": "with a map that is not constant",
        "patients_note": "the interval is by patient",
        "similarity": "|Similarity|",
        "different_images": "Different images",
        "difference_90": "Difference (90% interval)",
        "margin": "Margin",
        "dead": "Dead",
        "verdict": "Verdict",
        "is_better": "{direction} is better",
        "is_better_failed": "{direction} is better; {failure}",
        "baseline": "baseline: {method}",
        "chance_level": "chance {level}",
        "ceiling_level": "ceiling {level}",
        "ratio_level": "÷ ceiling {level}",
        "average_mask": "average mask {level}",
        "without_value": "{share:.1%} without a value",
        "notes": "{first} · {then}",
        "minus": "{first} − {second}",
        "minus_baseline": "{first} − {second} (baseline)",
        "pooled": "{labels:,} (pooled)",
        "labels_of": "{labels:,}",
    },
)

declare(
    "interval_method",
    {
        "wilson": "Wilson",
        "bca": "BCa",
        "expanded_bca": "expanded BCa",
        "percentile": "percentile",
        "delong": "DeLong",
        "constant": "constant",
        "none": "none",
    },
)


def page_message(name: str, /, **values: Value) -> Message:
    """A text of the page.

    Args:
        name: of the text, without ``evaluation_page.``.
        values: of its placeholders.

    >>> str(page_message("chance_level", level="0.5"))
    'chance 0.5'
    """
    return Message(f"evaluation_page.{name}", values)


def interval_message(method: str) -> Message:
    """The kind of an interval for people.

    Args:
        method: see :data:`camlucida.metrics.intervals.IntervalMethod`.

    >>> str(interval_message("expanded BCa"))
    'expanded BCa'
    """
    return Message(f"interval_method.{method.replace(' ', '_').lower()}")
