"""What is wrong with a model, its input and its maps: ``camlucida doctor``."""

from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import CHECKS, Finding
from camlucida.workflows.doctor.job import Diagnosis, diagnose

__all__ = ["CHECKS", "Diagnosis", "Examination", "Finding", "diagnose"]
