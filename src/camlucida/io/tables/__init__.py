"""Tables: CSV, TSV, XLSX, Parquet or JSON in; Parquet or CSV out.

Names and text cells come stripped; text stays text.
"""

from camlucida.io.tables.columns import (
    find_column,
    flags,
    fold,
    numbers,
    texts,
    with_points,
)
from camlucida.io.tables.layout import comma_notes
from camlucida.io.tables.read import Fits, notes_of, read_table, source
from camlucida.io.tables.wording import count, listing
from camlucida.io.tables.write import FORMULA_STARTS, write_table

__all__ = [
    "FORMULA_STARTS",
    "Fits",
    "comma_notes",
    "count",
    "find_column",
    "flags",
    "fold",
    "listing",
    "notes_of",
    "numbers",
    "read_table",
    "source",
    "texts",
    "with_points",
    "write_table",
]
