"""Pooled box metrics of an evaluation."""

import numpy as np
import pandas as pd
import pytest

from camlucida.evaluation.maps.boxes import summarise_boxes
from camlucida.evaluation.maps.summary import ALL_LABELS, SUMMARY
from camlucida.metrics.boxes import (
    BOX_LEVELS,
    BOX_OVERLAPS,
    box_accuracy,
    box_ap50,
    heat_boxes,
    max_box_acc_v2,
)


def heat(row, column, size=20):
    y, x = np.mgrid[:size, :size]
    return np.maximum(0, 6 - np.hypot(y - row, x - column))


def table(count, patients=None):
    lines = []
    for i in range(count):
        values = heat(6 + i % 5, 8)
        truth = np.array([[4.0, 4, 8, 8]])
        lines.append(
            {
                **{
                    "image": f"i{i}",
                    "patient": f"P{i if patients is None else i % patients}",
                    "label": "ab"[i % 2],
                },
                **{"method": "m", "layer": "l", "baseline": False, "synthetic": True},
                "found": heat_boxes(values, 0.5 + i / 100).tolist(),
                "truth": truth.tolist(),
                "accuracy": box_accuracy(values, truth).ravel().tolist(),
            }
        )
    return pd.DataFrame(lines)


def test_equal_to_the_metrics_themselves():
    boxes = table(24)
    summary = summarise_boxes(boxes, together=True)
    assert list(summary.columns) == SUMMARY
    everything = summary[summary.label == ALL_LABELS].set_index("metric").estimate
    assert everything["box_ap50"] == pytest.approx(
        box_ap50(boxes.found.tolist(), boxes.truth.tolist())
    )
    shape = (-1, len(BOX_LEVELS), len(BOX_OVERLAPS))
    assert everything["max_box_acc_v2"] == pytest.approx(
        max_box_acc_v2(np.array(boxes.accuracy.tolist()).reshape(shape))
    )
    for line in summary.to_dict("records"):
        assert line["interval_method"] == "percentile"
        assert 0 <= line["low"] <= line["estimate"] <= line["high"] <= 1


def test_few_patients_give_no_interval_and_one_label_no_total():
    summary = summarise_boxes(table(24, patients=9), together=False, names=["box_ap30"])
    assert set(summary.label) == {"a", "b"}
    assert set(summary.interval_method) == {"none"}
    assert summary.low.isna().all()
