"""Several classifiers asked about the same images: each one's maps, their weighted mean, and what they disagree on."""

from camlucida.ensemble.combine import SCALES, Ensemble, Member, combine
from camlucida.ensemble.config import Classifier, read_classifiers

__all__ = ["SCALES", "Classifier", "Ensemble", "Member", "combine", "read_classifiers"]
