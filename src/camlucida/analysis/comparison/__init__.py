"""The same cases as several models, methods or layers see them: who agrees, who looks where, and a verdict by a stated rule."""

from camlucida.analysis.comparison.compare import Comparison, compare
from camlucida.analysis.comparison.series import BY
from camlucida.analysis.comparison.verdict import Rule

__all__ = ["BY", "Comparison", "Rule", "compare"]
