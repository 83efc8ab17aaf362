"""True and false positives and negatives by label."""

from dataclasses import replace

import numpy as np
import pandas as pd

from camlucida.report.sections.cross_table import cross_tables, outcome_counts


def test_counts_are_those_of_the_figures(gathered):
    """Sensitivity and specificity of the performance are ratios of the counts."""
    (performance,) = gathered.performance
    (table,) = cross_tables(performance)
    figures = performance.figures[performance.figures["group"] == ""].set_index(["label", "metric"])
    for label, tp, fp, fn, tn in table.rows:
        for metric, part, rest in (("sensitivity", tp, fn), ("specificity", tn, fp)):
            expected = part / (part + rest) if part + rest else np.nan
            np.testing.assert_equal(figures.loc[(label, metric), "estimate"], expected)


def test_the_threshold_and_the_operating_point_decide():
    frame = pd.DataFrame({"label": "a", "truth": [1.0, 0.0], "probability": [0.4, 0.4]})
    assert outcome_counts(frame, 0.5).loc["a"].tolist() == [0, 0, 1, 1]
    assert outcome_counts(frame, 0.4).loc["a"].tolist() == [1, 1, 0, 0]
    scaled = frame.assign(scaled_output=[0.6, 0.3])
    assert outcome_counts(scaled, 0.5).loc["a"].tolist() == [1, 0, 0, 1]


def test_other_tasks_have_none(gathered):
    (performance,) = gathered.performance
    assert list(cross_tables(replace(performance, task="multiclass"))) == []
    assert list(cross_tables(replace(performance, predictions=None))) == []
