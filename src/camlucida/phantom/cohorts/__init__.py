"""Bundled SYNTHETIC cohorts: folders laid out as real systems leave them, with ground truth."""

from camlucida.phantom.cohorts.density import write_density
from camlucida.phantom.cohorts.ensemble import write_ensemble
from camlucida.phantom.cohorts.multilabel import write_multilabel
from camlucida.phantom.cohorts.regression import write_regression
from camlucida.phantom.cohorts.segmentation import write_segmentation

__all__ = [
    "write_density",
    "write_ensemble",
    "write_multilabel",
    "write_regression",
    "write_segmentation",
]
