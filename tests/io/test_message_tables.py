"""Columns of messages beside their English text."""

import numpy as np
import pandas as pd

from camlucida.core.messages import Message, declare
from camlucida.io.message_tables import add_english

declare("test_message_tables", {"few": "only {count} {count:|map|maps}", "none": "no map"})

FEW = Message("test_message_tables.few", {"count": 1})
NONE = Message("test_message_tables.none")


def test_the_text_stands_right_of_the_code_and_the_code_stays_readable():
    frame = pd.DataFrame({"reason_code": [FEW.dumps(), NONE.dumps()], "n": [1, 0]})
    worded = add_english(frame, "reason")
    assert list(worded) == ["reason_code", "reason", "n"]
    assert worded["reason"].tolist() == ["only 1 map", "no map"]
    assert [Message.loads(cell) for cell in worded["reason_code"]] == [FEW, NONE]
    assert list(frame) == ["reason_code", "n"]


def test_blank_and_missing_cells_have_no_text():
    codes = ["", None, np.nan, NONE.dumps()]
    worded = add_english(pd.DataFrame({"reason_code": codes}), "reason")
    assert worded["reason"].tolist() == ["", "", "", "no map"]


def test_tables_without_the_column_or_without_rows():
    assert list(add_english(pd.DataFrame({"n": [1]}), "reason")) == ["n"]
    empty = add_english(pd.DataFrame(columns=["reason_code"]), "reason")
    assert (list(empty), len(empty)) == (["reason_code", "reason"], 0)
