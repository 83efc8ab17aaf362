"""The metrics that are registered as failed are those that the published benchmark dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from camlucida.evaluation.maps.choice import DEFAULT, PRIMARY
from camlucida.evaluation.maps.row_tables import title
from camlucida.metrics import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmark.md"


def published() -> dict[str, bool]:
    """Title of a metric, with its model output → whether the published benchmark kept it."""
    kept: dict[str, bool] = {}
    head: list[str] = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "kept" in cells and "reason" in cells:
            head = cells
        elif head and line.startswith("|") and not set(line) <= set("|-: "):
            kept[cells[0]] = cells[head.index("kept")] == "yes"
        elif head and not line.startswith("|"):
            break
    return kept


def test_the_published_benchmark_tests_every_metric_that_is_registered_as_failed() -> None:
    kept = published()
    failed = {
        title(name, output)
        for name, metric in METRICS.items()
        for output in metric.failures
        if title(name, output) in kept
    }
    assert failed
    assert failed == {name for name, passed in kept.items() if not passed}


@pytest.mark.parametrize("name", DEFAULT)
def test_a_default_metric_passed_on_the_probability(name: str) -> None:
    metric = METRICS[name]
    assert metric.failure("") is None
    assert metric.failure("probability") is None


def test_the_main_metrics_are_defaults() -> None:
    assert set(PRIMARY) <= set(DEFAULT)
