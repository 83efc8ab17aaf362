"""A model of a value, its images, masks and table: predictions, maps and evidence in the files that training systems write."""

from camlucida.systems.regression.figures import regression_figure
from camlucida.systems.regression.study import RegressionStudy, Studied, study_regression

__all__ = ["RegressionStudy", "Studied", "regression_figure", "study_regression"]
