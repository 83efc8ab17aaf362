"""The metrics that are registered as failed are those that the published benchmark dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from camlucida.evaluation.maps.choice import DEFAULT, PRIMARY
from camlucida.evaluation.maps.row_tables import title
from camlucida.metrics import METRICS
from camlucida.workflows.benchmark.meta import reason_message

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmark.md"


def published() -> dict[str, str]:
    """Title of a metric, with its model output → why the published benchmark dropped it; "" if it
    was kept.
    """
    reasons: dict[str, str] = {}
    head: list[str] = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "kept" in cells and "reason" in cells:
            head = cells
        elif head and line.startswith("|") and not set(line) <= set("|-: "):
            assert (cells[head.index("kept")] == "yes") == (cells[head.index("reason")] == "")
            reasons[cells[0]] = cells[head.index("reason")]
        elif head and not line.startswith("|"):
            break
    return reasons


def test_the_registered_failures_are_those_of_the_published_benchmark() -> None:
    reasons = published()
    registered = {
        str(title(name, output)): str(reason_message(",".join(failures)))
        for name, metric in METRICS.items()
        for output, failures in metric.failures.items()
    }
    assert registered
    assert registered == {name: reason for name, reason in reasons.items() if reason}


@pytest.mark.parametrize("name", DEFAULT)
def test_a_default_metric_passed_on_the_probability(name: str) -> None:
    metric = METRICS[name]
    assert metric.failure("") is None
    assert metric.failure("probability") is None


def test_the_main_metrics_are_defaults() -> None:
    assert set(PRIMARY) <= set(DEFAULT)
