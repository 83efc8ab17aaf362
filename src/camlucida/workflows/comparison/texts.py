"""The words of the page of a comparison."""

from __future__ import annotations

from camlucida.core.messages import Message, Value, declare

declare(
    "comparison_page",
    {
        "title": "Compared by {by}",
        "sentence": "{text}.",
        "map_series": "Map series",
        "series_note": "A map series is the maps of one model, method and layer.",
        "brackets": (
            "Brackets hold 95% intervals by patient: Wilson for proportions, BCa for all others."
        ),
        "artefacts_note": (
            "Heat on artefacts lies on the border, on burned-in text and outside the body; its "
            "chance level is their share of the image."
        ),
        "images": "Images",
        "patients": "Patients",
        "right": "Performance",
        "by_chance": "and by chance",
        "artefacts": "Heat on artefacts",
        "maps": "Maps",
        "no_evidence": "No evidence",
        "performance": "Every metric of every model is in ",
        "full_stop": ".",
        "series": "{model}, {method} at {layer} ({grid})",
        "same_series": "{model}, {method} at {layer} ({grid}); the same maps as {other}",
        "metric_chance": "{metric}; chance {level}",
        "chance": "chance {level}",
        "group": "Group",
        "models": "Models",
        "label": "Label",
        "aucs": "AUCs",
        "difference": "Difference",
        "p": "p",
        "p_holm": "p (Holm)",
        "positives": "Positives",
        "minus": "{first} − {second}",
        "aucs_title": "AUCs compared",
        "none_shared": (
            "No image is shared by all map series, so predictions and maps cannot be compared "
            "case by case."
        ),
        "agreement": "Agreement",
        "excess_note": (
            "Excess similarity is (similarity − null) ÷ (1 − null): 0 is no more alike than maps "
            "of different patients, 1 is the same."
        ),
        "similarity_note": (
            "Similarity is the Pearson correlation of two maps on the coarser of their grids; the "
            "null is that of the same map series' maps of different patients."
        ),
        "top_note": (
            "Top 5 is the overlap (IoU) of the five hottest cells, beside its null. Kappa is "
            "Cohen's."
        ),
        "by_label": "By label ({count} {count:|row|rows})",
        "kappa": "Kappa",
        "logits": "r of logits",
        "no_similarity": "No similarity",
        "similarity": "Similarity",
        "and_null": "and null",
        "excess": "Excess",
        "top": "Top 5",
        "identical": "the same maps up to a factor: no agreement of two",
        "all_labels": "all",
        "null": "null {level}",
        "no_case": "No case is compared.",
        "verdicts": "Verdicts",
        "verdict": "Verdict",
        "cases": "Cases",
        "share": "Share",
        "judged": "With ground truth",
        "image": "Image",
        "reason": "Reason",
        "predictions_agree": "Predictions agree",
        "artefact_ratio": "Heat on artefacts ÷ area",
        "all_cases": "All {count} {count:|case|cases}",
        "first_cases": "The first {shown} of {count} cases; all are in cases.csv",
        "limits": "Limits",
        "record": "Record",
        "runs": "Runs",
        "command": "Command",
        "versions": "Versions",
        "figure_series": "Performance of each map series' model, and heat on artefacts.",
        "figure_pairs": "How far each two map series agree.",
        "figure_verdicts": "Verdicts, and the performance in each.",
        "figure_cases": "Cases side by side, by {by}.",
        "figure_group": "Cases of {group} side by side, by {by}.",
    },
)


def page_message(name: str, /, **values: Value) -> Message:
    """A text of the page.

    Args:
        name: of the text, without ``comparison_page.``.
        values: of its placeholders.

    >>> str(page_message("chance", level="0.5"))
    'chance 0.5'
    """
    return Message(f"comparison_page.{name}", values)


def varied(by: str) -> Message:
    """What varies between the map series, for people.

    Args:
        by: one of :data:`camlucida.analysis.comparison.series.BY`.

    >>> str(varied("seed"))
    'training seed'
    """
    return Message(f"words.{by}")
