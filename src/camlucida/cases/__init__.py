"""The maps of runs as cases: what was said and what is true of each, where its heat lies, and which ones to show."""

from camlucida.cases.heat import heat_table
from camlucida.cases.table import case_table

__all__ = ["case_table", "heat_table"]
