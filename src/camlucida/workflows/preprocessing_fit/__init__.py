"""The preprocessing that reproduces the predictions which training stored."""

from camlucida.workflows.preprocessing_fit.job import Fit, FitSettings, fit_preprocessing
from camlucida.workflows.preprocessing_fit.trials import Ranked

__all__ = ["Fit", "FitSettings", "Ranked", "fit_preprocessing"]
