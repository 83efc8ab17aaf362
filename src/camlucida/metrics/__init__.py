"""Measures of explanations: pure functions, one file a family.

A new metric is a function in its family's file.

The files that register are imported here; this list is the registry.
"""

from camlucida.metrics import (  # noqa: F401
    agreement,
    annotation_overlap,
    artefacts,
    boxes,
    chexlocalize,
    class_specificity,
    consistency,
    description,
    efficient_mprt,
    faithfulness,
    information_curves,
    localisation,
    prediction_saliency,
    sanity,
    sanity_gate,
    stability,
)
from camlucida.metrics.base import METRICS, Metric, metric

__all__ = ["METRICS", "Metric", "metric"]
