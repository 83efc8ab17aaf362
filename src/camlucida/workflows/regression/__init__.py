"""A model of a value, its images, masks and table: predictions, maps and evidence in the files that training systems write."""

from camlucida.workflows.regression.figures import regression_figure
from camlucida.workflows.regression.study import RegressionStudy, Studied, study_regression

__all__ = ["RegressionStudy", "Studied", "regression_figure", "study_regression"]
