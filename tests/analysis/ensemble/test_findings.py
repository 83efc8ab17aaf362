"""Which findings of an ensemble are shown, where a classifier has operating points."""

from types import SimpleNamespace

import pandas as pd
import pytest

from camlucida.analysis.ensemble.findings import EnsembleFindings, FindingChoice
from camlucida.workflows.ensemble.tables import ranked

ROWS = pd.DataFrame(
    [
        # The sigmoid says 0.02 of Mass, which is above its operating point.
        ("scaled", "Mass", 0.02, 0.6),
        ("scaled", "Edema", 0.3, 0.4),
        ("scaled", "Nodule", 0.1, 0.2),
        ("plain", "Mass", 0.2, None),
        ("plain", "Edema", 0.7, None),
    ],
    columns=["model", "label", "probability", "scaled_output"],
).assign(image="film")


@pytest.fixture
def findings():
    models = [
        {"name": name, "weight": 1, "resolved": {"labels": ["Mass", "Edema", "Nodule"]}}
        for name in ("scaled", "plain")
    ]
    run = SimpleNamespace(about={"models": models}, predictions=lambda: ROWS)
    return EnsembleFindings(run)


def test_the_threshold_and_the_order_are_those_of_the_decision(findings):
    shown = findings.chosen("film", FindingChoice(top=1))
    assert {label: str(reason) for label, reason in shown.items()} == {
        "Mass": "scaled: number 1, above 0.5",
        "Edema": "plain: number 1, above 0.5",
    }
    table, decisions = findings.table("film"), findings.decisions("film")
    assert ranked(table, decisions, "scaled", 2) == [("Mass", 0.02), ("Edema", 0.3)]
    assert list(table.index) == list(decisions.index) == ["Edema", "Mass", "Nodule"]
    assert table.at["Mass", "ensemble"] == pytest.approx(0.11)
