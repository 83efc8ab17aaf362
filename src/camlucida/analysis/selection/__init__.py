"""Which cases are shown, by declared rules, one a file.

This list is the registry: a new rule is a file and a line here.
"""

# isort: skip_file
from camlucida.analysis.selection import best  # noqa: F401
from camlucida.analysis.selection import worst  # noqa: F401
from camlucida.analysis.selection import median  # noqa: F401
from camlucida.analysis.selection import random  # noqa: F401
from camlucida.analysis.selection import per_class  # noqa: F401
from camlucida.analysis.selection import per_group  # noqa: F401
from camlucida.analysis.selection import outcomes  # noqa: F401
from camlucida.analysis.selection import disagreement  # noqa: F401
from camlucida.analysis.selection import low_evidence  # noqa: F401
from camlucida.analysis.selection import artefact  # noqa: F401
from camlucida.analysis.selection import case  # noqa: F401
from camlucida.analysis.selection.base import RULES, Rule, Selected, check_rules, select

__all__ = ["RULES", "Rule", "Selected", "check_rules", "select"]
