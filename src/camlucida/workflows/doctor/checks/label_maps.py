"""Maps that are blind to the label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import median

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.metrics.correlation import pearson
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Values, finding

MOST = 4
"""Labels that are compared."""

BLIND = 0.99
"""From this correlation on, the map of a label is that of any other."""

declare(
    "doctor",
    {
        "blind": (
            "Grad-CAM maps of different labels have a median correlation of {correlation} at "
            "{layer} ({labels}, {images} images): they show where the network looks, and not for "
            "which label"
        ),
        "blind_mend": (
            "explain a difference, --target diff:A|B, or another layer; see whether the labels' "
            "outputs differ at all"
        ),
        "specific": (
            "Grad-CAM maps of different labels have a median correlation of {correlation} at "
            "{layer} ({labels}, {images} images)"
        ),
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the maps of different labels differ."""
    chosen = _chosen(examination)
    if len(chosen) < 2:
        return
    maps = examination.explanations("gradcam", chosen)
    labels = [examination.output.labels[i] for i in chosen]
    for layer in dict.fromkeys(each.layer for each in maps):
        correlations: list[float] = []
        for scan in examination.scans:
            of_scan = [each for each in maps if each.layer == layer and each.scan.id == scan.id]
            correlations += _correlations(of_scan)
        if correlations:
            images = len(examination.scans)
            yield _of_layer(layer, labels, images, median(correlations))


def _of_layer(layer: str, labels: Sequence[str], images: int, correlation: float) -> Finding:
    about: Values = {"layer": layer, "labels": ", ".join(labels), "images": images}
    values: Values = {**about, "correlation": f"{correlation:.3f}"}
    if correlation > BLIND:
        return finding("label_maps", "fault", "blind", values)
    return finding("label_maps", "ok", "specific", values)


def _chosen(examination: Examination) -> list[int]:
    """Numbers of the labels with the highest outputs; none of a segmentation: regions differ."""
    output = examination.output
    if output.task == "segmentation":
        return []
    logits = examination.logits(examination.inputs).mean(0)
    order = sorted(examination.labels, key=lambda i: -float(logits[i]))
    return order[:MOST]


def _correlations(maps: Sequence[Explanation]) -> list[float]:
    """Of each pair of signed maps that are neither of them level."""
    uneven = [each for each in maps if float(each.raw.std()) > 0]
    return [pearson(one.raw.numpy(), other.raw.numpy()) for one, other in combinations(uneven, 2)]
