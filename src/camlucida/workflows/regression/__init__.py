"""Evaluate a model that predicts a value, from the files that training systems write."""

from camlucida.workflows.regression.evaluate import (
    evaluate_regression_model,
    write_regression_report,
)
from camlucida.workflows.regression.figures import regression_figure
from camlucida.workflows.regression.settings import RegressionResult, RegressionSettings

__all__ = [
    "RegressionResult",
    "RegressionSettings",
    "evaluate_regression_model",
    "regression_figure",
    "write_regression_report",
]
