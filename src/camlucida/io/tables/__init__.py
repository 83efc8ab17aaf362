"""Tables: CSV, TSV, XLSX, Parquet or JSON in; Parquet or CSV out.

Names and text cells come stripped; text stays text.
"""

from camlucida.io.tables.columns import find_column, flags, fold, numbers, texts
from camlucida.io.tables.read import read_table, source
from camlucida.io.tables.wording import count, listing
from camlucida.io.tables.write import FORMULA_STARTS, write_table

__all__ = [
    "FORMULA_STARTS",
    "count",
    "find_column",
    "flags",
    "fold",
    "listing",
    "numbers",
    "read_table",
    "source",
    "texts",
    "write_table",
]
