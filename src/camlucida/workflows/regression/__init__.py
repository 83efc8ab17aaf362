"""A model of a value, its images, masks and table: predictions, maps and evidence in the files that training systems write."""

from camlucida.workflows.regression.evaluate import (
    RegressionResult,
    RegressionSettings,
    evaluate_regression_model,
)
from camlucida.workflows.regression.figures import regression_figure

__all__ = [
    "RegressionResult",
    "RegressionSettings",
    "evaluate_regression_model",
    "regression_figure",
]
