"""Tables with messages: the code for programs, and its English text for people."""

from __future__ import annotations

import pandas as pd

from camlucida.core.messages import Message

CODE = "_code"
"""Ends the name of a column of messages, as :meth:`~camlucida.core.messages.Message.dumps` has
them."""


def add_english(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Put beside each column ``NAME_code`` of messages a column ``NAME`` of their English text.

    For a table that people read. The text is for them alone: nothing reads it back.

    Args:
        frame: the table; a cell of ``NAME_code`` is a message
            (:meth:`~camlucida.core.messages.Message.dumps`), blank or missing.
        names: of the new columns. A name whose ``NAME_code`` the table lacks is skipped.

    Returns:
        A copy, with each ``NAME`` right of its ``NAME_code``; "" where the message is blank.

    Raises:
        ValueError: a cell begins with a brace and is not JSON.

    >>> from camlucida.core.messages import declare
    >>> declare("example", {"few": "only {count} {count:|map|maps}"})
    >>> codes = ["", '{"code": "example.few", "values": {"count": 2}}']
    >>> add_english(pd.DataFrame({"reason_code": codes, "n": [9, 2]}), "reason")["reason"].tolist()
    ['', 'only 2 maps']
    """
    worded = frame.copy()
    for name in names:
        if name + CODE in worded:
            codes = worded[name + CODE]
            position = list(worded).index(name + CODE)
            worded.insert(position + 1, name, codes.map(_english).astype(object))
    return worded


def _english(cell: object) -> str:
    # A missing cell is None, or NaN where pandas joined rows that lack the column.
    return str(Message.loads(cell)) if isinstance(cell, str) and cell else ""
