"""The words of the benchmark's sections beside its results."""

from __future__ import annotations

from camlucida.core.messages import Message, Value, declare

declare(
    "benchmark_page",
    {
        "title": "The radiograph benchmark",
        "notice": (
            "All results are from synthetic films and small models trained on them. They compare "
            "methods and metrics, and do not generalise to radiology or to any real model."
        ),
        "results": "Results",
        "this_run": "This run",
        "command": "Command",
        "quick": " (quick)",
        "time": "Time",
        "time_of": ("{minutes:.1f} minutes, {threads} torch {threads:|thread|threads}, {device}"),
        "films": "Films of each model",
        "films_of": (
            "main {main}, shortcut {shortcut}, null {null}; {meta} of the main films test the "
            "metrics"
        ),
        "maps": "Maps scored",
        "maps_of": "{maps}, in {rows} rows",
        "models": "Models",
        "methods": "Methods",
        "generator": "Generator of the films",
        "version": ", version ",
        "seed": ", seed {seed}",
        "layer": "Layer",
        "versions": "Versions",
        "user_methods": "Methods of the user",
        "failed": "Failed, and left out: {line}",
        "leaderboard": "Leaderboard",
        "means": (
            "Values are means over all verified maps of the main models and all labels; square "
            "brackets hold 95% intervals from resampling patients."
        ),
        "ranked": (
            "Methods and baselines are ranked within each metric; ranks are averaged over the "
            "metrics of a family, then over families."
        ),
        "ranking_metrics": "The ranking metrics are {metrics}.",
        "no_metric": "No metric ranks.",
        "bound": (
            "The upper bound of the grid is the score of the ground truth averaged over the grid's "
            "cells."
        ),
        "dagger": "A dagger (†) marks methods that give all labels one map.",
        "cost": "The cost is that of one image alone.",
        "rank_interval": (
            "The interval of a mean rank resamples models, then patients. A group holds the "
            "methods that do not differ from its best one (Bonferroni's correction over all "
            "pairs)."
        ),
        "references": (
            "Methods whose maps are identical are one entry. The oracle is the ground truth on the "
            "grid; the last line is the mean of all methods on models of permuted labels."
        ),
        "unordered": (
            "The models agree too little on an order of the methods for one to be given (Kendall's "
            "W below {ordered:g}); within a group the lines are in the order of their names."
        ),
        "board_figure": (
            "Mean score of each method with its interval, chance level and upper bound, for the "
            "ranking metrics."
        ),
        "position": "position",
        "group": "group",
        "method": "method",
        "mean_rank": "mean rank",
        "rank_of": "rank: {family}",
        "milliseconds": "ms a map",
        "board": "Methods and baselines, best first.",
        "agreement": "Agreement of the models on the order of the methods (baselines left out).",
        "among": "among",
        "rankings": "rankings",
        "kendall": "Kendall's W",
        "first": "first in at least one",
        "metrics_tested": "The metrics, tested",
        "tested_on": (
            "The metrics score maps whose order of merit is known, on {maps} maps of the main "
            "models' films."
        ),
        "keep_rule": (
            "A metric is dropped if its score worsens from one α to a larger one, if it does not "
            "improve from α = 0 to α = 1, or if a blurred oracle scores better than the oracle."
        ),
        "counts_where": (
            "A change counts where the whole 95% interval of the paired difference is on its side; "
            "with fewer than 10 patients there is no interval, and the estimate decides."
        ),
        "changing": (
            "Prediction–saliency correlation and efficient MPRT measure how maps change with the "
            "image or the weights, which the ground truth does not: for them the oracle is "
            "Grad-CAM's map of the model as it is, and the random map is drawn anew for each copy "
            "of the image and each draw of the weights."
        ),
        "metric": "metric",
        "better": "better",
        "shift": "shift {cells}",
        "blur": "blur {cells}",
        "gain_by_blur": "gain by blur",
        "kept": "kept",
        "yes": "yes",
        "no": "no",
        "higher": "higher",
        "lower": "lower",
        "reason": "reason",
        "metrics_figure": (
            "Score of each metric on maps of rising merit, on shifted and on blurred oracles."
        ),
        "metrics_table": "Mean score of each metric on known maps.",
        "verified_use": "Verified use of the evidence",
        "proof": (
            "A film passes for a label if the model predicts it (probability above {threshold:g}), "
            "if its logit drops when the evidence is removed, and if the drop is at least "
            "{ratio:g} times the change that distractors of equal area and contrast make on the "
            "same bare film."
        ),
        "arm": "arm",
        "model": "model",
        "label": "label",
        "n_films": "films",
        "predicted": "predicted",
        "logit_drop": "drop of the logit",
        "distractor_change": "change by distractors (absolute)",
        "passed": "passed",
        "verification": "Verified use of the evidence, by model and label; means over films.",
    },
)

declare(
    "benchmark_limits",
    {
        "title": "Limitations",
        "lesions": (
            "Lesions are solid balls and rings on healthy phantoms: sharp, of one energy, without "
            "scatter or disease around them. A method that fails here is unlikely to succeed "
            "elsewhere; one that succeeds here may fail on real films."
        ),
        "models": (
            "The models are small (under 0.1 million weights), and only their last layer is "
            "explained: a 16 × 16 grid whose cells see most of the film, behind global average "
            "pooling and one linear layer. Methods that differ behind other heads coincide here; "
            "earlier layers and other grids would score otherwise."
        ),
        "truth": (
            "The ground truth is where the film changes. A model may use a part of it, or the "
            "lesion's surroundings: verified use shows that the evidence matters, not which of its "
            "pixels."
        ),
        "ladder": (
            "The random map of the meta-evaluation is smooth, and the oracle is the ground truth "
            "on the grid. Ordering these maps correctly is necessary, not sufficient; with more "
            "films and narrower intervals a metric that passes may fail."
        ),
        "weights": (
            "Ranks weigh families alike; other weights give other orders. Near-duplicate metrics "
            "of one family weigh more within it."
        ),
        "intervals": (
            "Intervals are of means over films and are not corrected for the number of "
            "comparisons. Seeds and architectures are few and are not resampled."
        ),
        "real": (
            "On real radiographs the display curve and the lung fields are unknown: pasted lesions "
            "are plausible, not physical, and the models never saw such films."
        ),
        "no_real": (
            "The semi-synthetic arm was not run, as no real radiographs were given (--films)."
        ),
        "missing": "This copy lacks models of the benchmark: {arms}.",
        "missing_arm": "{arm}: {present} of {expected} models are in this copy",
    },
)

declare(
    "benchmark_arms",
    {
        "tag": "Decoy, distractors and shortcuts",
        "false_alarm": (
            "A false alarm is a map with more than {ratio:g} times the heat on the tag that a "
            "uniform map has, in a model for which the tag is uninformative (main arm)."
        ),
        "followed": (
            "In the shortcut arms the tag followed the label nodule in training. The reliance of "
            "each model on the tag is measured without any map, and heat on the tag should follow "
            "it."
        ),
        "all_tagged": (
            "All films of the shortcut arms bear the tag; those count on which the model predicts "
            "nodule."
        ),
        "tag_share": "share of heat on the tag",
        "false_alarms": "false alarms",
        "decoy": "The tag as a decoy: main models.",
        "bar_share": "share of heat on the distractors",
        "distractors": "Distractors: main models.",
        "shortcuts": "Shortcut arms, label nodule: share of heat on the tag.",
        "spearman_all": "Spearman, all",
        "spearman_within": "Spearman, within models",
        "area": "area of the tag",
        "below_share": (
            "Below each share: maps with more than {ratio:g} times the area of the tag."
        ),
        "spearman": (
            "Spearman: heat on the tag against the drop of the logit, over all films and over the "
            "films within each model."
        ),
        "shortcut_figure": (
            "Drop of the logit without the tag, and share of heat on the tag, by arm."
        ),
        "null": "Null models",
        "null_purpose": (
            "Null models cannot know the lesions, so a localisation score above chance comes from "
            "the map (edges, brightness) and not from the model."
        ),
        "null_road": (
            "ROAD may remain above chance: a faithful map of an untrained model is still faithful "
            "to it."
        ),
        "null_values": (
            "Values are means less the chance level, over every label of every film; bold where "
            "the interval lies above 0."
        ),
        "less_chance": "Score less chance level, {arm} models.",
        "strata": "Labels, sizes, real backgrounds",
        "specificity_is": (
            "Class specificity is the average precision on the label's evidence less that on the "
            "other lesion's, on films with both. The chance level permutes the labels of an "
            "image's maps; a method with one map for all labels scores just that."
        ),
        "size_is": (
            "Size is the radius of the label's largest lesion, in pixels of 256: {sizes:,}."
        ),
        "size_from": "{size} from {pixels}",
        "specificity": "Class specificity on films with both lesions.",
        "class_specificity": "class specificity",
        "chance_level": "chance level",
        "strata_table": "{metric} by kind of label and by size ({others}: see arms.csv).",
        "real": "Lesions on real radiographs, verified pairs.",
    },
)


def page_text(name: str, /, **values: Value) -> Message:
    """A text of the page.

    Args:
        name: of the text, without ``benchmark_page.``.
        values: of its placeholders.

    >>> str(page_text("seed", seed=0))
    ', seed 0'
    """
    return Message(f"benchmark_page.{name}", values)


def arm_text(name: str, /, **values: Value) -> Message:
    """A text of the sections on the arms.

    Args:
        name: of the text, without ``benchmark_arms.``.
        values: of its placeholders.

    >>> str(arm_text("area"))
    'area of the tag'
    """
    return Message(f"benchmark_arms.{name}", values)
