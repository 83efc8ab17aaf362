"""Means of segmentation numbers with intervals, and how the numbers are written."""

import numpy as np
import pandas as pd
import pytest

from camlucida.core.numbers import number_or_dash
from camlucida.workflows.segmentation.numbers import percent
from camlucida.workflows.segmentation.report import map_messages
from camlucida.workflows.segmentation.statistics import summarise


def test_intervals_from_ten_patients_on_and_infinite_ratios_left_out():
    numbers = [*np.linspace(1, 2, 12), np.inf]
    about = {
        "layer": "l",
        "label": "lesion",
        "method": "m",
        "target": "predicted",
        "share": 0.5,
        "area": 0.1,
        "reached": 0.01,
        "shifted_median": 1.0,
    }
    rows = pd.DataFrame(
        [
            about | {"ratio": value, "patient": str(i), "empty_reason_code": ""}
            for i, value in enumerate(numbers)
        ]
    )
    summary = summarise(rows).set_index("metric")
    assert summary["estimate"]["ratio"] == pytest.approx(1.5)
    assert summary["low"]["ratio"] < 1.5 < summary["high"]["ratio"]
    assert (summary["images"]["ratio"], summary["left_out"]["ratio"]) == (12, 1)
    assert (summary["estimate"]["beyond_chance"], summary["chance"]["beyond_chance"]) == (
        1,
        pytest.approx(0.05),
    )
    (message,) = map_messages(summary.reset_index(), rows)
    low, high = summary["low"]["ratio"], summary["high"]["ratio"]
    assert f"1.5 [{low:.3g}, {high:.3g}]" in str(message)
    assert "in 13 of 13 maps" in str(message)
    assert "1 left out" in str(message)


def test_numbers_for_people():
    assert [number_or_dash(value) for value in (None, float("nan"), float("inf"), 1.2345)] == [
        "–",
        "–",
        "∞",
        "1.23",
    ]
    assert [percent(value) for value in (float("nan"), 0.004, 0.5)] == ["–", "0.4%", "50%"]
