"""What the figures of predictions share: panels, estimates in words, and the lines below."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camlucida.core.messages import declare
from camlucida.figures.notice import notice_line, watermark
from camlucida.figures.style import words, wrapped_text

declare(
    "prediction_figures",
    {
        "undefined": "undefined",
        "no_interval": ", no interval",
        "sample": "{images} {images:|image|images} of {patients} {patients:|patient|patients}.",
        "brackets": "Brackets: 95% interval by patient.",
        "predicted": "predicted",
        "true": "true",
        "class_share": "share of the true class",
        "accuracy": "accuracy {accuracy}, chance {chance}",
        "kappa": "quadratic kappa {kappa}",
        "positives": "{label} ({positives} of {images})",
        "roc_across": "1 − specificity | recall",
        "roc_up": "sensitivity | precision",
        "no_curve": "no positives or no negatives: no curve",
        "curves": (
            "Blue: ROC. Orange: precision over recall. Dotted: chance level. "
            "Dot: at threshold {threshold:g}. Brackets: 95% interval by patient; "
            "none with fewer than 10 positive or 10 negative patients."
        ),
        "bin_mean": "probability, mean of the bin",
        "share_positive": "share truly positive",
        "calibration_error": "calibration error {error}",
        "if_calibrated": "if calibrated {expected}",
        "no_rows": "no rows",
        "calibration": (
            "{bins} bins of equal width. Dashed: perfectly calibrated. "
            "Area of a dot: rows in the bin."
        ),
        "true_value": "true value",
        "predicted_value": "predicted value",
        "equal": "predicted = true",
        "error": "error (predicted − true)",
        "images": "images",
        "bias": "bias {bias}",
        "bias_line": "bias",
        "bands": "Grey bands: 95% intervals by patient.",
        "mean_value": "mean of predicted and true value",
        "outside": "{outside} of {images} images outside the limits (×)",
        "all_patients": "{metric}, all patients:",
        "unit": "{metric}, unit of the value",
        "in_unit": "{text} ({unit})",
        "means": "mean true (ring) and predicted (dot)",
        "means_title": "slope of predicted over true:",
        "groups": (
            "Bar: 95% interval by patient; hollow: under 10 patients. "
            "Dotted: the median (mean) of all patients as prediction. Grey line: all patients."
        ),
    },
)

INK, GREY = "#222222", "#767676"


def panels_in_a_row(number: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of ``number`` panels side by side, each of ``width`` × ``height`` inches."""
    figure = Figure(figsize=(number * width, height + 0.5), layout="constrained")
    panels = list(figure.subplots(1, number, squeeze=False)[0])
    for axes in panels:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def estimate_of(figures: pd.DataFrame, metric: str, label: str = "") -> pd.Series | None:
    """The row of a metric over all patients; None where the table lacks it."""
    is_metric = (figures["metric"] == metric) & (figures["label"] == label)
    rows = figures[is_metric & (figures["group"] == "")]
    return rows.iloc[0] if len(rows) else None


def estimate_text(figures: pd.DataFrame, metric: str, label: str = "") -> str:
    """An estimate with its interval, such as "0.812 [0.760, 0.861]"."""
    row = estimate_of(figures, metric, label)
    if row is None or not np.isfinite(row["estimate"]):
        return words("prediction_figures.undefined")
    size = abs(row["estimate"])
    digits = ".3f" if size <= 1 else ".2f" if size < 1e4 else ".3g"
    interval = words("prediction_figures.no_interval")
    if np.isfinite(row["low"]):
        interval = f" [{row['low']:{digits}}, {row['high']:{digits}}]"
    text = f"{row['estimate']:{digits}}{interval}"
    return text.replace("-", "−")


def chance_text(figures: pd.DataFrame, metric: str, label: str = "") -> str:
    """The chance level of a metric, such as "0.500"."""
    row = estimate_of(figures, metric, label)
    if row is None or not np.isfinite(row["chance"]):
        return words("prediction_figures.undefined")
    return f"{row['chance']:.3f}"


def sample_text(figures: pd.DataFrame) -> str:
    """How many images and patients the figures are of, such as "60 images of 52 patients."."""
    first = figures[figures["group"] == ""].iloc[0]
    images, patients = int(first["n"]), int(first["patients"])
    return words("prediction_figures.sample", images=images, patients=patients)


def with_footer(figure: Figure, note: str, synthetic: bool) -> Figure:
    """Add how to read the figure and the notice below it."""
    width = int(figure.get_figwidth() * 19)
    figure.supxlabel(f"{wrapped_text(note, width)}\n{notice_line(synthetic, 'data')}", fontsize=7.5)
    if synthetic:
        watermark(figure, 0.35)
    return figure
