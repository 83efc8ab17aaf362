"""The words of the page of an ensemble."""

from __future__ import annotations

from camlucida.core.messages import Message, Value, declare

declare(
    "ensemble_page",
    {
        "title": (
            "{classifiers} {classifiers:|classifier|classifiers} on {images} {images:|image|images}"
        ),
        "failed": "Failed: {count}",
        "sentence": "{text}.",
        "of": "{name}: {text}.",
        "classifiers": "Classifiers",
        "key": "Key",
        "name": "Name",
        "weight": "Weight",
        "input": "Input",
        "labels": "Labels",
        "method": "Method, layer",
        "weights": "Weights",
        "weight_of": "{weight:.3g} ({share:.0%})",
        "method_at": "{methods:,} at {layers:,}",
        "described": "{name}:",
        "reading": "How to read this page",
        "shown_ranked": (
            "the {top} most probable {top:|label|labels} of each classifier and every label with a "
            "probability above {threshold:g} (where a classifier scales its output to operating "
            "points, that output is compared and ordered)"
        ),
        "shown_requested": "the labels requested ({labels:,})",
        "shown_annotated": "{shown}, and every label that a reader marked",
        "shown": (
            "Shown of each image: {shown}. A label that is shown is not thereby present: see its "
            "probabilities."
        ),
        "scale": (
            "Maps of different models have no common scale. Scale used here: {scale}. The "
            "weighted mean of these numbers is taken pixel by pixel, over the classifiers that "
            "saw the pixel; never of pictures. Disagreement is the standard deviation with the "
            "same weights."
        ),
        "weighting": (
            "A map counts by {weighting}. A classifier that counts less is drawn fainter."
        ),
        "evidence": (
            "A map is evidence if its cells add up to 1 logit, or 0.25 of probability. Agreement, "
            "its chance level and boxes are of maps with evidence only."
        ),
        "mean": (
            "The ensemble's probability is the weighted mean of the classifiers' probabilities. "
            "The classifiers need not be equally well calibrated; their mean is a summary of them, "
            "not the probability of a disease."
        ),
        "agreement_note": (
            "Agreement is the Pearson correlation of two classifiers' maps, each pair on its "
            "coarser grid, averaged over the pairs. Chance is the same for maps of different "
            "patients' images; excess is (agreement − chance) ÷ (1 − chance): 0 is no better than "
            "chance, 1 is identical. Classifiers that share a shortcut agree, too."
        ),
        "boxes_note": (
            "{rule} The ensemble's boxes are those of its map, never a union of pictures."
        ),
        "localisation": "Boxes against readers' boxes",
        "map": "Map",
        "findings": "Findings (patients)",
        "iou": "IoU",
        "dice": "Dice",
        "pixel_accuracy": "Pixel accuracy",
        "localised_10": "Localised, IoU ≥ .1",
        "localised_30": "Localised, IoU ≥ .3",
        "localisation_means": (
            "Means over the findings that a reader marked and that are shown; IoU, Dice and pixel "
            "accuracy of the area of all boxes of a map."
        ),
        "localisation_chance": (
            "Chance: the same boxes against the reader's boxes moved to 16 × 16 positions in the "
            "image."
        ),
        "localisation_top": (
            "Localised: the box with the map's highest peak overlaps one of the reader's by this "
            "IoU."
        ),
        "localisation_interval": "An interval needs 10 patients. Each finding: ",
        "full_stop": ".",
        "chance": "chance {level:.2g}",
        "strip": "{name}: its most probable labels, each map on its own scale.",
        "strip_alt": "{image}: most probable labels of {name}",
        "more_labels": ("{count} less probable {count:|label is|labels are} in "),
        "label": "Label",
        "ensemble": "Ensemble",
        "side_by_side": ("{image}: image, each classifier, ensemble and disagreement for {label}"),
        "boxes_alt": "{image}: boxes for {label}",
        "boxes_and_files": "Boxes and files",
        "shown_because": "Shown because: {reason}.",
        "no_probability": "A classifier gives no probability.",
        "probability": "Mean probability {probability:p}.",
        "no_agreement": "Agreement: {reason}.",
        "agreement": "Agreement of the maps {agreement:.2g}",
        "agreement_some": (
            "Agreement of the maps {agreement:.2g} ({compared} of {pairs} pairs: the others hold a "
            "map without any variation)"
        ),
        "no_null": "{agreement}; its chance level needs images of two patients.",
        "null": ("{agreement}, chance {null:.2g} ({null_pairs} {null_pairs:|pair|pairs} of maps)."),
        "null_excess": (
            "{agreement}, chance {null:.2g} ({null_pairs} {null_pairs:|pair|pairs} of maps), "
            "excess {excess:.2g}."
        ),
        "no_evidence": "{name}: no evidence: {reason}. It counts as a map of zeros.",
        "faint": "{name}: a faint map, no evidence; no box is drawn of it.",
        "without": "Without {names:,}: no map of this label.",
        "files_of": "{name}: ",
        "overlay": "overlay",
        "heatmap": "heat map",
        "mask": "mask",
        "maps": "maps",
        "audit": "Audit trail",
        "command": "Command",
        "versions": "Versions",
        "records": "Records",
        "stored": "; raw signed maps and predictions of every label: ",
    },
)


def page_message(name: str, /, **values: Value) -> Message:
    """A text of the page.

    Args:
        name: of the text, without ``ensemble_page.``.
        values: of its placeholders.

    >>> str(page_message("failed", count=2))
    'Failed: 2'
    """
    return Message(f"ensemble_page.{name}", values)
