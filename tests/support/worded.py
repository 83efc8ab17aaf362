"""Tables for people: a message's code beside its English text."""

import pandas as pd

from camlucida.core.messages import Message


def assert_worded(table: pd.DataFrame, name: str) -> None:
    """Column ``name`` is the English of the messages of column ``name_code``, blank where they are.

    Args:
        table: of a CSV file, as pandas reads it.
        name: of the column of text.
    """
    # A column without any text is read as numbers, which take no text for a missing value.
    codes = table[f"{name}_code"].astype(object).fillna("")
    words = table[name].astype(str).where(table[name].notna(), "")
    assert words.tolist() == [str(Message.loads(code)) if code else "" for code in codes]
    assert not words.str.contains("[{}]").any()
