"""Which cases are shown, by declared rules: one rule a file. This list is the registry; a new rule is a file and a line here."""

# isort: skip_file
from camlucida.cases.selection import best  # noqa: F401
from camlucida.cases.selection import worst  # noqa: F401
from camlucida.cases.selection import median  # noqa: F401
from camlucida.cases.selection import random  # noqa: F401
from camlucida.cases.selection import per_class  # noqa: F401
from camlucida.cases.selection import per_group  # noqa: F401
from camlucida.cases.selection import outcomes  # noqa: F401
from camlucida.cases.selection import disagreement  # noqa: F401
from camlucida.cases.selection import low_evidence  # noqa: F401
from camlucida.cases.selection import artefact  # noqa: F401
from camlucida.cases.selection.base import RULES, Rule, Selected, check_rules, select

__all__ = ["RULES", "Rule", "Selected", "check_rules", "select"]
