"""The same cases as several models, methods or layers see them: who agrees, who looks where, and a verdict by a stated rule."""

from camlucida.comparison.compare import Comparison, compare
from camlucida.comparison.verdict import Rule
from camlucida.comparison.voices import BY

__all__ = ["BY", "Comparison", "Rule", "compare"]
