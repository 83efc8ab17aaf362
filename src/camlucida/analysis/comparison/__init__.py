"""The same cases in two or more map series: who agrees, who looks where, and a verdict by a rule.

A map series is the maps of one model, method and layer.
"""

from camlucida.analysis.comparison.compare import Comparison, compare
from camlucida.analysis.comparison.series import BY
from camlucida.analysis.comparison.verdict import VerdictRule

__all__ = ["BY", "Comparison", "VerdictRule", "compare"]
